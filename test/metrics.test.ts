// Metrics accept the same forms of predictions and targets, and say the same of those that do not fit.
import { describe, expect, test } from 'vitest'
import { type DType, IndexError, metrics, ShapeError, type Tensor, tensor } from '../lib/index.js'
import { devices } from './harness/devices.js'

type Make = (device: 'js' | 'native') => Tensor
const made =
  (values: unknown, dtype: DType): Make =>
  device =>
    tensor(values as number[], { device, dtype })
const oneHot = (ids: number[], n: number) => ids.map(id => Array.from({ length: n }, (_, c) => Number(c === id)))
const column = (values: number[]) => values.map(v => [v])

// Two classes, four samples: taken 1 0 1 1, true 1 0 0 1.
const taken = [1, 0, 1, 1]
const truth = [1, 0, 0, 1]
const probabilities = [0.9, 0.5, 0.7, 0.6]
const predictions: [string, Make][] = [
  [
    'scores [n, classes]',
    made(
      [
        [0, 2],
        [0.5, 0.1],
        [-1, 3],
        [-2, -1],
      ],
      'float32',
    ),
  ],
  ['probabilities [n]', made(probabilities, 'float32')],
  ['probabilities, float64', made(probabilities, 'float64')],
  ['probabilities [n, 1]', made(column(probabilities), 'float32')],
  ['class ids', made(taken, 'int32')],
  ['class ids [n, 1]', made(column(taken), 'int32')],
  ['bool', made(taken, 'bool')],
  ['one-hot, float', made(oneHot(taken, 2), 'float32')],
  ['one-hot, bool', made(oneHot(taken, 2), 'bool')],
  ['one-hot, float64', made(oneHot(taken, 2), 'float64')],
]
const targets: [string, Make][] = [
  ['class ids', made(truth, 'int32')],
  ['class ids [n, 1]', made(column(truth), 'int32')],
  ['float', made(truth, 'float32')],
  ['float64', made(truth, 'float64')],
  ['float [n, 1]', made(column(truth), 'float32')],
  ['smoothed', made([0.9, 0.1, 0.1, 0.9], 'float32')],
  ['bool', made(truth, 'bool')],
  ['one-hot, float', made(oneHot(truth, 2), 'float32')],
  ['one-hot, int32', made(oneHot(truth, 2), 'int32')],
  ['one-hot, bool', made(oneHot(truth, 2), 'bool')],
]
const pairs = predictions.flatMap(([p, makeP]) => targets.map(([t, makeT]) => [p, t, makeP, makeT] as const))

describe.each(devices)('%s', device => {
  test.each(pairs)('%s against %s', async (_p, _t, makeP, makeT) => {
    const [p, t] = [makeP(device), makeT(device)]
    const matrix = [
      [1, 1],
      [0, 2],
    ]
    expect(await metrics.accuracy(p, t).item()).toBe(0.75)
    expect(await metrics.confusionMatrix(p, t, 2)).toEqual(matrix)
    expect(await metrics.precision(p, t, 2)).toEqual([1, 2 / 3])
    expect(await metrics.recall(p, t, 2)).toEqual([1 / 2, 1])
    expect(await metrics.f1(p, t, 2)).toEqual([2 / 3, 0.8])
    expect(await metrics.classificationReport(p, t, 2)).toMatchObject({ matrix, accuracy: 0.75 })
    const counts = new metrics.ConfusionMatrix(2, { device })
    counts.update(p, t)
    counts.update(p, t)
    expect((await counts.report()).matrix).toEqual([
      [2, 2],
      [0, 4],
    ])
    counts.dispose()
  })

  const scores = [
    [0, 1, 2],
    [3, 0, 0],
  ]
  const refused: [string, Make, Make, number | undefined, RegExp][] = [
    [
      'unequal counts',
      made(scores, 'float32'),
      made([1], 'int32'),
      3,
      /predictions \[2, 3\] and targets \[1\] do not fit/,
    ],
    ['another number of classes', made(scores, 'float32'), made([1, 0], 'int32'), 4, /do not fit for 4 classes/],
    ['one-hot of other classes', made(scores, 'float32'), made(oneHot([1, 0], 2), 'float32'), undefined, /do not fit/],
    ['a column for three', made([0.1, 0.9], 'float32'), made([1, 0], 'int32'), 3, /cannot tell 3 classes apart.*int32/],
    ['a column for one-hot', made([0.1, 0.9], 'float32'), made(oneHot([1, 2], 3), 'bool'), undefined, /cannot tell 3/],
    ['no tensor', () => [1, 0] as never, made([1, 0], 'int32'), 2, /predictions must be a tensor, got an array/],
    ['no target', made([1, 0], 'int32'), () => undefined as never, 2, /targets must be a tensor, got undefined/],
  ]
  test.each(refused)('refused: %s', async (_, makeP, makeT, classes, message) => {
    const [p, t] = [makeP(device), makeT(device)]
    if (classes === undefined) expect(() => metrics.accuracy(p, t)).toThrow(message)
    const own = ['classificationReport', 'precision', 'recall', 'f1', 'confusionMatrix'] as const
    for (const name of own) {
      const result = metrics[name](p, t, classes ?? 3)
      await expect(result).rejects.toThrow(message)
      await expect(result).rejects.toMatchObject({ op: name })
    }
    expect(() => new metrics.ConfusionMatrix(classes ?? 3, { device }).update(p, t)).toThrow(message)
  })
  test('integers that may be either are refused where classes are counted, and class ids for accuracy', async () => {
    const ids = tensor(
      [
        [1, 0],
        [1, 1],
      ],
      { device, dtype: 'int32' },
    )
    await expect(metrics.confusionMatrix(ids, ids, 2)).rejects.toThrow(/class ids or one-hot vectors.*flatten\(\)/)
    expect((await metrics.confusionMatrix(ids, ids, 3))[1][1]).toBe(3)
    expect(await metrics.accuracy(ids, ids).item()).toBe(1)
  })
  test('classes must be given', async () => {
    const ids = tensor([1], { device, dtype: 'int32' })
    await expect(metrics.f1(ids, ids, undefined as never)).rejects.toThrow(/f1: classes must be a whole number/)
  })

  test('a batch with a class outside the range is left out, and said once', async () => {
    const counts = new metrics.ConfusionMatrix(2, { device })
    const ids = (values: number[]) => tensor(values, { device, dtype: 'int32' })
    counts.update(ids([0, 1]), ids([0, 1]))
    counts.update(ids([0, 1]), ids([0, 2]))
    counts.update(ids([1]), ids([0]))
    await expect(counts.report()).rejects.toThrow(
      /ConfusionMatrix: index 2 at position 1 is out of range for size 2. Hint: indices run from 0 to 1/,
    )
    expect((await counts.report()).matrix).toEqual([
      [1, 1],
      [0, 1],
    ])
    const alone = metrics.recall(ids([0]), ids([-1]), 2)
    await expect(alone).rejects.toThrow(/recall: index -1 at position 0/)
    await expect(alone).rejects.toBeInstanceOf(IndexError)
    expect(() => counts.update(ids([0]), ids([0, 1]))).toThrow(ShapeError)
  })

  test('counts beyond 2^24 are whole', async () => {
    const n = 2 ** 20
    const counts = new metrics.ConfusionMatrix(1, { device })
    const zeros = tensor([0], { device, dtype: 'int32' }).expand([n])
    for (let i = 0; i < 17; i++) counts.update(zeros, zeros)
    const one = zeros.slice([0, 1])
    counts.update(one, one)
    expect((await counts.report()).matrix).toEqual([[17 * n + 1]])
  })
})
