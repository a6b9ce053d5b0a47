// Optimizers against trajectories recorded from PyTorch (scripts/fixtures/torch_optim.py).
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import {
  FormatError,
  memory,
  noGrad,
  OptionError,
  ones,
  optim,
  setMemoryLimit,
  type Tensor,
  tensor,
  zeros,
} from '../lib/index.js'
import { devices } from './harness/devices.js'

interface Values {
  w: number[][]
  b: number[]
}
interface Case {
  name: string
  optimizer: 'SGD' | 'Adam' | 'AdamW'
  resolved: Record<string, number | boolean | number[]>
  float64: Values[]
  float32: Values[]
}
const fixture = JSON.parse(readFileSync(new URL('./fixtures/torch_optim.json', import.meta.url), 'utf8')) as {
  initial: Values
  gradients: Values[]
  cases: Case[]
}

function make({ optimizer, resolved: r }: Case, parameters: Tensor[]) {
  if (optimizer === 'SGD')
    return new optim.SGD(parameters, {
      learningRate: r['lr'] as number,
      momentum: r['momentum'] as number,
      dampening: r['dampening'] as number,
      nesterov: r['nesterov'] as boolean,
      weightDecay: r['weightDecay'] as number,
    })
  const Class = optimizer === 'Adam' ? optim.Adam : optim.AdamW
  return new Class(parameters, {
    learningRate: r['lr'] as number,
    betas: r['betas'] as [number, number],
    epsilon: r['eps'] as number,
    weightDecay: r['weightDecay'] as number,
    amsgrad: r['amsgrad'] as boolean,
  })
}

async function expectClose(t: Tensor, wanted: number[] | number[][], tolerance: number) {
  const data = await t.data()
  wanted
    .flat()
    .forEach((v, i) =>
      expect(Math.abs(data[i] - v), `element ${i}: ${data[i]} ≠ ${v}`).toBeLessThanOrEqual(
        tolerance * Math.max(1, Math.abs(v)),
      ),
    )
}

describe.each(
  devices.flatMap(device =>
    (device === 'js' ? (['float64', 'float32'] as const) : (['float32'] as const)).map(dtype => ({ device, dtype })),
  ),
)('$device $dtype', ({ device, dtype }) => {
  // float64 must agree to rounding; float32 accumulates over ten steps.
  const tolerance = dtype === 'float64' ? 1e-12 : 2e-6
  test.each(fixture.cases)('$name follows PyTorch', async c => {
    const options = { device, dtype }
    const w = tensor(fixture.initial.w, options).requiresGrad_()
    const b = tensor(fixture.initial.b, options).requiresGrad_()
    const optimizer = make(c, [w, b])
    for (const [t, g] of fixture.gradients.entries()) {
      w.grad = tensor(g.w, options)
      b.grad = tensor(g.b, options)
      optimizer.step()
      await expectClose(w, c[dtype][t].w, tolerance)
      await expectClose(b, c[dtype][t].b, tolerance)
    }
  })
})

