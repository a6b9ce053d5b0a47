/** What holds for every op: dims without number, nothing at all, many inputs. */
import { describe, expect, it } from 'vitest'
import { concat, gradients, ones, stack, type Tensor, tensor, zeros } from '../lib/index.js'
import * as ops from '../lib/ops/index.js'
import { calls, run } from './harness/calls.js'
import { on, upstream } from './harness/cases.js'
import { sameBits } from './harness/compare.js'
import { devices } from './harness/devices.js'

const names = Object.keys(calls)

it('no op is forgotten', () => {
  const twins = ['maskSelect', 'nonzero', 'unique'] // the Sync twins run the same
  const missing = [...Object.keys(ops), 'concat', 'stack'].filter(op => !calls[op] && !twins.includes(op))
  expect(missing).toEqual([])
})

/** Value and gradient of a call. */
function outcome(name: string, x: Tensor): { y: Tensor; gradient: Tensor | null } {
  const leaf = x.detach().requiresGrad_()
  const y = run(name, leaf)
  const found = y.requiresGrad ? gradients(y, [leaf], { gradient: upstream(y), allowUnused: true })[0] : null
  return { y, gradient: found }
}

/** Powers of two, whose sums and products are exact in any order. */
const numbers = (shape: readonly number[]): Tensor => {
  const size = shape.reduce((a, b) => a * b, 1)
  return tensor(
    Float32Array.from({ length: size }, (_, i) => [0.5, 1, 2, 0.25, -1, 1.5][(i * 5 + 2) % 6]),
    [...shape],
  )
}

/** Dims in an order in which no two can be merged. */
const scattered = [
  [
    [2, 2, 2, 2, 2, 2, 2],
    [3, 1, 4, 6, 2, 5, 0],
  ],
  [
    [2, 1, 3, 2, 2, 2, 2, 2],
    [7, 3, 5, 0, 2, 6, 4, 1],
  ],
  [
    [0, 2, 2, 2, 2, 2, 2],
    [3, 1, 4, 6, 2, 5, 0],
  ],
  [
    [2, 2, 2, 0, 2, 2, 3],
    [3, 1, 4, 6, 2, 5, 0],
  ],
] as const
const empty = [[0], [0, 3], [3, 0], [0, 0], [2, 0, 3], [0, 2, 3], [2, 3, 0], [1, 0, 1, 0]] as const

describe.each(devices)('%s', device => {
  describe('views with more dims than a kernel takes give the bits of copies', () => {
    it.each(names)('%s', name =>
      on(device, () => {
        for (const [shape, order] of scattered) {
          const view = numbers(shape).permute([...order])
          const [got, wanted] = [outcome(name, view), outcome(name, view.clone())]
          expect(got.y.shape).toEqual(wanted.y.shape)
          sameBits('value', got.y.dataSync(), wanted.y.dataSync())
          if (wanted.gradient) sameBits('gradient', got.gradient!.dataSync(), wanted.gradient.dataSync())
        }
      }),
    )
  })

  describe('of nothing', () => {
    it.each(names)('%s', name =>
      on(device, () => {
        for (const shape of empty) {
          const { y, gradient } = outcome(name, zeros([...shape]))
          y.dataSync()
          if (gradient) expect([gradient.shape, gradient.dataSync().length]).toEqual([shape, 0])
        }
      }),
    )
  })

  describe.each([2, 16, 1000])('%i of them', count => {
    const list = Array.from({ length: count }, (_, i) => i)
    const weights = Float32Array.from({ length: count * 10 }, (_, i) => (i % 17) - 8)
    const rows = (): Tensor[] => on(device, () => list.map(i => ones([10]).mul(i).requiresGrad_()))
    /** The gradient of Σ w·y by each of the inputs. */
    const slopes = (y: Tensor, inputs: Tensor[]): number[][] =>
      gradients(y.mul(tensor(weights, y.shape, { device })).sum(), inputs).map(g => Array.from(g!.dataSync()))
    const wanted = list.map(i => Array.from(weights.slice(i * 10, i * 10 + 10)))

    it('concat', () => {
      const inputs = rows()
      expect(slopes(concat(inputs), inputs)).toEqual(wanted)
    })
    it('stack', () => {
      const inputs = rows()
      expect(slopes(stack(inputs), inputs)).toEqual(wanted)
    })
    it('split into pieces of one size and of many, and concat', () => {
      const x = tensor(weights, { device, requiresGrad: true })
      for (const sizes of [10, list.map(() => 10), [...list.slice(1).map(() => 10), 10, 0]])
        expect(slopes(concat(x.split(sizes)), [x])).toEqual([Array.from(weights)])
    })
    it('pad, tile, repeat by as many', () => {
      const x = ones([2]).to(device).requiresGrad_()
      expect(slopes(x.pad([[count * 10 - 2, 0]]), [x])).toEqual([Array.from(weights.slice(-2))])
      const sums = (start: number, step: number): number =>
        Array.from({ length: count }, (_, i) => weights[start + i * step]).reduce((a, b) => a + b, 0)
      const half = weights.slice(0, count * 2)
      const through = (y: Tensor) => gradients(y.mul(tensor(half, { device })).sum(), [x])[0]!.dataSync()
      expect(Array.from(through(x.tile(count)))).toEqual([sums(0, 2), sums(1, 2)])
      expect(Array.from(through(x.repeat(count, 0)))).toEqual([sums(0, 1), sums(count, 1)])
    })
  })

  it('lists of sizes are no shapes: their product may be anything', () =>
    on(device, () => {
      const x = ones(new Array(16).fill(1)).requiresGrad_()
      const y = x.pad(new Array(16).fill([0, 0]).fill([9, 9], 0, 4))
      expect(y.shape.slice(0, 5)).toEqual([19, 19, 19, 19, 1])
      expect(gradients(y.sum(), [x])[0]!.dataSync()).toEqual(new Float32Array(1).fill(1))
      expect(x.tile(new Array(16).fill(1)).shape).toEqual(x.shape)
      expect(x.permute([...x.shape.keys()].reverse()).exp().rank).toBe(16)
    }))
})
