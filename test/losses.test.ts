// Losses and their gradients against values recorded from PyTorch (scripts/fixtures/torch_losses.py).
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { isFloating } from '../lib/dtype.js'
import { type Device, type DType, losses, type Tensor, tensor } from '../lib/index.js'
import { devices, hasNative } from './harness/devices.js'

interface Value {
  shape: number[]
  dtype: 'float64' | 'int32'
  data: (number | string)[]
}
interface Case {
  loss: 'mse' | 'l1' | 'huber' | 'smoothL1' | 'bce' | 'bceWithLogits' | 'crossEntropy' | 'nll'
  reduction: 'none' | 'mean' | 'sum'
  options: Record<string, number | number[]>
  input: Value
  target: Value
  output: Value
  grad: Value
}
const { cases } = JSON.parse(readFileSync(new URL('./fixtures/torch_losses.json', import.meta.url), 'utf8')) as {
  cases: Case[]
}

const numbers = (v: Value) => v.data.map(Number)

function load(v: Value, device: Device, dtype: DType = 'float64'): Tensor {
  return tensor(numbers(v), v.shape, { device, dtype: v.dtype === 'int32' ? 'int32' : dtype })
}

/** Loss and gradient of a case, from values rounded to float32 or as they are. */
function run(c: Case, device: Device, rounded: boolean): { loss: Tensor; input: Tensor } {
  const make = (v: Value) => {
    const t = load(v, device, rounded ? 'float32' : 'float64')
    return device === 'js' && isFloating(t.dtype) ? t.cast('float64') : t
  }
  const options = Object.fromEntries(
    Object.entries(c.options).map(([k, v]) => [
      k,
      Array.isArray(v) ? make({ shape: [v.length], dtype: 'float64', data: v }) : v,
    ]),
  )
  const input = make(c.input).requiresGrad_()
  const fn = losses[c.loss] as (x: Tensor, t: Tensor, o: object) => Tensor
  const loss = fn(input, make(c.target), { ...options, reduction: c.reduction })
  loss.sum().backward()
  return { loss, input }
}

async function expectClose(t: Tensor, shape: readonly number[], wanted: ArrayLike<number>, tolerance: number) {
  expect(t.shape).toEqual(shape)
  const data = await t.data()
  for (let i = 0; i < wanted.length; i++) {
    const v = wanted[i]
    if (Number.isNaN(v)) expect(data[i]).toBeNaN()
    else
      expect(Math.abs(data[i] - v), `element ${i}: ${data[i]} ≠ ${v}`).toBeLessThanOrEqual(
        tolerance * Math.max(1, Math.abs(v)),
      )
  }
}

const titled = cases.map((c, i) => ({ ...c, title: `${i} ${c.loss} ${c.reduction} ${Object.keys(c.options)}` }))

// PyTorch's own constants are float32 in places, hence 1e-7 and not 1e-12.
test.each(titled)('js in float64 against PyTorch: $title', async c => {
  const { loss, input } = run(c, 'js', false)
  await expectClose(loss, c.output.shape, numbers(c.output), 1e-7)
  await expectClose(input.grad!, c.grad.shape, numbers(c.grad), 1e-7)
})

// The inputs are rounded for both, since a loss near its pole magnifies the rounding of the input.
test.skipIf(!hasNative).each(titled)('native against js in float64: $title', async c => {
  const [a, b] = [run(c, 'native', true), run(c, 'js', true)]
  await expectClose(a.loss, b.loss.shape, await b.loss.data(), 2e-6)
  await expectClose(a.input.grad!, b.input.shape, await b.input.grad!.data(), 2e-6)
})

describe.each(devices)('%s', device => {
  test('errors name what does not fit', async () => {
    const x = tensor([[1, 2]], { device })
    expect(() => losses.mse(x, tensor([1, 2], { device }))).toThrow(
      /mse: prediction and target must have equal shapes, got \[1, 2\] and \[2\]/,
    )
    expect(() => losses.mse(x, x, { reduction: 'average' as never })).toThrow(/reduction must be/)
    expect(() => losses.crossEntropy(x, tensor([0, 1], { device, dtype: 'int32' }))).toThrow(
      /targets must have the shape \[1\]/,
    )
    await expect(losses.crossEntropy(x, tensor([2], { device, dtype: 'int32' })).item()).rejects.toThrow(
      /crossEntropy: index 2 at position 0 is out of range/,
    )
  })
})

test.each(devices)('a positive weight may be a number, %s', async device => {
  const [x, t] = [tensor([0.5, -1], { device }), tensor([1, 0], { device })]
  const number = losses.bceWithLogits(x, t, { posWeight: 2 })
  const full = losses.bceWithLogits(x, t, { posWeight: tensor([2, 2], { device }) })
  expect(await number.item()).toBe(await full.item())
})