describe.each(devices)('%s', device => {
  const parameter = () => ones([3], { device }).requiresGrad_()

  test('a saved optimizer goes on with equal bits', async () => {
    const [a, b] = [parameter(), parameter()]
    const first = new optim.Adam([a])
    const step = (o: optim.Adam, p: Tensor, g: number) => {
      p.grad = noGrad(() => ones([3], { device }).mul(g))
      o.step()
    }
    step(first, a, 1)
    step(first, a, -2)
    noGrad(() => b.assign_(a))
    const second = new optim.Adam([b], { learningRate: 0.5 })
    second.loadStateDict(first.stateDict())
    expect(second.learningRate).toBe(0.001)
    step(first, a, 3)
    step(second, b, 3)
    expect(await b.data()).toEqual(await a.data())
  })

  test('groups have options of their own', async () => {
    const [a, b] = [parameter(), parameter()]
    const optimizer = new optim.SGD([{ parameters: [a] }, { parameters: [b], learningRate: 1 }], { learningRate: 0.5 })
    a.sum().add(b.sum()).backward()
    optimizer.step()
    expect([await a.toArray(), await b.toArray()]).toEqual([
      [0.5, 0.5, 0.5],
      [0, 0, 0],
    ])
    optimizer.zeroGrad()
    expect(a.grad).toBeNull()
  })

  test('wrong options and states are refused', () => {
    const p = parameter()
    expect(() => new optim.SGD([p], { learningRate: -1 })).toThrow(/SGD: learningRate must be at least 0, got -1/)
    expect(() => new optim.SGD([p], {} as never)).toThrow(/learningRate/)
    expect(() => new optim.Adam([p], { lr: 1 } as never)).toThrow(/unknown option 'lr'/)
    expect(() => new optim.Adam([])).toThrow(OptionError)
    expect(() => new optim.Adam([p, p])).toThrow(/twice/)
    expect(() => new optim.SGD([p], { learningRate: 1, nesterov: true })).toThrow(/nesterov/)
    expect(() => new optim.Adam([p], { betas: [1, 0.9] })).toThrow(/betas\[0\]/)
    const state = new optim.Adam([p]).stateDict()
    expect(() => new optim.Adam([p]).loadStateDict({ ...state, groups: [] })).toThrow(FormatError)
    const z = (...shape: number[]) => zeros(shape, { device })
    const time = zeros([1], { device, dtype: 'int32' })
    const load = (entries: Record<string, Tensor>) => () =>
      new optim.Adam([p]).loadStateDict({ ...state, state: { 0: entries } })
    expect(load({ m: z(2), v: z(3), peak: z(0), time })).toThrow(/'m' of parameter 0 has shape \[2\], expected \[3\]/)
    expect(load({ m: z(3), v: z(3), peak: z(0) })).toThrow(/the state of parameter 0 lacks 'time'/)
    expect(load({ m: z(3), v: z(3), peak: z(0), time, extra: z(1) })).toThrow(/unknown 'extra'/)
  })
})

