/** What users hand to optimizers, change on them and load into them. */
import { describe, expect, test } from 'vitest'
import {
  DeviceError,
  FormatError,
  type GradusError,
  IndexError,
  MemoryError,
  nn,
  OptionError,
  ones,
  optim,
  synchronize,
  type Tensor,
  tensor,
  zeros,
} from '../lib/index.js'
import { devices } from './harness/devices.js'
import { withoutMemoryFrom } from './harness/failing.js'

describe.each(devices)('%s', device => {
  const leaf = (...values: number[]) => tensor(values, { device }).requiresGrad_()
  const withGradient = (...values: number[]) => {
    const w = leaf(...values)
    w.grad = ones([values.length], { device })
    return w
  }

  test('parameters are given as a list, a module, a Map of names, or groups of these', () => {
    const model = new nn.Linear(2, 3, { device })
    const own = model.parameters()
    for (const given of [
      model,
      own,
      new Set(own),
      own.values(),
      model.namedParameters(),
      [model, new nn.ReLU()],
      { parameters: model },
      [{ parameters: own }],
      [{ parameters: model }],
      [{ parameters: [own[0]] }, { parameters: new Set([own[1]]), learningRate: 3 }],
    ])
      expect(new optim.Adam(given as nn.Module).parameters().map(p => own.indexOf(p as nn.Parameter))).toEqual([0, 1])
  })

  test('PyTorch names say what they are called here', () => {
    const optimizer = new optim.Adam([leaf(1)]) as unknown as Record<string, () => void>
    expect(() => optimizer['zero_grad']()).toThrow(/^Adam: there is no zero_grad\(\)\. Hint: use zeroGrad\(\)/)
    const rates = [
      () => Object.assign(optimizer, { lr: 1 }),
      () => optimizer['param_groups'],
      () => Object.assign((optimizer as unknown as optim.Adam).groups[0], { learningRate: 1 }),
      () => Object.assign((optimizer as unknown as optim.Adam).groups[0], { lr: 1 }),
    ]
    for (const set of rates)
      expect(set).toThrow(/there is no (lr|param_groups|learningRate)\. Hint: use .*learningRate/)
  })

  const disposed = () => {
    const t = leaf(1)
    t.dispose()
    return t
  }
  test.each<[string, () => unknown, RegExp]>([
    ['nothing', () => undefined, /expected a list of parameters, got undefined.*Hint: pass model\.parameters\(\)/],
    ['a number', () => 0.1, /expected a list of parameters, got 0.1/],
    ['a method', () => new nn.ReLU().parameters, /expected a list of parameters, got a function.*parameters\(\)/],
    ['an object', () => ({ lr: 1 }), /expected a list of parameters, got an Object/],
    ['one tensor', () => leaf(1), /expected a list of parameters, got a tensor.*Hint: pass \[w\]/],
    ['an empty list', () => [], /expected at least one parameter/],
    ['a module without parameters', () => new nn.ReLU(), /expected at least one parameter/],
    ['a list of numbers', () => [1], /parameters must be tensors, got 1/],
    ['a list with a hole', () => [leaf(1), undefined], /parameters must be tensors, got undefined/],
    ['groups among parameters', () => [leaf(1), { parameters: [leaf(1)] }], /must be leaf tensors, got an Object/],
    ['a list of lists', () => [[leaf(1)]], /expected a group \{ parameters, … \}, got an array of 1/],
    ['a result', () => [leaf(1).mul(2)], /parameters must be leaf tensors, got Tensor\(/],
    ['one twice', () => new Array(2).fill(leaf(1)), /a parameter appears twice/],
    ['none that trains', () => [ones([1], { device })], /none of the parameters requires a gradient/],
    ['one that is gone', () => [leaf(1), disposed()], /parameter 1 was disposed/],
    ['a group of a tensor', () => [{ parameters: leaf(1) }], /expected a list of parameters, got a tensor/],
    ['what lists nothing', () => ({ parameters: () => undefined }), /expected a list of parameters, got undefined/],
    ['what lists later', () => ({ parameters: async () => [] }), /expected a synchronous function/],
    ['a group of nothing', () => [{ learningRate: 1 }], /expected a group \{ parameters, … \}, got an Object/],
  ])('%s is refused', (_, given, text) => {
    for (const Class of [optim.Adam, optim.AdamW, optim.SGD])
      expect(() => new Class(given() as never, { learningRate: 1 })).toThrow(OptionError)
    expect(() => new optim.Adam(given() as never)).toThrow(text)
  })

  test.each<[string, unknown, RegExp]>([
    [
      'nothing',
      undefined,
      /SGD: learningRate must be at least 0, got undefined.*Hint: give one: \{ learningRate: … \}/,
    ],
    ['no rate', {}, /learningRate must be at least 0, got undefined/],
    ['a number', 0.01, /options must be an object, got 0\.01.*Hint: write \{ learningRate: 0\.01 \}/],
    ['null', null, /options must be an object, got null/],
    ['a string', { learningRate: '0.1' }, /learningRate must be at least 0, got '0\.1'/],
    ['NaN', { learningRate: Number.NaN }, /learningRate must be at least 0, got NaN/],
    ['infinity', { learningRate: Number.POSITIVE_INFINITY }, /got Infinity/],
    ["PyTorch's name", { lr: 0.1 }, /unknown option 'lr'.*did you mean 'learningRate'\?/],
    ["PyTorch's names", { learningRate: 1, weight_decay: 1 }, /did you mean 'weightDecay'\?/],
    ['no flag', { learningRate: 1, momentum: 1, nesterov: 'no' }, /nesterov must be true or false, got 'no'/],
  ])('options of SGD: %s', (_, options, text) => {
    expect(() => new optim.SGD([leaf(1)], options as never)).toThrow(text)
    expect(() => new optim.SGD([leaf(1)], options as never)).toThrow(OptionError)
  })

  test.each<[string, (o: Record<string, unknown>) => void]>([
    ['a schedule read past its end', o => void (o['learningRate'] = [0.1][1])],
    ['NaN', o => void (o['learningRate'] = Number.NaN)],
    ['a negative rate', o => void (o['learningRate'] = -1)],
    ['a misspelt name', o => void (o['learning_rate'] = 1)],
    ['a name that is gone', o => void delete o['epsilon']],
    ['betas', o => void (o['betas'] = [0.9])],
    ['betas changed in place', o => void ((o['betas'] as number[])[0] = Number.NaN)],
    ['a flag', o => void (o['amsgrad'] = 1)],
  ])('what is changed later is checked before anything moves: %s', async (_, change) => {
    const [a, b] = [withGradient(1), withGradient(2)]
    const optimizer = new optim.Adam([{ parameters: [a] }, { parameters: [b] }])
    optimizer.step()
    const before = [await a.item(), await b.item()]
    change(optimizer.groups[1].options as never)
    expect(() => optimizer.step()).toThrow(OptionError)
    await synchronize()
    expect([await a.item(), await b.item(), await optimizer.stateDict().state[0]['time'].item()]).toEqual([
      ...before,
      1,
    ])
    expect(new optim.Adam([a]).groups[0].options.betas).toEqual([0.9, 0.999])
  })

  test('which parameters are trained is fixed; options are the optimizer’s own', () => {
    const betas: [number, number] = [0.8, 0.9]
    const list = [leaf(1)]
    const optimizer = new optim.Adam(list, { betas })
    list.push(leaf(2))
    betas[0] = 7
    expect(optimizer.parameters()).toHaveLength(1)
    expect(optimizer.groups[0].options.betas).toEqual([0.8, 0.9])
    for (const change of [
      () => (optimizer.groups as unknown[]).push(1),
      () => (optimizer.groups[0].parameters as Tensor[]).pop(),
      () => Object.assign(optimizer.groups[0], { options: {} }),
    ])
      expect(change).toThrow()
    ;(optimizer.stateDict().groups[0].options['betas'] as number[])[0] = 7
    expect(optimizer.groups[0].options.betas[0]).toBe(0.8)
  })

  test('a state with an unusable entry loads nothing, not even options', async () => {
    const [a, b] = [withGradient(1), withGradient(2)]
    const optimizer = new optim.SGD([a, b], { learningRate: 0.5, momentum: 0.5 })
    optimizer.step()
    const saved = optimizer.stateDict()
    const gone = zeros([1], { device })
    gone.dispose()
    const bad = ones([1], { device }).indexSelect(tensor([9], { device, dtype: 'int32' }))
    const rates = saved.groups.map(g => ({ ...g, options: { ...g.options, learningRate: 9 } }))
    for (const [velocity, error] of [
      [bad, IndexError],
      [gone, FormatError],
      [[1], FormatError],
      [zeros([2], { device }), FormatError],
    ] as [Tensor, typeof GradusError][])
      expect(() =>
        optimizer.loadStateDict({
          groups: rates,
          state: { 0: { velocity: zeros([1], { device }), time: tensor([5]) }, 1: { ...saved.state[1], velocity } },
        }),
      ).toThrow(error)
    expect(() => optimizer.loadStateDict({ groups: saved.groups, state: { '': saved.state[0] } })).toThrow(FormatError)
    expect(optimizer.learningRate).toBe(0.5)
    const velocities = Object.values(optimizer.stateDict().state).map(s => s['velocity'].item())
    expect(await Promise.all(velocities)).toEqual([1, 1])
    optimizer.step()
    expect([await a.item(), await b.item()]).toEqual([-0.25, 0.75])
  })

  test('memory that runs out in a step, wherever that is, leaves all as it was', async () => {
    const view = ones([2, 2], { device }).transpose().requiresGrad_()
    view.grad = ones([2, 2], { device }).transpose()
    const a = withGradient(1)
    const optimizer = new optim.Adam([a, view], { learningRate: 1 })
    let n = 0
    for (let failed = true; failed; n++) {
      try {
        withoutMemoryFrom(n, device, () => optimizer.step())
        failed = false
      } catch (error) {
        expect(error).toBeInstanceOf(MemoryError)
        expect([await a.item(), await view.mean().item()]).toEqual([1, 1])
      }
    }
    expect(n).toBe(4 + 4 + 2 + 1) // the state of both, the copies of a view and its gradient
    expect(await a.item()).toBeCloseTo(0, 5)
    expect(await view.mean().item()).toBeCloseTo(0, 5)
    expect(await optimizer.stateDict().state[1]['time'].item()).toBe(1)
  })

  test('a step in a stack that is nearly full happens whole or not at all', async () => {
    const parameters = Array.from({ length: 5 }, () => withGradient(1))
    const optimizer = new optim.SGD(parameters, { learningRate: 1, momentum: 0.5 })
    let [done, overflows] = [0, 0]
    const deep = (): void => {
      let deeper = true
      try {
        deep()
        deeper = false
      } catch {}
      if (!deeper || overflows > 200) return
      try {
        optimizer.step()
        done++
        overflows = 1000
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError)
        overflows++
        throw error
      }
    }
    deep()
    expect(overflows).toBe(1000)
    expect(done).toBe(1)
    const values = await Promise.all(parameters.map(p => p.item()))
    expect(values).toEqual(values.map(() => 0))
  })
})

test.skipIf(devices.length < 2)('parameters on two devices are refused', () => {
  const both = devices.map(device => ones([1], { device }).requiresGrad_())
  expect(() => new optim.Adam(both)).toThrow(DeviceError)
})
