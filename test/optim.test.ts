// Optimizers against trajectories recorded from PyTorch (scripts/fixtures/torch_optim.py).
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { FormatError, noGrad, OptionError, ones, optim, type Tensor, tensor, zeros } from '../lib/index.js'
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
    const bad = { ...state, state: { 0: { m: zeros([2], { device }) } } }
    expect(() => new optim.Adam([p]).loadStateDict(bad)).toThrow(/'m' has shape \[2\]/)
  })
})
