// Whatever a function of the user does, only the promise of the call that it belongs to is rejected: a process that
// handles that promise ends well and says nothing.
import { describe, expect, test } from 'vitest'
import { devices } from './harness/devices.js'
import { runNode } from './harness/process.js'

const setting = `
  const { data, dense, losses, Model, nn, ones, sequential, tensor, zeros } = gradus
  const x = zeros([70, 2], { device })
  const y = zeros([70, 1], { device })
  const mine = new Error('mine')
  const later = () => new Promise((_, reject) => setTimeout(reject, 5, mine))
  const compile = options =>
    sequential([dense(1, { inputShape: [2] })], { device }).compile({ optimizer: 'sgd', loss: 'mse', ...options })
  const fit = (options = {}, compiled = {}) => compile(compiled).fit(x, y, { verbose: 0, ...options })
  const module = (forward, train) => {
    class Net extends nn.Module {
      layer = new nn.Linear(2, 1, { device })
      forward(x) {
        return forward(this.layer.forward(x))
      }
    }
    if (train) Net.prototype.train = train
    return new Model(new Net()).compile({ optimizer: 'sgd', loss: 'mse' })
  }
  const dataset = batch => new data.Loader({ length: 3, batch }, { batchSize: 1 })
  const each = async loader => {
    for await (const _ of loader);
  }
  const output = write => ({ write })
  const terminal = write => ({ write, isTTY: true, columns: 80 })
  const raise = () => {
    throw mine
  }
`

/** What a user's function may do, where it may stand, and how the call ends: 'mine' is the user's own error. */
const places: Record<string, (fn: string) => string> = {
  loss: fn => `fit({}, { loss: (p, t) => { const r = ${fn}(); return r } })`,
  metric: fn => `fit({}, { metrics: [(p, t) => ${fn}()] })`,
  'metric of evaluate': fn => `compile({ metrics: [(p, t) => ${fn}()] }).evaluate(x, y)`,
  'metric of validation': fn =>
    `fit({ validationData: [x, y] }, { metrics: [(() => { let n = 0; return p => n++ < 3 ? p.mean() : ${fn}() })()] })`,
  'layer in fit': fn => `module(() => ${fn}()).fit(x, y, { verbose: 0 })`,
  'layer in evaluate': fn => `module(() => ${fn}()).evaluate(x, y)`,
  'layer in predict': fn => `module(() => ${fn}()).predict(x)`,
  'train() of a module': fn => `module(p => p, ${fn}).fit(x, y, { verbose: 0 })`,
  'step() of an optimizer': fn => `(() => {
    const model = compile()
    class Mine extends gradus.optim.SGD { step() { return ${fn}() } }
    return model.compile({ optimizer: new Mine(model.parameters(), { learningRate: 1 }), loss: 'mse' }).fit(x, y, { verbose: 0 })
  })()`,
  'build() of a layer': fn => `sequential([{ name: 'mine', build: () => ${fn}() }]).predict(x)`,
  output: fn => `fit({ verbose: 2, output: output(() => ${fn}()) })`,
  'output, live': fn => `fit({ verbose: 1, epochs: 3, output: terminal(() => ${fn}()) })`,
  'output that fails as training does': fn => `fit(
    { verbose: 1, epochs: 2, output: terminal((() => { let n = 0; return () => n++ ? ${fn}() : true })()) },
    { metrics: [(() => { let n = 0; return p => n++ < 4 ? p.mean() : raise() })()] })`,
}
/** Places where a promise is awaited: then its error is the call's. */
const awaited: Record<string, (fn: string) => string> = {
  callback: fn => `fit({ onEpochEnd: () => ${fn}(), epochs: 3 })`,
  dataset: fn => `each(dataset(() => ${fn}()))`,
  'dataset, later': fn => `each(dataset(i => i[0] < 2 ? [tensor([1], { device })] : ${fn}()))`,
}
const rows = [
  ...Object.entries(places).flatMap(([place, call]) => [
    { place, how: 'throws', call: call('raise'), message: /mine/ },
    { place, how: 'rejects', call: call('later'), message: /at once, got a promise|mine/ },
  ]),
  ...Object.entries(awaited).flatMap(([place, call]) => [
    { place, how: 'throws', call: call('raise'), message: /^mine$/ },
    { place, how: 'rejects', call: call('later'), message: /^mine$/ },
  ]),
]

describe.each(devices)('%s', device => {
  test('a fault of the user rejects the call and nothing else', () => {
    const calls = rows.map(({ call }) => `() => ${call}`).join(',\n')
    // One after the other in a process of their own, which an unhandled rejection would end.
    const { status, err, out } = runNode(
      `const device = '${device}'\n${setting}
      for (const call of [${calls}]) {
        let outcome = 'resolved'
        try {
          await call()
        } catch (error) {
          outcome = error.message
        }
        console.log(outcome.replaceAll('\\n', ' '))
        await new Promise(resolve => setTimeout(resolve, 10))
      }
      console.log(await ones([3], { device }).sum().item())`,
      { GRADUS_DEVICE: device }, // without the addon, the device by default would be warned of
    )
    expect(err).toBe('')
    expect(status).toBe(0)
    const outcomes = out.split('\n')
    rows.forEach(({ place, how, message }, i) => expect(outcomes[i], `${place} ${how}`).toMatch(message))
    expect(outcomes.at(-1)).toBe('3')
  })
})
