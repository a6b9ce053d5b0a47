// Losses and their gradients against values recorded from PyTorch (scripts/fixtures/torch_losses.py).
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { isFloating } from '../lib/dtype.js'
import { type Device, type DType, gradients, losses, type Tensor, tensor, ValueError, zerosLike } from '../lib/index.js'
import { devices, hasNative } from './harness/devices.js'

interface Value {
  shape: number[]
  dtype: 'float64' | 'int32'
  data: (number | string)[]
}
interface Case {
  loss: 'mse' | 'l1' | 'huber' | 'smoothL1' | 'bce' | 'bceWithLogits' | 'crossEntropy' | 'nll'
  reduction: 'none' | 'mean' | 'sum'
  options: Record<string, number | (number | string)[]>
  input: Value
  target: Value
  output: Value
  grad: Value
  /** The gradient of the gradient's sum. */
  second: Value
}
const { cases } = JSON.parse(readFileSync(new URL('./fixtures/torch_losses.json', import.meta.url), 'utf8')) as {
  cases: Case[]
}

const numbers = (v: Value) => v.data.map(Number)

function load(v: Value, device: Device, dtype: DType = 'float64'): Tensor {
  return tensor(numbers(v), v.shape, { device, dtype: v.dtype === 'int32' ? 'int32' : dtype })
}

/** Loss, gradient and second derivative of a case, from values rounded to float32 or as they are. */
function run(c: Case, device: Device, rounded: boolean): { loss: Tensor; grad: Tensor; second: Tensor } {
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
  const grad = gradients(loss.sum(), [input], { createGraph: true })[0]!
  const [second] = grad.requiresGrad ? gradients(grad.sum(), [input], { allowUnused: true }) : []
  return { loss, grad, second: second ?? zerosLike(input) }
}

async function expectClose(t: Tensor, shape: readonly number[], wanted: ArrayLike<number>, tolerance: number) {
  expect(t.shape).toEqual(shape)
  const data = await t.data()
  for (let i = 0; i < wanted.length; i++) {
    const v = wanted[i]
    if (Object.is(data[i], v) || data[i] === v) continue
    expect(Math.abs(data[i] - v), `element ${i}: ${data[i]} ≠ ${v}`).toBeLessThanOrEqual(
      tolerance * Math.max(1, Math.abs(v)),
    )
  }
}

const titled = cases.map((c, i) => ({ ...c, title: `${i} ${c.loss} ${c.reduction} ${Object.keys(c.options)}` }))

// PyTorch's own constants are float32 in places, hence 1e-7 and not 1e-12.
test.each(titled)('js in float64 against PyTorch: $title', async c => {
  const { loss, grad, second } = run(c, 'js', false)
  await expectClose(loss, c.output.shape, numbers(c.output), 1e-7)
  await expectClose(grad, c.grad.shape, numbers(c.grad), 1e-7)
  await expectClose(second, c.grad.shape, numbers(c.second), 1e-7)
})