describe.each(devices)('state, %s', device => {
  const leaf = (values: number[] | number[][]) => tensor(values, { device }).requiresGrad_()

  test('parameters may be views: each element goes its own way, and the rest of the storage stays', async () => {
    const w = tensor(
      [
        [1, 2, 3],
        [4, 5, 6],
      ],
      { device },
    )
      .transpose()
      .requiresGrad_()
    const factors = [
      [1, 2],
      [3, 4],
      [5, 6],
    ]
    const optimizer = new optim.SGD([w], { learningRate: 1, momentum: 0.5 })
    w.mul(tensor(factors, { device })).sum().backward()
    optimizer.step()
    expect(await w.toArray()).toEqual([
      [0, 2],
      [-1, 1],
      [-2, 0],
    ])
    const base = ones([4], { device })
    const every = base.slice([null, null, 2]).requiresGrad_()
    every.sum().backward()
    new optim.Adam([every], { learningRate: 1 }).step()
    const after = await base.data()
    expect([after[1], after[3]]).toEqual([1, 1])
    expect(after[0]).toBeCloseTo(0, 5)
  })

  test('options of a group may change later: momentum, amsgrad', async () => {
    const w = leaf([1, 2])
    const optimizer = new optim.SGD([w], { learningRate: 0.1 })
    w.grad = ones([2], { device })
    optimizer.step()
    optimizer.groups[0].options.momentum = 0.9
    optimizer.step()
    optimizer.step()
    expect((await w.data())[0]).toBeCloseTo(1 - 0.1 - 0.1 - 0.19, 5)
  })

  test('state dicts of several groups come back as they went, also with other options', async () => {
    const groups = () => [{ parameters: [leaf([1])] }, { parameters: [leaf([2, 3])], momentum: 0.9 }]
    const [from, to] = [groups(), groups()]
    const first = new optim.SGD(from, { learningRate: 0.1 })
    for (const group of from) for (const p of group.parameters) p.grad = ones(p.shape, { device })
    first.step()
    const second = new optim.SGD(to, { learningRate: 1 })
    second.loadStateDict(first.stateDict())
    expect(second.learningRate).toBe(0.1)
    for (const group of [...from, ...to]) for (const p of group.parameters) p.grad = ones(p.shape, { device })
    first.step()
    second.step()
    const moved = async (list: typeof from) => (await list[1].parameters[0].data())[0]
    expect((await moved(to)) - 2).toBeCloseTo((await moved(from)) - 2 + 0.1, 5)
    const adam = new optim.Adam([leaf([1])], { amsgrad: true })
    adam.groups[0].parameters[0].grad = ones([1], { device })
    adam.step()
    const plain = new optim.Adam([leaf([1])])
    plain.loadStateDict(adam.stateDict())
    expect(plain.groups[0].options.amsgrad).toBe(true)
    expect(plain.stateDict().state[0]['peak'].size).toBe(1)
  })

  test('loading is all or nothing, and what the dict lacks starts anew', () => {
    const w = [leaf([1]), leaf([2])]
    const optimizer = new optim.SGD(
      w.map(p => ({ parameters: [p] })),
      { learningRate: 0.5, momentum: 0.9 },
    )
    const fresh = optimizer.stateDict()
    for (const p of w) p.grad = ones([1], { device })
    optimizer.step()
    expect(Object.keys(optimizer.stateDict().state)).toHaveLength(2)
    const rates = (...list: number[]) => ({
      ...fresh,
      groups: fresh.groups.map((g, i) => ({ ...g, options: { learningRate: list[i] } })),
    })
    expect(() => optimizer.loadStateDict(rates(5, -1))).toThrow(/learningRate must be at least 0/)
    expect(optimizer.groups.map(g => g.options.learningRate)).toEqual([0.5, 0.5])
    const other = {
      ...fresh,
      groups: [
        { ...fresh.groups[0], parameters: [0, 1] },
        { ...fresh.groups[1], parameters: [] },
      ],
    }
    expect(() => optimizer.loadStateDict(other)).toThrow(/expected the state of groups with 1, 1 parameters, got 2, 0/)
    optimizer.loadStateDict(fresh)
    expect(optimizer.stateDict().state).toEqual({})
  })

  test('a step without memory for a copy changes nothing', async () => {
    const [a, b] = [ones([2], { device }).requiresGrad_(), ones([300, 300], { device }).requiresGrad_()]
    const optimizer = new optim.SGD([a, b], { learningRate: 1 })
    a.grad = ones([2], { device })
    b.grad = ones([300, 300], { device })
    optimizer.step()
    b.grad = ones([300, 300], { device }).transpose()
    const limit = memory()[device]!.limit
    setMemoryLimit(device, 1)
    expect(() => optimizer.step()).toThrow(/memory|limit/)
    setMemoryLimit(device, limit)
    expect(await a.toArray()).toEqual([0, 0])
  })

  test('dispose gives the state back', () => {
    const w = leaf([1, 2, 3])
    w.grad = ones([3], { device })
    const before = memory()[device]!.tensors
    const optimizer = new optim.Adam([w])
    optimizer.step()
    optimizer.dispose()
    expect(memory()[device]!.tensors).toBeLessThanOrEqual(before)
  })

  test('options that change what is kept: switched on, saved before, switched off', async () => {
    const w = leaf([1])
    const sgd = new optim.SGD([w], { learningRate: 0.1 })
    w.grad = ones([1], { device })
    sgd.step()
    sgd.groups[0].options.momentum = 0.9
    sgd.loadStateDict(sgd.stateDict())
    sgd.step()
    expect((await w.data())[0]).toBeCloseTo(0.8, 5)
    const run = async (reload: boolean) => {
      const p = leaf([1])
      const adam = new optim.Adam([p], { learningRate: 0.1, amsgrad: true })
      for (let i = 0; i < 6; i++) {
        p.grad = tensor([i < 2 ? 10 : 0.1], { device })
        if (i === 2) {
          adam.groups[0].options.amsgrad = false
          if (reload) adam.loadStateDict(adam.stateDict())
        }
        adam.step()
      }
      return p.item()
    }
    expect(await run(true)).toBe(await run(false))
  })

  test('momentum that is switched on later starts from the gradient, also with dampening', async () => {
    const w = leaf([0])
    const sgd = new optim.SGD([w], { learningRate: 1, dampening: 0.5 })
    for (const momentum of [0, 0.9]) {
      sgd.groups[0].options.momentum = momentum
      w.grad = ones([1], { device })
      sgd.step()
    }
    expect(await w.toArray()).toEqual([-2])
  })
})
