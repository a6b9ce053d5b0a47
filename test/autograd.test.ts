/** The graph: walks, what they keep, and what they refuse. Gradient rules are tested with the ops. */
import { describe, expect, it } from 'vitest'
import * as gradus from '../lib/index.js'
import {
  backward,
  customGrad,
  type Device,
  GradientError,
  grad,
  gradcheck,
  gradients,
  memory,
  noGrad,
  StateError,
  type Tensor,
  tensor,
  tidy,
  valueAndGrad,
} from '../lib/index.js'
import { has, on } from './harness/cases.js'
import { devices } from './harness/devices.js'

const list = (t: Tensor | null) => Array.from(t!.dataSync())
const leaf = (values: number[]) => tensor(values, { requiresGrad: true })

for (const device of ['native', 'js'] as Device[])
  describe.skipIf(!has(device))(device, () => {
    const test = (name: string, body: () => void) => it(name, () => on(device, body))

    describe('backward', () => {
      test('adds to .grad', () => {
        const x = leaf([1, 2, 3])
        x.square().sum().backward()
        expect(list(x.grad)).toEqual([2, 4, 6])
        x.sum().backward()
        expect(list(x.grad)).toEqual([3, 5, 7])
      })
      test('sums the paths that meet', () => {
        const x = leaf([3])
        const y = x.mul(2)
        y.mul(y).add(y).mul(x).sum().backward() // 4x³ + 2x²
        expect(list(x.grad)).toEqual([12 * 9 + 4 * 3])
      })
      test('of several elements takes a gradient', () => {
        const x = leaf([1, 2])
        expect(() => x.square().backward()).toThrow(
          /^backward: expected a tensor with one element, got shape \[2\].*Hint: reduce it/,
        )
        expect(() => x.square().backward({ gradient: tensor([1]) })).toThrow(
          /^backward: the gradient must have the shape \[2\], got \[1\]/,
        )
        x.square().backward({ gradient: tensor([1, 10]) })
        expect(list(x.grad)).toEqual([2, 40])
      })
      test('of one element in any shape', () => {
        const x = tensor([[2]], { requiresGrad: true })
        x.square().backward()
        expect(x.grad!.shape).toEqual([1, 1])
      })
      test('needs something that requires a gradient', () => {
        expect(() => backward(tensor([1]))).toThrow(
          /^backward: the tensor does not depend on anything that requires a gradient.*Hint: call requiresGrad_/,
        )
      })
      test('a second walk throws', () => {
        const x = leaf([1, 2])
        const y = x.square().sum()
        y.backward()
        expect(() => y.backward()).toThrow(StateError)
        expect(() => y.backward()).toThrow(
          /graph of sum was walked before.*Hint: use backward\(\{ retainGraph: true \}\)/,
        )
      })
      test('a second walk with retainGraph', () => {
        const x = leaf([1, 2])
        const y = x.square().sum()
        y.backward({ retainGraph: true })
        y.backward()
        expect(list(x.grad)).toEqual([4, 8])
      })
      test('leaves results readable', () => {
        const x = leaf([0, 1])
        const logits = x.mul(2)
        const probabilities = logits.softmax()
        probabilities.square().sum().backward()
        expect(list(logits)).toEqual([0, 2])
        expect(list(probabilities).reduce((a, b) => a + b)).toBeCloseTo(1)
      })
      test('fits shape and dtype of each input', () => {
        const a = tensor([[1], [2]], { requiresGrad: true })
        const b = tensor([1, 2, 3], { requiresGrad: true, dtype: device === 'js' ? 'float64' : 'float32' })
        a.mul(b).sum().backward()
        expect([a.grad!.shape, list(a.grad), b.grad!.dtype, list(b.grad)]).toEqual([[2, 1], [6, 6], b.dtype, [3, 3, 3]])
      })
      test('empty inputs get empty gradients', () => {
        for (const axis of [0, 1]) {
          const x = gradus.zeros([0, 3], { requiresGrad: true })
          x.sum(axis).sum().backward()
          expect(x.grad!.shape).toEqual([0, 3])
        }
      })
      test('unknown options are refused', () => {
        expect(() =>
          leaf([1])
            .sum()
            .backward({ retaingraph: true } as never),
        ).toThrow(/unknown option 'retaingraph'.*did you mean 'retainGraph'/)
      })
      test('a chain of 20,000 operations', () => {
        const x = leaf([1])
        let y: Tensor = x
        for (let i = 0; i < 20_000; i++) y = y.add(1)
        y.sum().backward()
        expect(list(x.grad)).toEqual([1])
      })
    })

    describe('in-place changes', () => {
      test('of a saved value are found, and the writer is named', () => {
        const x = leaf([1, 2])
        const factor = tensor([3, 4])
        const y = x.mul(factor).sum()
        factor.assign_(0)
        expect(() => y.backward()).toThrow(
          /^backward: a value that mul saved was changed in place by assign_.*Hint: make the change after backward/,
        )
      })
      test('through a view as well', () => {
        const x = leaf([1, 2])
        const factor = tensor([3, 4])
        const y = x.mul(factor).sum()
        factor.slice([0, 1]).assign_(0)
        expect(() => y.backward()).toThrow(/changed in place by assign_/)
      })
      test('of a value that is not saved do no harm', () => {
        const x = leaf([1, 2])
        const other = tensor([3, 4])
        const y = x.add(other).sum()
        other.assign_(0)
        y.backward()
        expect(list(x.grad)).toEqual([1, 1])
      })
      test('of a leaf are for noGrad', () => {
        const x = leaf([1, 2])
        expect(() => x.assign_(0)).toThrow(GradientError)
        noGrad(() => x.assign_(5))
        expect(list(x)).toEqual([5, 5])
      })
    })

    describe('noGrad', () => {
      test('records nothing, and ends with an error as well', () => {
        const x = leaf([1])
        expect(noGrad(() => x.mul(2)).requiresGrad).toBe(false)
        expect(() =>
          noGrad(() => {
            throw new Error('mine')
          }),
        ).toThrow('mine')
        expect(x.mul(2).requiresGrad).toBe(true)
      })
      test('refuses async functions, as do tidy, grad and valueAndGrad', () => {
        const text = /expected a synchronous function, got one that returns a promise/
        const later = async () => tensor([1])
        expect(() => noGrad(later)).toThrow(text)
        expect(() => tidy(later)).toThrow(text)
        expect(() => grad(later as never)(tensor([1]))).toThrow(text)
        expect(() => valueAndGrad(later as never)(tensor([1]))).toThrow(text)
        expect(leaf([1]).mul(2).requiresGrad).toBe(true)
      })
    })

    describe('gradients', () => {
      test('do not touch .grad', () => {
        const x = leaf([1, 2])
        expect(list(gradients(x.square().sum(), [x])[0])).toEqual([2, 4])
        expect(x.grad).toBeNull()
      })
      test('of results in the middle, and of what they depend on', () => {
        const x = leaf([2])
        const y = x.square()
        const [ofY, ofX] = gradients(y.square().sum(), [y, x])
        expect([list(ofY), list(ofX)]).toEqual([[8], [32]])
      })
      test('of unused inputs', () => {
        const [x, z] = [leaf([1]), leaf([1])]
        const y = x.sum()
        expect(() => gradients(y, [z], { retainGraph: true })).toThrow(
          /^gradients: the result does not depend on input 0.*Hint: pass \{ allowUnused: true \}/,
        )
        expect(gradients(y, [z], { allowUnused: true })).toEqual([null])
        expect(() => gradients(x.sum(), [tensor([1])])).toThrow(/^gradients: input 0 does not require a gradient/)
      })
      test('valueAndGrad', () => {
        const { value, grads } = valueAndGrad((x: Tensor, y: Tensor) => x.mul(y).sum())(tensor([1, 2]), tensor([3, 4]))
        expect([value.itemSync(), grads.map(list), value.requiresGrad]).toEqual([
          11,
          [
            [3, 4],
            [1, 2],
          ],
          false,
        ])
      })
    })

    describe('gradients of gradients', () => {
      test('grad nests', () => {
        const cube = (x: Tensor) => x.mul(x).mul(x).sum()
        const second = grad((x: Tensor) => grad(cube)(x).sum())
        const third = grad((x: Tensor) => second(x).sum())
        expect([list(second(tensor([2]))), list(third(tensor([2])))]).toEqual([[12], [6]])
      })
      test('where the gradient depends on the saved value: (exp x)²', () => {
        const x = leaf([0.5])
        const y = x.exp()
        const [first] = gradients(y.mul(y).sum(), [x], { createGraph: true })
        const [second] = gradients(first!.sum(), [x], { createGraph: true })
        const [third] = gradients(second!.sum(), [x])
        for (const [t, factor] of [
          [first, 2],
          [second, 4],
          [third, 8],
        ] as const)
          expect(t!.itemSync()).toBeCloseTo(factor * Math.E, 4)
      })
      test('backward with createGraph', () => {
        const x = leaf([3])
        x.square().mul(x).sum().backward({ createGraph: true })
        x.grad!.sum().backward()
        expect(list(x.grad)).toEqual([27 + 18])
      })
    })

    describe('customGrad', () => {
      test('uses its backward', () => {
        const clipped = customGrad({ forward: x => x.clamp(0, 1), backward: g => [g.mul(10)] })
        const x = leaf([-1, 0.5, 2])
        const y = clipped(x)
        y.sum().backward()
        expect([list(y), list(x.grad)]).toEqual([
          [0, 0.5, 1],
          [10, 10, 10],
        ])
      })
      test('gets inputs and output', () => {
        const exponential = customGrad({ forward: x => x.exp(), backward: (g, { y }) => [g.mul(y)] })
        const x = leaf([0])
        exponential(x).sum().backward()
        expect(list(x.grad)).toEqual([1])
      })
      test('says what its backward got wrong', () => {
        const x = leaf([1, 2])
        const few = customGrad({ name: 'few', forward: x => x.mul(2), backward: () => [] })
        const shape = customGrad({ name: 'shape', forward: x => x.mul(2), backward: g => [g.sum()] })
        expect(() => few(x).sum().backward()).toThrow(/^few: backward must return 1 gradients/)
        expect(() => shape(x).sum().backward()).toThrow(/^shape: gradient 0 must have the shape \[2\], got \[\]/)
      })
    })

    describe('memory', () => {
      const live = () => memory()[device]!.tensors
      /** How many storages a function leaves behind. */
      const left = (body: () => void): number => {
        tensor([0]).dispose()
        const before = live()
        body()
        return live() - before
      }
      const used = () => [
        tensor([
          [1, 2],
          [3, 4],
        ]),
        tensor(
          [
            [1, 0],
            [0, 1],
          ],
          { requiresGrad: true },
        ),
      ]

      test('after backward and dispose of what was handed out, nothing is left', () => {
        expect(
          left(() => {
            const [x, w] = used()
            const steps = [x.matmul(w)]
            steps.push(steps[0].relu(), steps[0].softmax())
            steps.push(steps[1].mul(steps[2]))
            steps.push(steps[3].sum())
            steps[4].backward()
            for (const t of [...steps, w.grad!, x, w]) t.dispose()
          }),
        ).toBe(0)
      })
      test('backward frees what it made and saved, not what was handed out', () => {
        const [x, w] = used()
        const y = tidy(() => x.matmul(w).gelu().square().sum())
        const before = live()
        y.backward()
        expect(live()).toBeLessThan(before)
        expect([y.isDisposed, x.isDisposed]).toEqual([false, false])
      })
      test('a dispose before backward does no harm', () => {
        const x = leaf([1, 2])
        const factor = tensor([3, 4])
        const y = x.mul(factor)
        const z = y.exp().sum()
        factor.dispose()
        y.dispose()
        z.backward()
        expect(list(x.grad)).toEqual([3 * Math.exp(3), 4 * Math.exp(8)].map(v => expect.closeTo(v, -1)))
      })
      test('a disposed tensor says so', () => {
        const x = tensor([1])
        x.dispose()
        expect(() => x.mul(2)).toThrow(/was disposed by dispose\(\)/)
      })
    })
  })

