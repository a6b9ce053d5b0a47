// The first program of many courses: two hidden units learn XOR.
//
//   Keras (Python)                                               Gradus
//   model = Sequential([                                         const model = sequential([
//     Dense(2, input_shape=(2,), activation='sigmoid'),            dense(2, { inputShape: [2], activation: 'sigmoid' }),
//     Dense(1, activation='sigmoid')])                             dense(1, { activation: 'sigmoid' })])
//   model.compile(optimizer='adam',                              model.compile({ optimizer: 'adam',
//     loss='binary_crossentropy', metrics=['accuracy'])            loss: 'binaryCrossentropy', metrics: ['accuracy'] })
//   model.fit(x, y, epochs=1000, verbose=0)                      await model.fit(x, y, { epochs: 1000, verbose: 0 })
//   loss, accuracy = model.evaluate(x, y)                        const { loss, accuracy } = await model.evaluate(x, y)
import { pathToFileURL } from 'node:url'
import { type Device, dense, Generator, sequential } from 'gradus'

const x = [
  [0, 0],
  [0, 1],
  [1, 0],
  [1, 1],
]
const y = [[0], [1], [1], [0]]

export async function trainXor(learningRate: number, options: { device?: Device; seed?: number } = {}) {
  const { device, seed = 1 } = options
  const generator = new Generator(seed)
  const model = sequential(
    [dense(2, { inputShape: [2], activation: 'sigmoid' }), dense(1, { activation: 'sigmoid' })],
    { device, generator },
  )
  model.compile({ optimizer: { name: 'adam', learningRate }, loss: 'binaryCrossentropy', metrics: ['accuracy'] })
  await model.fit(x, y, { epochs: 1000, verbose: 0, generator })
  const { loss, accuracy } = await model.evaluate(x, y)
  model.dispose()
  return { loss, accuracy }
}

if (import.meta.url === pathToFileURL(process.argv[1]!).href) {
  // Adam's default step is too short for 1000 epochs of one batch each: the loss has hardly moved, in any framework.
  for (const learningRate of [0.001, 0.05]) {
    const { loss, accuracy } = await trainXor(learningRate)
    console.log(`learning rate ${learningRate}: loss ${loss.toFixed(4)}, accuracy ${accuracy.toFixed(2)}`)
  }
}
