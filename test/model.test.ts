// What users hand to a Model, and what they are told.
import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import {
  DTypeError,
  data,
  dense,
  GradusError,
  layers,
  losses,
  Model,
  metrics,
  nn,
  ones,
  optim,
  sequential,
  Tensor,
  tensor,
  zeros,
} from '../lib/index.js'
import { devices } from './harness/devices.js'

const silent = { verbose: 0 } as const
const compile = (options: object) =>
  sequential([dense(2, { inputShape: [2] })]).compile({ optimizer: 'sgd', loss: 'mse', ...options } as never)

describe('names', () => {
  const accepted: [string, string[]][] = [
    ['optimizer', ['sgd', 'SGD', 'adam', 'Adam', 'adamw', 'AdamW']],
    ['loss', ['mse', 'MSE', 'mae', 'mean_squared_error', 'MeanSquaredError', 'meanAbsoluteError', 'huber']],
    [
      'loss',
      ['binary_crossentropy', 'BinaryCrossentropy', 'categorical_crossentropy', 'sparse_categorical_crossentropy'],
    ],
  ]
  test.each(accepted.flatMap(([option, names]) => names.map(name => [option, name] as const)))(
    '%s %s',
    (option, name) => {
      compile({ [option]: name })
    },
  )
  test('metrics are reported by the name they were given', async () => {
    const model = compile({ metrics: ['acc', 'mean_absolute_error', 'MSE'] })
    const { history } = await model.fit(zeros([2, 2]), zeros([2, 2]), {
      ...silent,
      validationData: [[[0, 0]], [[0, 0]]],
    })
    expect(Object.keys(history)).toEqual([
      'loss',
      'acc',
      'mean_absolute_error',
      'MSE',
      'valLoss',
      'valAcc',
      'valMean_absolute_error',
      'valMSE',
    ])
  })
  test.each(['relu', 'ReLU', 'leaky_relu', 'leakyRelu', 'swish', 'log_softmax'])('activation %s', name => {
    layers.activation(name as never)
  })

  const refused: [object, RegExp][] = [
    [{ optimizer: 'adamm' }, /compile: unknown optimizer 'adamm'. Hint: did you mean 'adam'\?/],
    [{ optimizer: 'adm' }, /did you mean 'adam'/],
    [{ optimizer: 'rmsprop' }, /optimizer 'rmsprop' does not exist yet. Hint: there are sgd, adam, adamw/],
    [{ optimizer: 'RMSprop' }, /does not exist yet/],
    [{ optimizer: 'nadam' }, /does not exist yet/],
    [{ optimizer: 'gradient descent' }, /unknown optimizer 'gradient descent'. Hint: known: sgd, adam, adamw/],
    [{ optimizer: '__proto__' }, /unknown optimizer '__proto__'/],
    [{ optimizer: 'constructor' }, /unknown optimizer 'constructor'/],
    [{ optimizer: 5 }, /optimizer must be a name, \{ name, …options \} or an optimizer, got 5.*'adam'/],
    [{ optimizer: null }, /optimizer must be a name.*got null/],
    [{ optimizer: optim.Adam }, /got a function.*new optim.Adam\(model.parameters\(\)\)/],
    [{ optimizer: { learningRate: 1 } }, /optimizer must be a name/],
    [{ optimizer: { name: 'adam', lr: 1 } }, /unknown option 'lr'. Hint: did you mean 'learningRate'\?/],
    [{ optimizer: { name: 'sgd', learningRate: -1 } }, /learningRate must be at least 0/],
    [{ loss: 'crossentropy' }, /unknown loss 'crossentropy'.*sparseCategoricalCrossentropy is for class ids/],
    [{ loss: 'binaryCrossentropi' }, /did you mean 'binaryCrossentropy'/],
    [{ loss: 'meanSquareError' }, /did you mean 'meanSquaredError'/],
    [{ loss: 'hinge' }, /loss 'hinge' does not exist yet/],
    [{ loss: 5 }, /loss must be a function .*, or a name, got 5/],
    [{ loss: async () => {} }, /loss must not be an async function/],
    [{ metrics: ['accuracie'] }, /unknown metric 'accuracie'. Hint: did you mean 'accuracy'/],
    [
      { metrics: ['precision'] },
      /metric 'precision' does not exist yet. Hint: there are accuracy,.*classificationReport/,
    ],
    [{ metrics: ['toString'] }, /unknown metric 'toString'/],
    [{ metrics: 'accuracy' }, /metrics must be an array, got 'accuracy'/],
    [{ metrics: [metrics.f1] }, /metric 0 must not be an async function.*onEpochEnd/],
    [{ metrics: [null] }, /metric 0 must be a function/],
    [{ metrics: ['mse', 'mse'] }, /two values would be called 'mse'/],
    [{ metrics: [{ valLoss: (p: Tensor) => p.mean() }.valLoss] }, /two values would be called 'valLoss'/],
    [{ metrcs: [] }, /unknown option 'metrcs'. Hint: did you mean 'metrics'/],
  ]
  test.each(refused)('%o', (options, message) => {
    expect(() => compile(options)).toThrow(message)
    expect(() => compile(options)).toThrow(GradusError)
  })
  test('metrics may have any name', async () => {
    const named = Object.fromEntries(
      ['constructor', '__proto__', 'toString', 'hasOwnProperty'].map(name => [
        name,
        Object.defineProperty((p: Tensor) => p.mean(), 'name', { value: name }),
      ]),
    )
    const model = compile({ metrics: Object.values(named) })
    const [x, y] = [zeros([2, 2]), zeros([2, 2])]
    const { history } = await model.fit(x, y, { epochs: 2, ...silent, validationData: [x, y] })
    for (const name of [...Object.keys(named), 'valConstructor', 'val__proto__']) {
      expect(Object.getOwnPropertyDescriptor(history, name)?.value).toEqual([expect.any(Number), expect.any(Number)])
    }
    expect(Object.keys(await model.evaluate(x, y))).toEqual(['loss', ...Object.keys(named)])
  })
})