describe('gradcheck', () => {
  it('reports how much it checked', async () => {
    const report = await gradcheck((x, y) => x.mul(y).tanh(), [tensor([0.1, 0.2]), tensor([3, 4])])
    expect(report.checked).toBe(4)
  })
  it('names input, element and both numbers', async () => {
    const wrong = customGrad({
      forward: (a, b) => a.mul(b),
      backward: (g, { inputs: [a, b] }) => [g.mul(b), g.mul(a).mul(tensor([1, 2], { device: 'js', dtype: 'float64' }))],
    })
    const checked = gradcheck(wrong, [tensor([1, 2]), tensor([3, 4])])
    await expect(checked).rejects.toThrow(
      /^gradcheck: the gradient of input 1 \[2\] at element 1: backward gives [\d.]+, differences give [\d.]+/,
    )
  })
  it('finds a wrong second derivative', async () => {
    const wrong = customGrad({ forward: x => x.exp(), backward: (g, { y }) => [g.mul(y.detach())] })
    await gradcheck(wrong, [tensor([0.3])])
    await expect(gradcheck(wrong, [tensor([0.3])], { secondOrder: true })).rejects.toThrow(
      /the second derivative of input 0/,
    )
  })
  it('refuses results that are not floating', async () => {
    await expect(gradcheck(x => x.greater(0), [tensor([1])])).rejects.toThrow(
      /must return a float64 tensor for float64 inputs, got bool/,
    )
  })
})

