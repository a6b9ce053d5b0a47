// What users hand in as values, and what is handed out to them.
import { describe, expect, test } from 'vitest'
import { arange, data, dense, sequential, type Tensor, zeros } from '../lib/index.js'
import { devices } from './harness/devices.js'

describe.each(devices)('%s', device => {
  const x = () => arange(6, { device, dtype: 'float32' }).reshape([2, 3])

  describe('arrays that are handed out cannot change a tensor', () => {
    const made: [string, () => Tensor][] = [
      ['created', () => zeros([2, 3], { device })],
      ['computed', () => x().relu()],
      ['viewed', () => x().transpose()],
      ['reduced', () => x().sum(0)],
      [
        'its gradient',
        () => {
          const w = x().requiresGrad_()
          w.sum().backward()
          return w.grad!
        },
      ],
    ]
    test.each(made)('%s', (_, make) => {
      const t = make()
      const [size, total] = [t.size, t.sum().itemSync()]
      for (const list of [t.shape, t.strides] as number[][]) {
        expect(() => (list[0] = 1)).toThrow(TypeError)
        expect(() => list.push(1)).toThrow(TypeError)
      }
      expect(t.shape).toBe(t.shape)
      expect([t.size, t.sum().itemSync()]).toEqual([size, total])
    })

    test('nor does what was handed in', () => {
      const shape = [2, 3]
      const ranges = [0, 2] as [number, number]
      const given: Tensor[] = [zeros(shape, { device }), x().reshape(shape), zeros([1, 3], { device }).expand(shape)]
      const part = x().requiresGrad_().slice(ranges)
      shape[0] = ranges[1] = 1
      for (const t of given) expect([t.shape, t.size]).toEqual([[2, 3], 6])
      expect(shape).toEqual([1, 3])
      part.sum().backward()
    })

    test('shapes that are subclasses of Array are read as numbers only', () => {
      class Sizes extends Array<number> {}
      const y = x().reshape(Sizes.of(3, -1))
      expect(y.shape.constructor).toBe(Array)
      expect(y.shape).toEqual([3, 2])
    })

    test('tensors of a dataset, layers and input shapes of a model', () => {
      const tensors = [x(), x()]
      const set = new data.TensorDataset(...tensors)
      expect(() => (set.tensors as Tensor[]).pop()).toThrow(TypeError)
      const inputShape = [3]
      const layers = [dense(2, { inputShape }), dense(1)]
      const model = sequential(layers, { device })
      inputShape[0] = 7
      layers.pop()
      expect(layers[0].inputShape).toEqual([3])
      expect(model.parameters().length).toBe(4)
    })
  })
})