describe.each(devices)('samples, %s', device => {
  const t = (shape: number[]) => zeros(shape, { device })
  const build = (inputShape?: number[]) =>
    sequential([dense(3, { inputShape, activation: 'softmax' })], { device }).compile({ optimizer: 'sgd', loss: 'mse' })
  const array = (shape: number[]): number[] | number[][] =>
    shape.length === 1
      ? Array(shape[0]).fill(0)
      : Array.from({ length: shape[0] }, () => array(shape.slice(1)) as number[])

  test('two batches are not one sample', async () => {
    const model = build([32])
    const typed = (n: number) => new Float32Array(n)
    for (const x of [typed(64), typed(32), array([64]), t([64])])
      await expect(model.predict(x)).rejects.toThrow(
        /predict: expected samples of shape \[32\] along axis 0, x has shape \[(64|32)\]. Hint: for one sample use (\[x\]|x.unsqueeze\(0\))/,
      )
    expect((await model.predict([typed(32)])).shape).toEqual([1, 3])
    await expect(model.predict(t([4, 2, 16]))).rejects.toThrow(
      /x has shape \[4, 2, 16\]. Hint: reshape them to \[4, 32\]/,
    )
    await expect(model.predict(t([4, 2, 5]))).rejects.toThrow(/Hint: does the model have the right inputShape/)
    await expect(model.fit(typed(64), t([2, 3]), silent)).rejects.toThrow(/fit: expected samples of shape \[32\]/)
    await expect(model.evaluate(t([2, 31]), t([2, 3]))).rejects.toThrow(/evaluate: expected samples of shape \[32\]/)
  })
  test('numbers are samples of one number', async () => {
    expect((await build([1]).predict([1, 2, 3, 4])).shape).toEqual([4, 3])
    expect((await build([1]).predict(new Float32Array(4))).shape).toEqual([4, 3])
    expect((await build([1]).predict(t([4]))).shape).toEqual([4, 3])
    await expect(build([1]).predict(t([]))).rejects.toThrow(/x is a scalar/)
  })
  test('a model without inputShape keeps to the first data', async () => {
    const model = build()
    expect((await model.predict(t([5, 4]))).shape).toEqual([5, 3])
    await expect(model.predict(t([5, 2]))).rejects.toThrow(/expected samples of shape \[4\]/)
    await expect(model.fit(t([4]), t([4, 3]), silent)).rejects.toThrow(/for one sample use x.unsqueeze/)
  })
  test('a module takes what its forward takes', async () => {
    class Sum extends nn.Module {
      layer = new nn.Linear(1, 1, { device })
      forward(x: Tensor) {
        return this.layer.forward(x.mean(1, { keepDims: true }))
      }
    }
    const model = new Model(new Sum())
    expect((await model.predict(t([5, 4]))).shape).toEqual([5, 1])
    expect((await model.predict(t([2, 7]))).shape).toEqual([2, 1])
  })

  const x = t([6, 2])
  const refused: [string, unknown, unknown, object, RegExp][] = [
    ['targets missing', x, undefined, {}, /fit: y is missing, got undefined/],
    ['data missing', undefined, t([6, 3]), {}, /fit: x is missing/],
    ['unequal counts', x, t([5, 3]), {}, /x and y must have equally many rows, got 6 and 5/],
    ['scalar targets', x, 3, {}, /equally many rows, got 6 and a scalar/],
    ['no samples', t([0, 2]), t([0, 3]), {}, /there are no samples: x is empty, \[0, 2\]/],
    ['a loader', new data.Loader(new data.TensorDataset(x)), undefined, {}, /x must be a tensor.*got a Loader.*own/],
    ['text', 'x', t([6, 3]), {}, /^fit\(x\): .* got 'x'/],
    ['a missing value', x, [[1, 2, null]], {}, /^fit\(y\): .* got null at \[0\]\[2\]/],
    [
      'validation, ragged',
      x,
      t([6, 3]),
      { validationData: [[[1, 2], [1]], t([2, 3])] },
      /^fit\(validation x\): .*ragged/,
    ],
    ['validation, a scalar', x, t([6, 1]), { validationData: [x, 3] }, /rows, got 6 and a scalar/],
    [
      'validation, counts',
      x,
      t([6, 3]),
      { validationData: [t([2, 2]), t([3, 3])] },
      /validation x and y .* got 2 and 3/,
    ],
    [
      'validation, samples',
      x,
      t([6, 3]),
      { validationData: [t([2, 4]), t([2, 3])] },
      /validation x has shape \[2, 4\]/,
    ],
    ['validation, targets', x, t([6, 3]), { validationData: [t([2, 2]), t([2, 4])] }, /meanSquaredError: targets must/],
    ['validation, a pair', x, t([6, 3]), { validationData: [x] }, /validationData must be \[x, y\], got an array of 1/],
    ['batchSize', x, t([6, 3]), { batchSize: '32' }, /batchSize must be a whole number of at least 1, got '32'/],
    ['epochs', x, t([6, 3]), { epochs: '3' }, /epochs must be a whole number of at least 0, got '3'/],
    ['verbose', x, t([6, 3]), { verbose: 3 }, /verbose must be 0, 1 or 2, got 3/],
    ['shuffle', x, t([6, 3]), { shuffle: 'no' }, /shuffle must be true or false, got 'no'/],
    ['callback', x, t([6, 3]), { onEpochEnd: {} }, /onEpochEnd must be a function/],
    ['callbacks', x, t([6, 3]), { callbacks: [] }, /unknown option 'callbacks'. Hint: did you mean 'onEpochEnd'/],
    ['output', x, t([6, 3]), { output: {} }, /output must be a stream with write\(\)/],
    ['generator', x, t([6, 3]), { generator: 5 }, /generator/],
    ['options', x, t([6, 3]), 5 as never, /options must be an object, got 5/],
  ]
  test.each(refused)('refused before anything changes: %s', async (_, samples, targets, options, message) => {
    const model = build([2])
    const before = await model.parameters()[0].data()
    const opts = typeof options === 'object' ? { ...silent, ...options } : options
    const fit = model.fit(samples as Tensor, targets as Tensor, opts)
    await expect(fit).rejects.toThrow(message)
    await expect(fit).rejects.toThrow(GradusError)
    expect(await model.parameters()[0].data()).toEqual(before)
  })

  test('validation data come in the form of the training data', async () => {
    const model = sequential([dense(3, { inputShape: [2] })], { device })
    const loss = (p: Tensor, y: Tensor) => losses.crossEntropy(p, y)
    model.compile({ optimizer: 'sgd', loss })
    const ids = new Int32Array([0, 1, 2, 0, 1, 2])
    const fit = (vy: unknown) =>
      model.fit(x, ids, {
        ...silent,
        validationData: [
          [
            [0, 0],
            [1, 1],
          ],
          vy as Tensor,
        ],
      })
    expect((await fit([2, 1])).history['valLoss']).toEqual([expect.any(Number)])
    expect((await fit(tensor([true, false], { device }))).history['valLoss']).toEqual([expect.any(Number)])
    await expect(fit([0.5, 1])).rejects.toThrow(GradusError)
    const floats = fit(tensor([0, 1], { device }))
    await expect(floats).rejects.toThrow(/validation y is float32, but that of the training is int32.*cast\('int32'\)/)
    await expect(floats).rejects.toThrow(DTypeError)
    const column = sequential([dense(1, { inputShape: [2] })], { device }).compile({
      optimizer: 'sgd',
      loss: losses.mse,
    })
    const { history } = await column.fit(x, t([6, 1]), { ...silent, validationData: [x, t([6])] })
    expect(history['valLoss']).toHaveLength(1)
  })
  test('data of float64 train a float32 model', async () => {
    const model = build([2])
    const [dx, dy] = [
      tensor(new Float64Array(12), [6, 2], { device }),
      tensor(new Float64Array(18), [6, 3], { device }),
    ]
    await model.fit(dx, dy, { ...silent, validationData: [dx, dy] })
    expect((await model.predict(dx)).dtype).toBe('float32')
  })
  test('what a loss cannot take, it says itself', async () => {
    const fit = (loss: 'categoricalCrossentropy' | 'sparseCategoricalCrossentropy', y: Tensor, units = 3) => {
      const model = sequential([dense(units, { inputShape: [2], activation: 'softmax' })], { device })
      return model.compile({ optimizer: 'sgd', loss }).fit(x, y, { ...silent, shuffle: false })
    }
    const ids = (values: number[]) => tensor(values, { device, dtype: 'int32' })
    for (const none of [1.5, Number.NaN])
      await expect(fit('sparseCategoricalCrossentropy', tensor([0, none, 2, 0, 1, 2], { device }))).rejects.toThrow(
        /^sparseCategoricalCrossentropy: index -1 at position 1 is out of range for size 3/,
      )
    await expect(fit('sparseCategoricalCrossentropy', t([6, 3]))).rejects.toThrow(
      /^sparseCategoricalCrossentropy: targets must be class ids of shape \[6\], got \[6, 3\].*use categoricalCross/,
    )
    await expect(fit('categoricalCrossentropy', ids([0, 1, 2, 0, 1, 2]))).rejects.toThrow(
      /^categoricalCrossentropy: targets must have the shape \[6, 3\].*got \[6\].*use sparseCategorical/,
    )
    await expect(fit('sparseCategoricalCrossentropy', ids([0, 1, 2, 0, 1, 3]))).rejects.toThrow(
      /^sparseCategoricalCrossentropy: index 3 at position 5 is out of range for size 3/,
    )
    for (const loss of ['categoricalCrossentropy', 'sparseCategoricalCrossentropy'] as const)
      await expect(fit(loss, t([6, 1]), 1)).rejects.toThrow(/probabilities \[n, classes\], got \[6, 1\].*binaryCross/)
  })
  test('what custom functions give is checked by their name', async () => {
    const custom = (give: () => unknown) => ({ mine: () => give() as Tensor }).mine
    const evaluate = (options: object) =>
      sequential([dense(1, { inputShape: [2] })], { device })
        .compile({ optimizer: 'sgd', loss: 'mse', ...options })
        .fit(x, t([6, 1]), silent)
    const results: [() => unknown, RegExp][] = [
      [() => undefined, /'mine' must give a tensor of one element, got undefined. Hint: does it return/],
      [() => 5, /'mine' must give a tensor of one element, got 5/],
      [() => t([6]), /'mine' must give one number, got shape \[6\]. Hint: take its mean\(\)/],
      [() => Promise.reject(new Error('later')), /'mine' must give its result at once, got a promise/],
    ]
    for (const [give, message] of results) {
      await expect(evaluate({ loss: custom(give) })).rejects.toThrow(new RegExp(`^loss: ${message.source}`))
      await expect(evaluate({ metrics: [custom(give)] })).rejects.toThrow(new RegExp(`^metric: ${message.source}`))
    }
    const { history } = await evaluate({ metrics: [custom(() => t([1, 1])), (p: Tensor) => p.max().isNaN(), 'mae'] })
    expect(history).toMatchObject({ mine: [0], metric1: [0], mae: [expect.any(Number)] })
    class Wrong extends nn.Module {
      layer = new nn.Linear(2, 1, { device })
      forward(given: Tensor) {
        return [this.layer.forward(given)]
      }
    }
    await expect(new Model(new Wrong()).predict(x)).rejects.toThrow(
      /predict: forward\(\) of Wrong must give a tensor, got an array of 1/,
    )
  })
})