describe.skipIf(!has('native'))('lockstep', () => {
  it('counts commands and kernels, and finds no difference', async () => {
    const report = await gradus.lockstep(() => {
      const x = tensor([0, 1, 2]).requiresGrad_()
      x.softmax().square().sum().backward()
    })
    expect(report.commands).toBeGreaterThan(5)
    expect(report.kernels).toMatchObject({ softmax: 1, softmaxGrad: 1, square: 1 })
    expect(report.differences).toEqual([])
  })
  it('names the first kernel that differs', async () => {
    const { jsKernels } = await import('../lib/ops/define.js')
    const right = jsKernels.tanh
    jsKernels.tanh = function* (x, y, a, b) {
      yield* right(x, y, a, b)
      y[1] += 0.25
    }
    try {
      const { differences } = await gradus.lockstep(() => tensor([1, 2, 3]).exp().tanh().neg())
      expect(differences).toHaveLength(1)
      expect(differences[0]).toMatchObject({ op: 'tanh', kernel: 'tanh', output: 'y', index: 1, count: 1 })
      expect(differences[0].error).toBeCloseTo(0.25, 5)
    } finally {
      jsKernels.tanh = right
    }
  })
  it('refuses async functions and tensors from outside', async () => {
    await expect(gradus.lockstep(async () => {})).rejects.toThrow(/expected a synchronous function/)
    const outside = on('native', () => tensor([1]))
    await expect(gradus.lockstep(() => tensor([1]).add(outside))).rejects.toThrow(/^add: /)
  })
  it('passes failures on', async () => {
    await expect(gradus.lockstep(() => tensor([1, 2]).indexSelect(tensor([5], { dtype: 'int32' })))).rejects.toThrow(
      /index 5 at position 0/,
    )
  })
})

