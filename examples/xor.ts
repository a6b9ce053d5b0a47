// The first program of many courses: hidden units learn XOR.
//
//   Keras (Python)                                               Gradus
//   model = Sequential([                                         const model = sequential([
//     Dense(8, input_shape=(2,), activation='tanh'),               dense(8, { inputShape: [2], activation: 'tanh' }),
//     Dense(1, activation='sigmoid')])                             dense(1, { activation: 'sigmoid' })])
//   model.compile(optimizer=Adam(0.05),                          model.compile({ optimizer: { name: 'adam', learningRate: 0.05 },
//     loss='binary_crossentropy', metrics=['accuracy'])            loss: 'binaryCrossentropy', metrics: ['accuracy'] })
//   model.fit(x, y, epochs=200, verbose=0)                       await model.fit(x, y, { epochs: 200, verbose: 0 })
//   loss, accuracy = model.evaluate(x, y)                        const { loss, accuracy } = await model.evaluate(x, y)
import { pathToFileURL } from 'node:url'
import { type ActivationName, type Device, dense, Generator, sequential } from 'gradus'

const x = [
  [0, 0],
  [0, 1],
  [1, 0],
  [1, 1],
]
const y = [[0], [1], [1], [0]]

interface Program {
  units: number
  activation: ActivationName
  learningRate: number
  epochs: number
}
/** Solves XOR from every seed that was tried. */
export const reliable: Program = { units: 8, activation: 'tanh', learningRate: 0.05, epochs: 200 }
/** As courses have it. Two units are just enough, and many seeds end in a local minimum; the step is short, too. */
export const course: Program = { units: 2, activation: 'sigmoid', learningRate: 0.001, epochs: 1000 }

export async function trainXor(program: Program, options: { device?: Device; seed?: number } = {}) {
  const { device, seed = 1 } = options
  const { units, activation, learningRate, epochs } = program
  const generator = new Generator(seed)
  const model = sequential([dense(units, { inputShape: [2], activation }), dense(1, { activation: 'sigmoid' })], {
    device,
    generator,
  })
  model.compile({ optimizer: { name: 'adam', learningRate }, loss: 'binaryCrossentropy', metrics: ['accuracy'] })
  await model.fit(x, y, { epochs, verbose: 0, generator })
  const { loss, accuracy } = await model.evaluate(x, y)
  model.dispose()
  return { loss: loss!, accuracy: accuracy! }
}

if (import.meta.url === pathToFileURL(process.argv[1]!).href) {
  // npm run example .cache/examples/xor.js [seeds]
  const seeds = Number(process.argv[2] ?? 20)
  for (const program of [reliable, course, { ...course, learningRate: 0.05 }]) {
    let solved = 0
    for (let seed = 1; seed <= seeds; seed++) if ((await trainXor(program, { seed })).accuracy === 1) solved++
    const { units, activation, learningRate, epochs } = program
    console.log(
      `${units} ${activation} units, rate ${learningRate}, ${epochs} epochs: ${solved} of ${seeds} seeds solved`,
    )
  }
}
