// Tensors as text, as numbers, as lists: what shows, and what is refused.
import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { memory, nn, noGrad, ones, StateError, Tensor, tensor } from '../lib/index.js'
import * as ops from '../lib/ops/index.js'
import { methods } from '../lib/words.js'
import { devices } from './harness/devices.js'

/** The values only, as NumPy's array2string(x, separator=', ', precision=4) shows them. */
const values = (t: Tensor): string => inspect(t).replace(/^Tensor\([^)]*\)[ \n]/, '')

describe.each(devices)('%s', device => {
  const make = (list: Parameters<typeof tensor>[0], dtype?: 'float64' | 'int32' | 'bool'): Tensor =>
    tensor(list, { device, dtype })

  const shown: [string, () => Tensor, string][] = [
    ['a number', () => make(0.1), '0.1'],
    ['−0', () => make(-0), '-0'],
    ['numbers', () => make([1, 2.5, -3]), '[ 1. ,  2.5, -3. ]'],
    ['digits that differ', () => make([0.1, 100, 1 / 3]), '[  0.1   , 100.    ,   0.3333]'],
    ['float64', () => make([0.1, 2 / 3], 'float64'), '[0.1   , 0.6667]'],
    ['exponents', () => make([1e-10, 1e10, Number.NaN, Number.POSITIVE_INFINITY]), '[1.e-10, 1.e+10,    nan,    inf]'],
    ['a wide range', () => make([0.001, 12.3456]), '[1.0000e-03, 1.2346e+01]'],
    ['large float32', () => make([-2325030.8, -1]), '[-2.325e+06, -1.000e+00]'],
    ['large float64', () => make([2325030.8, 9e6], 'float64'), '[2325030.8, 9000000. ]'],
    ['no finite number', () => make([Number.NaN, Number.NEGATIVE_INFINITY, -0]), '[ nan, -inf,  -0.]'],
    [
      'integers',
      () =>
        make(
          [
            [1, -20],
            [300, 4],
          ],
          'int32',
        ),
      '[[  1, -20],\n [300,   4]]',
    ],
    ['truth values', () => make([true, false]), '[ true, false]'],
    [
      'three dims',
      () =>
        make([
          [[1], [2]],
          [[3], [4]],
        ]),
      '[[[1.],\n  [2.]],\n\n [[3.],\n  [4.]]]',
    ],
    ['nothing', () => make([[], []]), '[]'],
    [
      'a long line',
      () => make(Array.from({ length: 25 }, (_, i) => i)),
      '[ 0.,  1.,  2.,  3.,  4.,  5.,  6.,  7.,  8.,  9., 10., 11., 12., 13., 14.,\n 15., 16., 17., 18., 19., 20., 21., 22., 23., 24.]',
    ],
    [
      'a view',
      () =>
        make([
          [1, 2],
          [3, 4],
        ]).transpose(),
      '[[1., 3.],\n [2., 4.]]',
    ],
    ['an expanded view', () => make([7]).expand([2]), '[7., 7.]'],
    [
      'many',
      () =>
        make(
          Array.from({ length: 1001 }, (_, i) => i),
          'int32',
        ),
      '[   0,    1,    2, ...,  998,  999, 1000]',
    ],
    [
      'many rows',
      () =>
        make(
          Array.from({ length: 600 }, (_, i) => [i, -i]),
          'int32',
        ),
      '[[   0,    0],\n [   1,   -1],\n [   2,   -2],\n ...,\n [ 597, -597],\n [ 598, -598],\n [ 599, -599]]',
    ],
    [
      'both',
      () =>
        make(
          Array.from({ length: 1600 }, (_, i) => i),
          'int32',
        )
          .reshape([40, 40])
          .transpose(),
      '[[   0,   40,   80, ..., 1480, 1520, 1560],\n [   1,   41,   81, ..., 1481, 1521, 1561],\n [   2,   42,   82, ..., 1482, 1522, 1562],\n ...,\n [  37,   77,  117, ..., 1517, 1557, 1597],\n [  38,   78,  118, ..., 1518, 1558, 1598],\n [  39,   79,  119, ..., 1519, 1559, 1599]]',
    ],
  ]
  test.each(shown)('%s', (_, of, text) => {
    const t = of()
    expect(values(t)).toBe(text)
    const before = memory()[device]!.tensors
    inspect(t)
    expect(memory()[device]!.tensors).toBeLessThanOrEqual(before)
  })

  test('a pending tensor shows what it is, and nothing is run', async () => {
    const bad = make([1, 2]).indexSelect(make([5], 'int32'))
    const y = bad.add(1)
    const queued = memory()[device]!.queued
    expect(inspect(y)).toBe(`Tensor([1] float32, ${device}, pending)`)
    expect(String(y)).toBe(`Tensor([1] float32, ${device})`)
    expect(memory()[device]!.queued).toBe(queued)
    await expect(y.data()).rejects.toThrow(/index 5 at position 0/)
  })

  test('values show when they are known', async () => {
    const good = make([1, 2]).add(1)
    const bad = make([1, 2]).indexSelect(make([5], 'int32'))
    await expect(bad.data()).rejects.toThrow(/index 5/)
    expect(inspect(bad)).toBe(`Tensor([1] float32, ${device}, failed)`)
    expect(inspect(good)).toBe(`Tensor([2] float32, ${device})\n[2., 3.]`)
    await expect(bad.data()).rejects.toThrow(/index 5/)
  })

  test('a failure that was only seen by printing is still told', () => {
    const spoilt = make([1, 2]).indexSelect(make([5], 'int32'))
    const other = make([1])
    const { stream } = spoilt.storage
    stream.k.fill(other, 2)
    ;(stream as unknown as { runNow(): void }).runNow()
    expect(inspect(spoilt)).toMatch(/failed/)
    expect(inspect(other)).toMatch(/\[2\.\]/)
    expect(() => other.dataSync()).toThrow(/index 5/)
    expect(other.itemSync()).toBe(2)
  })

  test('what was awaited is known', async () => {
    const a = ones([64, 64], { device })
    for (let i = 0; i < 20; i++) {
      const y = a.matmul(a).sum()
      await y.data()
      expect(values(y)).toBe('262144')
    }
  })

  test('what was handed in is known until something is computed, and then again', () => {
    const x = make([1, 2])
    expect(values(x)).toBe('[1., 2.]')
    const y = x.mul(x)
    for (const t of [x, y]) expect(inspect(t)).toMatch(/pending/)
    expect(y.dataSync()).toEqual(Float32Array.of(1, 4))
    noGrad(() => x.assign_(y))
    expect(inspect(x)).toMatch(/pending/)
    expect(x.dataSync()).toEqual(Float32Array.of(1, 4))
    expect([values(x), values(y)]).toEqual(['[1., 4.]', '[1., 4.]'])
  })

  test('in other objects: one line', () => {
    const t = make([
      [1, 2],
      [3, 4],
    ])
    const long = make(Array.from({ length: 7 }, () => 1))
    expect(inspect({ loss: make(0.5), rows: [make([1, 2]), t, long] })).toBe(
      `{\n  loss: Tensor([] float32, ${device}) 0.5,\n  rows: [\n    Tensor([2] float32, ${device}) [1., 2.],\n    Tensor([2, 2] float32, ${device}),\n    Tensor([7] float32, ${device})\n  ]\n}`,
    )
    expect(inspect([[[[[t]]]]])).toMatch(/Array|Object/)
    for (const depth of [null, Number.POSITIVE_INFINITY]) expect(inspect([[[[t]]]], { depth })).not.toMatch(/\d\./)
    expect(inspect(t, { depth: 0 })).toMatch(/\[3\., 4\.\]/)
    expect(inspect(new nn.Linear(2, 1, { device }))).toMatch(/weight: Tensor\(\[1, 2\] float32, \w+, requiresGrad/)
  })

  test('the prototype, a disposed tensor', () => {
    const gone = ones([2], { device })
    gone.dispose()
    expect(inspect(gone)).toBe(`Tensor([2] float32, ${device}, disposed)`)
    expect(inspect(Tensor.prototype)).toMatch(/backward/)
  })

  test('a tensor is not silently a number or a text', () => {
    const loss = make(0.5)
    let total: unknown = 0
    const refused: (() => unknown)[] = [
      () => ((total as number) += loss as unknown as number),
      () => (loss as unknown as number) < 0.1,
      () => +(loss as unknown as number),
      () => (loss as unknown as number) * 2,
      () => '' + loss,
      () => Math.max(loss as unknown as number),
      () => Number(loss),
    ]
    for (const run of refused) {
      expect(run).toThrow(StateError)
      expect(run).toThrow(/a tensor is no number.*Hint: use await t\.item\(\)/)
    }
    expect(total).toBe(0)
    expect(`${loss}`).toBe(`Tensor([] float32, ${device})`)
    expect(String(loss)).toBe(`${loss}`)
    expect([loss].join()).toBe(`${loss}`)
  })

  test('nor a list', () => {
    const t = make([1, 2]) as unknown as number[]
    const refused: (() => unknown)[] = [
      () => {
        for (const row of t) return row
      },
      () => [...t],
      () => Math.max(...t),
      () => Array.from(t),
      () => new Set(t),
      () => {
        const [first] = t
        return first
      },
    ]
    for (const run of refused) expect(run).toThrow(/cannot be iterated over.*Hint: use t\.split\(1\) for its rows/)
  })

  const words: [string, (t: Record<string, () => unknown>) => unknown, RegExp][] = [
    ['cuda', t => t.cuda(), /^Tensor: there is no cuda\(\)\. Hint: use to\('native'\)/],
    ['cpu', t => t.cpu(), /Hint: use await t\.data\(\)/],
    ['numpy', t => t.numpy(), /Hint: use await t\.data\(\)/],
    ['view', t => t.view(), /use reshape\(\[…\]\)/],
    ['length', t => t.length, /^Tensor: there is no length\. Hint: use shape\[0\]/],
    ['T', t => t.T, /use transpose\(\)/],
    ['[0]', t => t[0], /^Tensor: there is no \[0\]\. Hint: use slice\(0\) for the first row/],
    ['requires_grad', t => Reflect.set(t, 'requires_grad', true), /use requiresGrad_?, or requiresGrad_\(\)/],
    ['lt', t => t.lt(), /^Tensor: there is no lt\(\)\. Hint: use less\(\)/],
    ['add_', t => t.add_(), /noGrad\(\(\) => t\.assign_/],
  ]
  test('words that tensors answer with a method: there is one', () => {
    for (const [word, use] of Object.entries(methods)) {
      const ours = /^([a-zA-Z_]+)\(/.exec(use)?.[1]
      if (ours && ours !== 'noGrad' && ours !== 'where')
        expect([word, typeof Object.getOwnPropertyDescriptor(Tensor.prototype, ours)?.value]).toEqual([
          word,
          'function',
        ])
      expect(Object.hasOwn(ops, word), word).toBe(false)
    }
  })

  test.each(words)("another framework's %s", (_, use, message) => {
    expect(() => use(make([1]) as never)).toThrow(message)
  })

  test('requiresGrad can be set', () => {
    const w = make([1])
    w.requiresGrad = true
    w.mul(2).sum().backward()
    expect(w.grad!.itemSync()).toBe(2)
    w.requiresGrad = false
    expect(w.requiresGrad).toBe(false)
  })
})
