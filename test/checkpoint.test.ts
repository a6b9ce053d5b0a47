import { describe, expect, test } from 'vitest'
import { checkpoint, dropout, nn, ones, seed, type Tensor } from '../lib/index.js'
import { devices } from './harness/devices.js'

describe.each(devices)('%s', device => {
  test('checkpoint gives the gradients of the plain call, with the same random numbers', async () => {
    const layer = new nn.Linear(4, 4, { device })
    const block = (x: Tensor) => dropout(layer.forward(x).tanh(), 0.5).square()
    const run = async (call: (x: Tensor) => Tensor) => {
      layer.zeroGrad()
      seed(3)
      const x = ones([5, 4], { device, requiresGrad: true })
      const y = call(x)
      y.sum().backward()
      return [await y.data(), await x.grad!.data(), await layer.weight.grad!.data(), await layer.bias!.grad!.data()]
    }
    expect(await run(x => checkpoint(block, x))).toEqual(await run(block))
  })

  test('mistakes are named', () => {
    expect(() => checkpoint(x => x, ones([1], { device }))).toThrow(
      /checkpoint: none of the arguments requires a gradient/,
    )
    expect(() => checkpoint((async (x: Tensor) => x) as never, ones([1], { device, requiresGrad: true }))).toThrow(
      /checkpoint: expected a synchronous function/,
    )
  })
})
