/** What users hand to autograd, what they are told, and what a failure leaves behind. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  checkpoint,
  concat,
  customGrad,
  DTypeError,
  GradientError,
  type GradusError,
  grad,
  gradcheck,
  gradients,
  losses,
  memory,
  nn,
  noGrad,
  OptionError,
  ones,
  StateError,
  synchronize,
  type Tensor,
  tensor,
  tidy,
  valueAndGrad,
} from '../lib/index.js'
import { devices } from './harness/devices.js'
import { withoutMemoryFrom } from './harness/failing.js'

describe.each(devices)('%s', device => {
  const leaf = (...values: number[]) => tensor(values, { device, requiresGrad: true })

  test.runIf(device === devices[0])('the gradient of a result is null, with a warning, once', async () => {
    const warnings: unknown[] = []
    const listen = (w: Error & { code?: string }) => warnings.push(w.code)
    process.on('warning', listen)
    const w = leaf(1, 2)
    const results = [w.mul(2), w.add(1)]
    expect([w.grad, w.detach().grad, ...results.map(y => y.grad)]).toEqual([null, null, null, null])
    await new Promise(setImmediate)
    process.off('warning', listen)
    expect(warnings).toEqual(['GRADUS_W_GRAD_OF_RESULT'])
  })

  test.each<[string, (x: Tensor) => Tensor, RegExp]>([
    ['nothing', () => tensor([1], { device }), /requires a gradient\. Hint: call requiresGrad_\(\) on the inputs/],
    ['a comparison', x => x.greater(1).cast('float32').mean(), /: greater cut it off\. Hint: greater has no gradient/],
    ['argmax', x => x.argmax(0).equal(1).cast('float32').mul(2), /: argmax cut it off\. Hint: argmax has no gradient/],
    ['a cast', x => x.cast('int32').cast('float32').sum(), /: cast to int32 cut it off/],
    ['detach', x => x.detach().mul(2).reshape([2]).sum(), /: detach cut it off\. Hint: use detach\(\) on what/],
    [
      'noGrad',
      x =>
        noGrad(() => x.mul(2))
          .add(1)
          .sum(),
      /: noGrad cut it off\. Hint: compute it outside of noGrad/,
    ],
    [
      'a loss of classes',
      x => losses.mse(x.argmax(0, { keepDims: true }).cast('float32'), ones([1], { device })),
      /: argmax/,
    ],
    ['the first of several', x => x.less(1).where(x.detach(), 0).sum(), /: (less|detach) cut it off/],
  ])('a graph that was cut off names what did it: %s', (_, f, text) => {
    const y = f(leaf(1, 2))
    expect(() => y.backward()).toThrow(GradientError)
    expect(() => y.backward()).toThrow(text)
    expect(() => gradients(y, [leaf(1)])).toThrow(text)
  })

  test('call forms: a gradient alone, one tensor for a list', async () => {
    const x = leaf(1, 2)
    x.square().backward(tensor([1, 10], { device }))
    expect(await x.grad!.toArray()).toEqual([2, 40])
    const [g] = gradients(x.square().sum(), x)
    expect(await g!.toArray()).toEqual([2, 4])
    const [one, two] = gradients(x.sum(), [x, x])
    expect([await one!.toArray(), await two!.toArray()]).toEqual([
      [1, 1],
      [1, 1],
    ])
    expect((await gradcheck(v => v.square(), x)).checked).toBe(2)
  })

  const add = (x: Tensor) => x.add(1)
  const mistakes: [string, () => unknown, RegExp][] = [
    ['backward: a number', () => add(leaf(1)).backward({ gradient: 1 as never }), /gradient must be a tensor, got 1/],
    ['backward: zero', () => add(leaf(1)).backward({ gradient: 0 as never }), /gradient must be a tensor, got 0/],
    ['backward: true', () => add(leaf(1)).backward(true as never), /options must be an object, got true/],
    [
      'gradients: nothing',
      () => gradients(add(leaf(1)), undefined as never),
      /expected a list of tensors, got undefined/,
    ],
    ['gradients: numbers', () => gradients(add(leaf(1)), [1] as never), /input 0 must be a tensor, got 1/],
    ['gradients: no tensor', () => gradients(1 as never, []), /must be a tensor, got 1/],
    ['grad: no function', () => grad(leaf(1) as never), /expected a function, got a Tensor/],
    ['grad: no argument', () => grad(add as () => Tensor)(), /argument 0 must be a tensor, got undefined/],
    ['grad: no result', () => grad((() => {}) as never)(leaf(1)), /the result must be a tensor, got undefined/],
    ['grad: a number', () => grad((() => 1) as never)(leaf(1)), /the result must be a tensor, got 1/],
    [
      'grad: numbers beside',
      () => grad(((x: Tensor, n: number) => x.mul(n)) as never)(leaf(1), undefined as never),
      /mul/,
    ],
    ['valueAndGrad: no function', () => valueAndGrad(undefined as never), /expected a function, got undefined/],
    ['valueAndGrad: no result', () => valueAndGrad((() => null) as never)(leaf(1)), /the result must be a tensor/],
    ['checkpoint: no function', () => checkpoint(leaf(1) as never, leaf(1)), /expected a function, got a Tensor/],
    ['checkpoint: no result', () => checkpoint((() => 1) as never, leaf(1)), /the result must be a tensor, got 1/],
    ['customGrad: nothing', () => customGrad(undefined as never), /expected \{ forward, backward \}, got undefined/],
    ['customGrad: a function', () => customGrad(add as never), /expected \{ forward, backward \}, got a function/],
    [
      'customGrad: no backward',
      () => customGrad({ forward: add } as never),
      /backward: expected a function, got undefined/,
    ],
    ['customGrad: a typo', () => customGrad({ forward: add, backwards: add } as never), /did you mean 'backward'/],
  ]
  test.each(mistakes)('%s', (_, call, text) => {
    let error: unknown
    try {
      call()
    } catch (e) {
      error = e
    }
    expect((error as GradusError)?.code, String(error)).toMatch(/^GRADUS_/)
    expect((error as Error).message).toMatch(text)
  })

  test.each<[string, (g: Tensor) => unknown, RegExp]>([
    ['nothing', () => undefined, /backward must return 1 gradients, one for each input, got undefined/],
    ['a tensor', g => g, /backward must return 1 gradients, one for each input, got a Tensor/],
    ['too many', g => [g, g], /backward must return 1 gradients, .* got an array of 2/],
    ['undefined', () => [undefined], /gradient 0 must be a tensor, got undefined/],
    ['a number', () => [1], /gradient 0 must be a tensor, got 1/],
    ['another shape', g => [g.sum()], /gradient 0 must have the shape \[2\], got \[\]/],
    ['another dtype', g => [g.cast('int32')], /gradient 0 must be float32, got int32/],
    ['another float', g => [g.cast('float64')], /gradient 0 must be float32, got float64/],
    [
      'a disposed one',
      g => {
        const h = g.clone()
        h.dispose()
        return [h]
      },
      /mine: .* was disposed by dispose\(\)/,
    ],
    ['a promise', async g => [g], /expected a synchronous function/],
    ['a list of promises', g => [Promise.reject(new Error(String(g)))], /expected a synchronous function/],
    [
      'an exception',
      () => {
        throw new RangeError('mine')
      },
      /mine/,
    ],
  ])('a backward of a user that gives %s: named, and no gradient is half done', async (_, backward, text) => {
    const [x, w] = [leaf(1, 2), leaf(3, 4)]
    x.sum().add(w.sum()).backward()
    const before = [x.grad, w.grad]
    const custom = customGrad({ name: 'mine', forward: v => v.mul(2), backward: backward as never })
    const y = w.mul(custom(x).add(x)).sum()
    expect(() => y.backward()).toThrow(text)
    expect([x.grad === before[0], w.grad === before[1]]).toEqual([true, true])
    expect(await Promise.all([x.grad!.toArray(), w.grad!.toArray()])).toEqual([
      [1, 1],
      [1, 1],
    ])
    expect(() => y.backward()).toThrow(StateError)
    await new Promise(setImmediate)
  })

  test('inputs that need no gradient may get any', () => {
    const custom = customGrad({ forward: (x, i) => x.indexSelect(i), backward: g => [g, 7 as never] })
    const x = leaf(1, 2)
    custom(x, tensor([0, 1], { device, dtype: 'int32' }))
      .sum()
      .backward()
    expect(x.grad!.shape).toEqual([2])
  })

  test.each<[string, (first: boolean, x: Tensor) => unknown, typeof GradusError]>([
    ['shape', (first, x) => (first ? x : x.sum()), GradientError],
    ['dtype', (first, x) => (first ? x.mul(2) : x.cast('float64')), GradientError],
    ['no tensor', (first, x) => (first ? x : 1), DTypeError],
    ['a promise', (first, x) => (first ? x : Promise.reject(new Error('later'))), OptionError],
  ])('checkpoint: a replay that differs in %s is refused', async (_, f, error) => {
    let calls = 0
    const x = leaf(1, 2)
    const y = checkpoint(((v: Tensor) => f(calls++ === 0, v)) as never, x)
    expect(() => y.sum().backward()).toThrow(error)
    expect(x.grad).toBeNull()
    await new Promise(setImmediate)
  })

  test('checkpoint of what depends on nothing gives no gradient', () => {
    const x = leaf(1, 2)
    checkpoint(v => v.detach(), x)
      .sum()
      .backward()
    expect(x.grad).toBeNull()
  })

  test('async functions are refused, and their rejections are heard', async () => {
    const later = (async () => {
      throw new Error('later')
    }) as never
    const x = leaf(1)
    for (const call of [
      () => grad(later)(x),
      () => valueAndGrad(later)(x),
      () => checkpoint(later, x),
      () => customGrad({ forward: later, backward: later })(x),
      () => noGrad(later),
      () => new nn.Sequential(Object.assign(new nn.ReLU(), { forward: later }), new nn.ReLU()).forward(x),
    ])
      expect(call).toThrow(/expected a synchronous function, got one that returns a promise/)
    await expect(gradcheck(later, [x])).rejects.toThrow(/expected a synchronous function/)
    await new Promise(setImmediate)
  })

  type Repeat = (block: (x: Tensor) => Tensor, x: Tensor) => Tensor
  const network = (repeat: Repeat) =>
    tidy(() => {
      const [x, w, b] = [leaf(...Array(512).fill(0.5)), leaf(...Array(512).fill(2)), leaf(...Array(512).fill(1))]
      const block = (v: Tensor) => v.mul(w).add(b).tanh()
      const y = repeat(block, block(x))
        .add(x.reshape([2, 256]).transpose().reshape([512]))
        .sum()
      return { leaves: [x, w, b], y }
    })

  test.each<[string, Repeat, number]>([
    ['plain', (block, x) => block(x), 0],
    ['checkpoint', checkpoint, 2], // what a block saved that could not be repeated to its end is left to the collector
  ])('a walk that finds no memory, wherever that is, leaves gradients as they were: %s', async (_, repeat, left) => {
    ones([1], { device }).dispose()
    let finished = false
    for (let n = 0; n < 100 && !finished; n++) {
      const before = memory()[device]!.tensors
      const { leaves, y } = network(repeat)
      try {
        withoutMemoryFrom(n, device, () => y.backward())
        finished = true
      } catch {
        expect(leaves.map(x => x.grad)).toEqual([null, null, null])
        // Either nothing had begun, or the graph counts as walked.
        if (n > 0) expect(() => y.backward()).toThrow(StateError)
        else y.backward()
      }
      for (const t of [...leaves.flatMap(x => x.grad ?? []), ...leaves, y]) t.dispose()
      expect(memory()[device]!.tensors).toBeLessThanOrEqual(before + left)
    }
    expect(finished).toBe(true)
    await synchronize()
  })

  test('a stack that overflows in a walk, wherever that is, leaves gradients as they were', async () => {
    const outcomes = { failed: 0, done: 0 }
    const attempt = (): boolean => {
      const { leaves, y } = network(checkpoint)
      try {
        y.backward()
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError)
        expect(leaves.map(x => x.grad)).toEqual([null, null, null])
        outcomes.failed++
        return false
      }
      expect(leaves.every(x => x.grad)).toBe(true)
      outcomes.done++
      return true
    }
    /** Goes down to the end of the stack, and tries on the way back, until it works. */
    const down = (): boolean => {
      let tried = false
      try {
        tried = down()
      } catch {}
      return tried || attempt()
    }
    expect(down()).toBe(true)
    expect(outcomes.done).toBe(1)
    const { leaves, y } = network(checkpoint)
    y.backward()
    expect((await leaves[2].grad!.data())[0]).toBeGreaterThan(0)
    await synchronize()
  })

  test('graphs of 100,000 operations, deep and wide', async () => {
    const n = 100_000
    const x = leaf(1)
    let deep: Tensor = x
    for (let i = 0; i < n; i++) deep = deep.reshape([1])
    deep.sum().backward()
    expect(await x.grad!.item()).toBe(1)
    const parts = Array.from({ length: n }, () => x.reshape([1]))
    x.grad = null
    concat(parts).sum().backward()
    expect(await x.grad!.item()).toBe(n)
  })
})

if (devices.length > 1)
  test('a gradient on another device is refused by name', () => {
    const [x, y] = devices.map(device => ones([2], { device }).requiresGrad_())
    const custom = customGrad({ name: 'mine', forward: v => v.mul(2), backward: g => [g.to(y.device)] })
    expect(() => custom(x).sum().backward()).toThrow(/^mine: gradient 0 must be on \w+, got one on \w+/)
    let calls = 0
    const moved = checkpoint(v => (calls++ ? v.to(y.device) : v.mul(1)), x)
    expect(() => moved.sum().backward()).toThrow(/checkpoint: the function gave \[2\] float32 on/)
  })

const unheard: unknown[] = []
const hear = (reason: unknown) => void unheard.push(reason)
beforeEach(() => void process.on('unhandledRejection', hear))
afterEach(() => {
  process.off('unhandledRejection', hear)
  expect(unheard.splice(0)).toEqual([])
})
