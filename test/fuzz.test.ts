// Whatever is handed to a Model or a metric, the error is one of ours.
import { expect, test } from 'vitest'
import {
  data,
  dense,
  Generator,
  GradusError,
  layers,
  Model,
  metrics,
  nn,
  ones,
  optim,
  sequential,
  zeros,
} from '../lib/index.js'

const x = zeros([4, 2])
const y = zeros([4, 1])
// biome-ignore format: a list of values
const values: unknown[] = [
  undefined, null, -1, 1.5, Number.NaN, '', 'adam', true, 5n, Symbol('s'), [], [1], [[1], [2, 3]], ['a'], {}, { a: 1 },
  () => {}, async () => {}, class {}, nn.Linear, Object.create(null), new Map(), new Set([1]), new Date(), /x/,
  new Float32Array(3), zeros([]), zeros([2, 2]), zeros([0, 2]), ones([3, 2], { dtype: 'int32' }), new nn.Linear(2, 1),
  new Generator(1), new Error('e'),
]
// biome-ignore lint/suspicious/noExplicitAny: wrong on purpose
type Any = any
const make = () => sequential([dense(1, { inputShape: [2] })]).compile({ optimizer: 'sgd', loss: 'mse' })
const compile = (options: object) => make().compile({ optimizer: 'sgd', loss: 'mse', ...options } as Any)
const fit = (options: Any) => make().fit(x, y, { ...options, output: options.output ?? { write() {} } })
const giving = (v: Any) => {
  class Net extends nn.Module {
    layer = new nn.Linear(2, 1)
    forward() {
      return v
    }
  }
  return new Model(new Net()).compile({ optimizer: 'sgd', loss: 'mse' })
}
const options = ['batchSize', 'shuffle', 'validationData', 'verbose', 'generator', 'signal', 'onEpochEnd', 'output']

const calls: Record<string, (v: Any) => unknown> = {
  'new Model': v => new Model(v),
  'options of Model': v => new Model(new nn.Linear(2, 1), v),
  'device of Model': v => new Model(new nn.Linear(2, 1), { device: v }),
  sequential: v => sequential(v),
  'options of sequential': v => sequential([dense(1)], v),
  'layers of sequential': v => sequential(dense(1), v),
  'build gives': v => sequential([{ name: 'mine', inputShape: [2], build: () => v }]),
  'build gives modules': v => sequential([{ name: 'mine', inputShape: [2], build: () => ({ modules: v, output: v }) }]),
  dense: v => dense(v),
  'options of dense': v => dense(1, v),
  'activation of dense': v => dense(1, { activation: v }),
  'inputShape of dense': v => dense(1, { inputShape: v }),
  'layers.activation': v => layers.activation(v),
  'layers.dropout': v => layers.dropout(v),
  'layers.flatten': v => layers.flatten(v),
  'layers.embedding': v => layers.embedding(v, v),
  compile: v => make().compile(v),
  optimizer: v => compile({ optimizer: v }),
  'name of optimizer': v => compile({ optimizer: { name: v } }),
  'rate of optimizer': v => compile({ optimizer: { name: 'sgd', learningRate: v } }),
  loss: v => compile({ loss: v }),
  metrics: v => compile({ metrics: v }),
  metric: v => compile({ metrics: [v] }),
  'fit x': v => make().fit(v, y, { verbose: 0 }),
  'fit y': v => make().fit(x, v, { verbose: 0 }),
  'options of fit': v => make().fit(x, y, v && typeof v === 'object' ? { verbose: 0, ...v } : (v ?? { verbose: 0 })),
  ...Object.fromEntries(options.map(name => [`fit ${name}`, (v: Any) => fit({ [name]: v ?? undefined })])),
  'validation x': v => fit({ validationData: [v, y] }),
  'validation y': v => fit({ validationData: [x, v] }),
  'evaluate x': v => make().evaluate(v, y),
  'evaluate y': v => make().evaluate(x, v),
  'options of evaluate': v => make().evaluate(x, y, v),
  predict: v => make().predict(v),
  'predict, built late': v => sequential([dense(1)]).predict(v),
  'options of predict': v => make().predict(x, v),
  setWeights: v => make().setWeights(v),
  'weights of setWeights': v => make().setWeights([v, v]),
  to: v => make().to(v),
  forward: v => make().forward(v),
  'loss gives': v => compile({ loss: () => v }).fit(x, y, { verbose: 0 }),
  'metric gives': v => compile({ metrics: [() => v] }).fit(x, y, { verbose: 0 }),
  'forward gives': v => giving(v).fit(x, y, { verbose: 0 }),
  'write gives': v => fit({ verbose: 2, output: { write: () => v } }),
  accuracy: v => metrics.accuracy(v, v),
  'accuracy, targets': v => metrics.accuracy(x, v),
  confusionMatrix: v => metrics.confusionMatrix(v, v, 2),
  'classes of f1': v => metrics.f1(y, y, v),
  ConfusionMatrix: v => new metrics.ConfusionMatrix(v),
  'options of ConfusionMatrix': v => new metrics.ConfusionMatrix(2, v),
  update: v => new metrics.ConfusionMatrix(2).update(v, v),
  reportOf: v => metrics.reportOf(v),
  Loader: v => new data.Loader(v),
  'batch of a dataset': async v => {
    for await (const _ of new data.Loader({ length: 2, batch: () => v }));
  },
  TensorDataset: v => new data.TensorDataset(v),
  'new Adam': v => new optim.Adam(v),
}

const foreign: unknown[] = []
test.each(Object.keys(calls))('%s', async name => {
  for (const value of values) {
    try {
      await calls[name](value)
    } catch (error) {
      if (!(error instanceof GradusError)) foreign.push([name, value, error])
    }
  }
  expect(foreign.splice(0)).toEqual([])
})
