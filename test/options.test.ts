// An option that is undefined is one that is not given: what callers pass on, they need not pick apart.
import { expect, test } from 'vitest'
import * as gradus from '../lib/index.js'
import { data, dense, losses, nn, ones, sequential, tensor, zeros } from '../lib/index.js'

const nothing = (...names: string[]): object => Object.fromEntries(names.map(name => [name, undefined]))
const made = nothing('dtype', 'device', 'requiresGrad')
const drawn = nothing('dtype', 'device', 'requiresGrad', 'generator')
const x = () => ones([2, 3], { requiresGrad: true })
const labels = tensor([0, 1], { dtype: 'int32' })
const half = () => x().mul(0.5)

const calls: readonly (readonly [string, (options: object) => unknown, object])[] = [
  ['zeros', o => zeros([2], o), made],
  ['full', o => gradus.full([2], 3, o), made],
  ['eye', o => gradus.eye(2, o), made],
  ['arange', o => gradus.arange(3, o), made],
  ['linspace', o => gradus.linspace(0, 1, 3, o), made],
  ['tensor', o => tensor([1, 2], o), { ...made, ...nothing('adopt') }],
  ['tensor of a shape', o => tensor([1, 2], [2, 1], o), { ...made, ...nothing('adopt') }],
  ['uniform', o => gradus.uniform([2], 0, 1, o).shape, drawn],
  ['normal', o => gradus.normal([2], 0, 1, o).shape, drawn],
  ['randint', o => gradus.randint([2], 0, 9, o).shape, drawn],
  ['sum', o => x().sum(0, o), nothing('keepDims')],
  ['std', o => x().std(0, o), nothing('keepDims', 'correction')],
  ['gelu', o => x().gelu(o), nothing('approximate')],
  [
    'pad',
    o =>
      x().pad(
        [
          [1, 1],
          [0, 0],
        ],
        o,
      ),
    nothing('value'),
  ],
  ['dropout', o => x().dropout(0.5, o).shape, nothing('generator')],
  ['mse', o => losses.mse(x(), ones([2, 3]), o), nothing('reduction')],
  ['huber', o => losses.huber(x(), zeros([2, 3]), o), nothing('reduction', 'delta')],
  ['smoothL1', o => losses.smoothL1(x(), zeros([2, 3]), o), nothing('reduction', 'beta')],
  ['bce', o => losses.bce(half(), ones([2, 3]), o), nothing('reduction')],
  ['bceWithLogits', o => losses.bceWithLogits(x(), ones([2, 3]), o), nothing('reduction', 'posWeight')],
  ['nll', o => losses.nll(x(), labels, o), nothing('reduction', 'ignoreIndex', 'weight')],
  [
    'crossEntropy',
    o => losses.crossEntropy(x(), labels, o),
    nothing('reduction', 'ignoreIndex', 'weight', 'labelSmoothing'),
  ],
  ['backward', o => half().sum().backward(o), nothing('retainGraph', 'createGraph', 'gradient')],
  ['gradients', o => gradients(o), nothing('retainGraph', 'createGraph', 'gradient', 'allowUnused')],
  ['Linear', o => new nn.Linear(2, 3, o).bias?.shape, nothing('bias', 'dtype', 'device', 'generator')],
  ['Dropout', o => new nn.Dropout(0.5, o).forward(x()).shape, nothing('generator')],
  ['ConfusionMatrix', o => new gradus.metrics.ConfusionMatrix(2, o).size, nothing('device')],
  ['Parameter', o => new nn.Parameter(zeros([1]), o).requiresGrad, nothing('requiresGrad')],
  ['xavierUniform_', o => nn.init.xavierUniform_(zeros([2, 2]), o).shape, nothing('generator', 'gain')],
  [
    'kaimingNormal_',
    o => nn.init.kaimingNormal_(zeros([2, 2]), o).shape,
    nothing('generator', 'mode', 'nonlinearity', 'slope'),
  ],
  ['Loader', o => loader(o).length, nothing('batchSize', 'shuffle', 'generator', 'dropLast')],
  ['sequential', o => sequential([dense(1, { inputShape: [3] })], o).summary(), nothing('device', 'generator')],
  [
    'dense',
    o => sequential([dense(2, { inputShape: [3] }), dense(1, o)]).summary(),
    nothing('inputShape', 'activation', 'useBias'),
  ],
]
function gradients(options: object): unknown {
  const v = x()
  return gradus.gradients(v.square().sum(), [v], options)[0]
}
const loader = (options: object): data.Loader => new data.Loader(new data.TensorDataset(ones([64, 2])), options)
const shown = (value: unknown): unknown =>
  value instanceof gradus.Tensor ? [value.dtype, value.device, value.requiresGrad, value.toArraySync()] : value

test.each(calls)('%s', (_, call, options) => {
  expect(shown(call(options))).toEqual(shown(call({})))
})

test('gradcheck', async () => {
  const report = (options: object) => gradus.gradcheck(v => v.square(), [tensor([1, 2])], options)
  expect(await report(nothing('epsilon', 'rtol', 'atol', 'secondOrder', 'elements'))).toEqual(await report({}))
})

test('fit, evaluate, predict', async () => {
  const run = async (common: object, fit: object) => {
    const model = sequential([dense(1, { inputShape: [3] })], { generator: new gradus.Generator(1) })
    model.compile({ optimizer: 'sgd', loss: 'mse', ...nothing('metrics') })
    const [inputs, targets] = [ones([8, 3]), ones([8, 1])]
    const { epochs } = await model.fit(inputs, targets, { verbose: 0, ...common, ...fit })
    return [epochs, await model.evaluate(inputs, targets, common), (await model.predict(inputs, common)).toArraySync()]
  }
  const common = nothing('batchSize', 'signal')
  const fit = nothing('epochs', 'shuffle', 'validationData', 'generator', 'onEpochEnd', 'output')
  expect(await run(common, fit)).toEqual(await run({}, {}))
})