describe.each(devices)('what belongs to whom, %s', device => {
  const leaf = (...values: number[]) => tensor(values, { device }).requiresGrad_()

  it('a gradient that a user holds is not taken away', async () => {
    const w = leaf(1, 2)
    w.square().sum().backward()
    const first = w.grad!
    w.square().sum().backward()
    expect([await first.toArray(), await w.grad!.toArray()]).toEqual([
      [2, 4],
      [4, 8],
    ])
    const own = tensor([7, 7], { device })
    w.grad = own
    new gradus.optim.SGD([w], { learningRate: 1 }).zeroGrad()
    expect(w.grad).toBeNull()
    expect(await own.toArray()).toEqual([7, 7])
  })
  it('a gradient must be like its tensor', () => {
    const w = leaf(1, 2)
    const put = (g: unknown) => () => {
      w.grad = g as Tensor
    }
    expect(put(tensor([1], { device }))).toThrow(/grad: expected \[2\] float32 on \w+, got Tensor\(\[1\]/)
    expect(put(tensor([1, 2], { device, dtype: 'int32' }))).toThrow(/got Tensor\(\[2\] int32/)
    expect(put(5)).toThrow(/got 5/)
  })
  it('a captured tensor that comes back from customGrad or checkpoint stays what it was', async () => {
    const [c, w, x] = [tensor([5], { device }), leaf(2), leaf(3)]
    const y = gradus.customGrad({ forward: () => c, backward: g => [g] })(x)
    expect([c.requiresGrad, y.requiresGrad]).toEqual([false, true])
    const z = gradus.checkpoint(() => w, x)
    expect(w.isLeaf).toBe(true)
    z.sum().backward()
    expect(await w.grad!.toArray()).toEqual([1])
  })
  it('checkpoint refuses second derivatives instead of losing them', () => {
    const x = leaf(2)
    const y = gradus.checkpoint(x => x.mul(x).mul(x), x).add(x.square())
    expect(() => y.sum().backward({ createGraph: true })).toThrow(/checkpoint: gradients of its gradients are not kept/)
  })
  it('assign_ does not lose the graph of its value silently', () => {
    const w = leaf(2)
    const b = tensor([0], { device })
    expect(() => b.assign_(w.mul(3))).toThrow(/assign_: a value that requires a gradient would lose it/)
  })
  it('one tensor given for two arguments is two variables', async () => {
    for (const w of [leaf(3), tensor([3], { device })]) {
      const mul = (a: Tensor, b: Tensor) => a.mul(b).sum()
      expect(await gradus.grad(mul)(w, w).toArray()).toEqual([3])
      const { grads } = gradus.valueAndGrad(mul)(w, w)
      expect(await Promise.all(grads.map(g => g.toArray()))).toEqual([[3], [3]])
    }
  })
  it('shapes and ranges are copied: changing the array later changes nothing', async () => {
    const shape = [1, 2]
    const made = [1, 2, 3].map(n => {
      shape[0] = n
      return gradus.ones(shape, { device })
    })
    expect(made.map(t => t.shape)).toEqual([
      [1, 2],
      [2, 2],
      [3, 2],
    ])
    const x = leaf(1, 2, 3)
    const pads: [number, number][] = [[1, 0]]
    const range: [number, number] = [1, 3]
    const y = x.pad(pads).slice(range)
    pads[0][0] = 0
    range[0] = 0
    y.mul(tensor([5, 7], { device }))
      .sum()
      .backward()
    expect(await x.grad!.toArray()).toEqual([5, 7, 0])
  })
  it('gradients() belong to the scope they were made in', () => {
    const w = leaf(1, 2)
    const before = gradus.memory()[device]!.tensors
    gradus.tidy(() => {
      gradus.gradients(w.square().sum(), [w])
      gradus.grad((x: Tensor) => x.square().sum())(tensor([1, 2], { device }))
    })
    expect(gradus.memory()[device]!.tensors).toBeLessThanOrEqual(before)
  })
  it('grad nests through what its function closes over', async () => {
    const inner = (x: Tensor) => gradus.grad((y: Tensor) => y.mul(x).sum())(tensor([5], { device }))
    expect(
      await gradus
        .grad((x: Tensor) => x.mul(inner(x)).sum())(tensor([3], { device }))
        .toArray(),
    ).toEqual([6])
    const w = leaf(2)
    const slope = gradus.grad((d: Tensor) => d.mul(w.square()).sum())(tensor([1], { device }))
    slope.mul(w).sum().backward()
    expect(await w.grad!.toArray()).toEqual([12])
  })
  it('two gradients never share their memory', async () => {
    const [a, b] = [leaf(1), leaf(2)]
    const [ga, gb] = gradus.gradients(a.add(b).mul(3).sum(), [a, b])
    ga!.assign_(0)
    expect(await gb!.toArray()).toEqual([3])
  })
  it('a gradient that was set outlives the scope', async () => {
    const w = leaf(1, 2)
    gradus.tidy(() => {
      w.square().sum().backward()
      w.grad = w.grad!.mul(0.5)
    })
    expect(await w.grad!.toArray()).toEqual([1, 2])
  })
  it('copies that repeat are copies; expanded views cannot be written to', async () => {
    const x = tensor([1, 2], { device })
    const [t, r] = [x.tile([2, 1]), tensor([[3]], { device }).repeat(2, 0)]
    x.assign_(9)
    t.slice(0).assign_(7)
    expect([await t.toArray(), await r.toArray(), await x.toArray()]).toEqual([
      [
        [7, 7],
        [1, 2],
      ],
      [[3], [3]],
      [9, 9],
    ])
    expect(() => x.expand([2, 2]).assign_(0)).toThrow(/assign_: elements of an expanded view share memory/)
    const wide = x.expand([2, 2]).requiresGrad_()
    expect(() => new gradus.optim.SGD([wide], { learningRate: 1 })).toThrow(/expanded view/)
  })
})