// The inputs are rounded for both, since a loss near its pole magnifies the rounding of the input.
test.skipIf(!hasNative).each(titled)('native against js in float64: $title', async c => {
  const [a, b] = [run(c, 'native', true), run(c, 'js', true)]
  await expectClose(a.loss, b.loss.shape, await b.loss.data(), 2e-6)
  await expectClose(a.grad, b.grad.shape, await b.grad.data(), 2e-6)
  await expectClose(a.second, b.grad.shape, await b.second.data(), 5e-6)
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

/** Value, gradient and second derivative of the sum of a loss, with infinities and NaN where nothing is to be seen of them. */
async function derivatives(loss: (x: Tensor) => Tensor, values: number[] | number[][], device: Device) {
  const x = tensor(values, { device, requiresGrad: true })
  const y = loss(x)
  const grad = gradients(y, [x], { createGraph: true })[0]!
  const second = (grad.requiresGrad && gradients(grad.square().sum(), [x])[0]) || zerosLike(x)
  return { value: await y.item(), grad: Array.from(await grad.data()), second: Array.from(await second.data()) }
}

const ignored = [
  [1, 2, 0],
  [Number.NaN, 0, 0],
  [Infinity, -Infinity, 0],
]
const onlyFirst: [string, (x: Tensor, t: Tensor, o: object) => Tensor, object][] = [
  ['crossEntropy', losses.crossEntropy, {}],
  ['crossEntropy, weighted', losses.crossEntropy, { weight: [1, 2, 3] }],
  ['crossEntropy, smoothed', losses.crossEntropy, { labelSmoothing: 0.1 }],
  ['crossEntropy, weighted and smoothed', losses.crossEntropy, { labelSmoothing: 0.1, weight: [1, 2, 3] }],
  ['crossEntropy, its own index', losses.crossEntropy, { ignoreIndex: 2 }],
  ['nll', losses.nll, {}],
  ['nll, weighted', losses.nll, { weight: [1, 2, 3] }],
]
const combinations = onlyFirst.flatMap(([name, loss, options]) =>
  (['mean', 'sum', 'none'] as const).flatMap(reduction =>
    devices.map(device => ({ name, loss, options: { ...options, reduction }, reduction, device })),
  ),
)
test.each(combinations)('ignored rows spoil nothing: $name, $reduction, $device', async ({ loss, options, device }) => {
  const skip = 'ignoreIndex' in options ? 2 : -100
  const labels = (list: number[]) => tensor(list, { dtype: 'int32', device })
  const all = await derivatives(x => loss(x, labels([1, skip, skip]), options).sum(), ignored, device)
  const alone = await derivatives(x => loss(x, labels([1]), options).sum(), ignored.slice(0, 1), device)
  expect(all.value).toBeCloseTo(alone.value, 6)
  for (const [i, wanted] of [...alone.grad, ...new Array(6).fill(0)].entries())
    expect(all.grad[i]).toBeCloseTo(wanted, 6)
  for (const [i, wanted] of [...alone.second, ...new Array(6).fill(0)].entries())
    expect(all.second[i]).toBeCloseTo(wanted, 6)
  // Of nothing but ignored rows the mean is NaN, as in PyTorch, and the gradient 0.
  const none = await derivatives(x => loss(x, labels([skip, skip, skip]), options).sum(), ignored, device)
  expect(none.value).toBe(options.reduction === 'mean' ? Number.NaN : 0)
  expect([...none.grad, ...none.second].every(v => v === 0)).toBe(true)
})

describe.each(devices)('%s', device => {
  const labels = (list: number[]) => tensor(list, { dtype: 'int32', device })
  const masked = () => tensor([[0, Number.NEGATIVE_INFINITY, 1]], { device })

  test('weights are numbers or tensors', async () => {
    const loss = losses.crossEntropy(masked(), labels([2]), { weight: [1, 1, 2] })
    expect(await loss.item()).toBeCloseTo(0.3133, 4)
    const weight = tensor([1, 1, 2], { dtype: 'int32', device })
    expect(await losses.crossEntropy(masked(), labels([2]), { weight }).item()).toBeCloseTo(0.3133, 4)
    const x = tensor([[1, 2, 0]], { dtype: 'int32', device })
    const heavy = losses.crossEntropy(x, labels([1]), { weight: [1, 0.5, 1], reduction: 'sum' })
    expect(await heavy.item()).toBeCloseTo(0.5 * 0.40760597, 6)
    const wrong: [object, RegExp][] = [
      [{ weight: [1, 2] }, /^crossEntropy: weight must hold a number for each of 3 classes, got shape \[2\]/],
      [{ weight: 'balanced' }, /^crossEntropy: weight must be numbers or a tensor, got 'balanced'/],
      [{ weight: tensor([1, 1, 1], { device, requiresGrad: true }) }, /^crossEntropy: weight has no gradient.*detach/],
      [{ ignoreIndex: 0.5 }, /^crossEntropy: ignoreIndex must be a whole number, got 0\.5/],
      [{ labelSmoothing: '0.1' }, /^crossEntropy: labelSmoothing must be from 0 to 1, got '0\.1'/],
    ]
    for (const [options, text] of wrong) expect(() => losses.crossEntropy(masked(), labels([2]), options)).toThrow(text)
    if (device !== 'js')
      expect(() => losses.crossEntropy(masked(), labels([2]), { weight: tensor([1, 1, 1], { device: 'js' }) })).toThrow(
        /^crossEntropy: weight is on js, the prediction on native.*to\('native'\)/,
      )
    expect(() => losses.bceWithLogits(masked(), masked(), { posWeight: [1, 2] })).toThrow(/^bceWithLogits: /)
    const one = tensor([1], { device })
    expect(() => losses.bceWithLogits(one, one, { posWeight: [1, 2] })).toThrow(
      /^bceWithLogits: posWeight must broadcast to the target's shape \[1\], got \[2\]/,
    )
  })

  test('options without an effect are refused', () => {
    const x = tensor([[1, 2]], { device })
    expect(() => losses.crossEntropy(x, tensor([[0.5, 0.5]], { device }), { ignoreIndex: -100 })).toThrow(
      /^crossEntropy: ignoreIndex means nothing to targets that are probabilities/,
    )
    expect(() => losses.smoothL1(x, x, { beta: 0, delta: 1 } as object)).toThrow(/^smoothL1: unknown option 'delta'/)
    expect(() => losses.huber(x, x, { delta: '1' as never })).toThrow(/^huber: delta must be a number above 0/)
  })

  test('bce refuses what is no probability', async () => {
    const [p, t] = [tensor([[0.5, 1.5, 3]], { device }), tensor([[0, 1, 1]], { device })]
    await expect(losses.bce(p, t).item()).rejects.toThrow(
      /^bce: probabilities must be in \[0, 1\], got 1\.5 at position 1\. Hint: for logits, use bceWithLogits/,
    )
    await expect(losses.bce(t, p).item()).rejects.toThrow(/^bce: targets must be in \[0, 1\], got 1\.5 at position 1$/)
    await expect(losses.bce(p.transpose(), t.transpose()).item()).rejects.toThrow(/got 1\.5 at position 1/)
    await expect(losses.bce(tensor([-1e-9], { device }), tensor([1], { device })).item()).rejects.toThrow(ValueError)
    expect(await losses.bce(tensor([Number.NaN], { device }), tensor([1], { device })).item()).toBeNaN()
  })

  test('differences of whole numbers do not wrap', async () => {
    const [a, b] = [2e9, -2e9].map(v => tensor([v], { dtype: 'int32', device }))
    expect(await losses.l1(a, b).item()).toBe(4e9)
    expect(await losses.mse(a, b, { reduction: 'sum' }).item()).toBe(Math.fround(16e18))
    expect(await losses.huber(a, b).item()).toBe(4e9)
  })

  test('a certain answer with an infinite logit', async () => {
    const x = tensor([Infinity, -Infinity], { device })
    const loss = losses.bceWithLogits(x, tensor([0, 1], { device }), { reduction: 'none' })
    expect(Array.from(await loss.data())).toEqual([Infinity, Infinity])
  })

  test('smoothL1 of far values with a wide parabola stays in range', async () => {
    const loss = losses.smoothL1(tensor([1e25], { device }), tensor([0], { device }), { beta: 1e30 })
    expect(await loss.item()).toBeCloseTo(5e19, -15)
  })
})

test.each(devices)('a positive weight may be a number, %s', async device => {
  const [x, t] = [tensor([0.5, -1], { device }), tensor([1, 0], { device })]
  const number = losses.bceWithLogits(x, t, { posWeight: 2 })
  const full = losses.bceWithLogits(x, t, { posWeight: tensor([2, 2], { device }) })
  expect(await number.item()).toBe(await full.item())
})