describe('use as in other frameworks', () => {
  test.each<[string, (model: Record<string, unknown> & Record<string, () => unknown>) => unknown, RegExp]>([
    ['add', m => m['add'](), /^Model: there is no add\(\)\. Hint: use sequential\(\[…\]\)/],
    ['save', m => m['save'](), /there is no save\(\)\. Hint: use stateDict\(\)/],
    ['cuda', m => m['cuda'](), /there is no cuda\(\)\. Hint: use to\('native'\)/],
    ['layers', m => m['layers'], /there is no layers\. Hint: use module/],
    ['trainable', m => Object.assign(m, { trainable: false }), /there is no trainable\. Hint: use requiresGrad/],
  ])("Keras's and PyTorch's %s", (_, use, message) => {
    expect(() => use(sequential(dense(1, { inputShape: [1] })) as never)).toThrow(message)
  })

  test.each<[string, () => unknown, RegExp]>([
    ['an activation', () => dense(8, 'relu' as never), /Hint: write { activation: 'relu' }/],
    [
      'a rate',
      () => new optim.Adam([zeros([1], { requiresGrad: true })], 0.1 as never),
      /write { learningRate: 0\.1 }/,
    ],
    ['a bias', () => new nn.Linear(1, 1, false as never), /write { bias: false }/],
    ['kept dims', () => zeros([1]).sum(0, true as never), /write { keepDims: true }/],
  ])('%s by its place', (_, call, message) => {
    expect(call).toThrow(message)
  })

  test('weights in the layout of PyTorch', () => {
    const texts = [[['a'], [1]], [0]] as never
    expect(() => sequential(dense(1, { inputShape: [2] })).setWeights(texts)).toThrow(/^setWeights\(array 0\): .* 'a'/)
    expect(() => sequential(dense(1, { inputShape: [2] })).setWeights([zeros([1, 2]), zeros([1])])).toThrow(
      /array 0 must have the shape \[2, 1\], got \[1, 2\]\. Hint: kernels are \[in, out\]/,
    )
  })

  test('layers one by one', () => {
    expect(sequential(dense(2, { inputShape: [3] }), dense(1)).parameters()).toHaveLength(4)
    expect(() => sequential(dense(2), 5 as never)).toThrow(/sequential: expected layers such as dense/)
    expect(() => sequential()).toThrow(/list of layers/)
  })
  test('dense with wrong units', () => {
    expect(() => dense({ units: 3 } as never)).toThrow(/dense: units must be a whole number.*dense\(3, \{ activation/)
    expect(() => dense('3' as never)).toThrow(/dense: units must be a whole number of at least 1, got '3'/)
    expect(() => layers.dropout({ rate: 0.5 } as never)).toThrow(/dropout: rate must be .*got a.* Object/)
    expect(() => layers.embedding({} as never, 1)).toThrow(/embedding: count must be a whole number/)
    expect(() => layers.embedding(1, '1' as never)).toThrow(/embedding: width must be a whole number/)
    expect(() => dense(1, { activation: 5 as never })).toThrow(/dense: activation must be a name or a module, got 5/)
  })
  test('forward, train, eval, to', () => {
    const model = sequential([layers.dropout(0.5), dense(1)])
    expect(() => model.forward(ones([2, 3]))).toThrow(/not built yet/)
    const built = sequential([dense(2, { inputShape: [3] }), layers.dropout(0.5)])
    expect(built.forward(ones([2, 3])).requiresGrad).toBe(true)
    expect(built.eval().module.training).toBe(false)
    expect(built.train().module.training).toBe(true)
    expect(built.to('js').parameters()[0].device).toBe('js')
  })
  test.each([true, false])('verbose: %s', async verbose => {
    const text: string[] = []
    const output = { write: (line: string) => text.push(line) }
    await compile({}).fit(zeros([2, 2]), zeros([2, 2]), { verbose, output })
    expect(text).toHaveLength(Number(verbose))
  })
  test('a summary with the shapes of outputs', async () => {
    const model = sequential([layers.embedding(10, 4), layers.flatten(), dense(3, { activation: 'relu' })])
    expect(inspect(model)).toBe('Model, not built yet: embedding, flatten, dense')
    await model.predict(zeros([2, 5], { dtype: 'int32' }))
    expect(String(model)).toBe(model.summary())
    expect(model.summary().split('\n').slice(2)).toEqual([
      '0     Embedding(10, 4)  [n, 5, 4]          40',
      '1     Flatten           [n, 20]             0',
      '2     Linear(20, 3)     [n, 3]             63',
      '3     ReLU              [n, 3]              0',
      'Parameters: 103',
    ])
    class Net extends nn.Module {
      layer = new nn.Linear(2, 3)
      forward(given: Tensor) {
        return this.layer.forward(given).reshape([given.shape[0], -1]) // refuses an empty batch
      }
    }
    const own = new Model(new Net())
    expect(own.summary()).toMatch(/^layer {2}Linear\(2, 3\) +9$/m)
    await own.predict([[1, 2]])
    expect(own.summary()).toMatch(/^layer {2}Linear\(2, 3\) {2}\[n, 3\] +9$/m)
  })
})

test('layers and optimizers are named as they are in minified bundles too', () => {
  // A name that is a field: bundlers leave it, where they shorten that of a class.
  const classes = { ...nn, ...optim, Tensor }
  for (const [name, value] of Object.entries(classes)) {
    if (typeof value !== 'function' || name === 'Module' || name === 'Optimizer') continue
    expect(Object.getOwnPropertyDescriptor(value, 'name'), name).toMatchObject({ value: name, enumerable: true })
  }
  class Own extends nn.Linear {}
  expect(String(new Own(1, 2))).toBe('Linear(1, 2)')
  expect(String(new (class Mine extends nn.ReLU {})())).toBe('Mine')
})
