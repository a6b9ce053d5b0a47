/** Layers, initialisers, optimizers and autograd with arguments that make no sense: no error is of a class that is not ours. */
import { describe, expect, test } from 'vitest'
import * as gradus from '../lib/index.js'
import { type Device, GradusError, nn, ones, optim, synchronize, type Tensor, tensor } from '../lib/index.js'
import { devices } from './harness/devices.js'

type Call = (...given: never[]) => unknown

const disposed = (device: Device) => {
  const t = ones([2], { device })
  t.dispose()
  return t
}
/** Anything that somebody may hand in by mistake. */
const odd = (device: Device): unknown[] => [
  ...[undefined, null, 0, 1, -1, 2.5, Number.NaN, 1e300, 2 ** 53, '', 'x', true, 10n, Symbol('s')],
  ...[[], [1, 2], [[1], [2, 3]], {}, { a: 1 }, Object.create(null), new Map(), new Set([1]), new Date()],
  ...[() => 1, async () => Promise.reject(new Error('later')), new Float32Array(2)],
  ...[ones([2, 3], { device }), tensor(1, { device }), ones([0, 3], { device }), disposed(device)],
  ...[tensor([1, 0], { device, dtype: 'int32' }), ones([3], { device, requiresGrad: true })],
  new nn.Linear(3, 2, { device }),
]
/** None, each alone, and each after arguments that make sense. */
function* argumentsOf(device: Device): Generator<unknown[]> {
  yield []
  const x = ones([2, 3], { device })
  for (const before of [[], [x], [x, 1], [x, 0, 1], [2], [3, 4], [(v: Tensor) => v]])
    for (const value of odd(device)) yield [...before, value]
}

const layers = (device: Device): Record<string, nn.Module> => ({
  Linear: new nn.Linear(3, 2, { device }),
  Embedding: new nn.Embedding(3, 2, { device }),
  'Dropout, evaluated': new nn.Dropout().eval(),
  'Sequential of nothing': new nn.Sequential(),
  Sequential: new nn.Sequential(new nn.Linear(3, 2, { device })),
  ...Object.fromEntries(
    Object.entries(nn)
      .filter(([name, made]) => typeof made === 'function' && !['Linear', 'Embedding', 'Sequential'].includes(name))
      .filter(([, made]) => (made as { prototype: unknown }).prototype instanceof nn.Module)
      .map(([name, Layer]) => [name, new (Layer as new () => nn.Module)()]),
  ),
})

function callsOf(device: Device): Record<string, Call> {
  const calls: Record<string, Call> = {}
  for (const [name, fill] of Object.entries(nn.init)) calls[`init.${name}`] = fill as Call
  for (const [name, made] of Object.entries(nn))
    if (typeof made === 'function' && name !== 'Module')
      calls[`new nn.${name}`] = (...given) => new (made as new (...given: never[]) => unknown)(...given)
  for (const [name, layer] of Object.entries(layers(device)))
    for (const method of ['forward', 'loadStateDict', 'to', 'append', 'at'] as const)
      if (method in layer) calls[`${name}.${method}`] = (layer as unknown as Record<string, Call>)[method].bind(layer)
  for (const Class of [optim.SGD, optim.Adam, optim.AdamW] as (new (
    ...given: never[]
  ) => gradus.optim.AnyOptimizer)[])
    calls[`new optim.${Class.name}`] = (...given) => new Class(...given).step()
  const adam = new optim.Adam([ones([2], { device, requiresGrad: true })])
  const { groups } = adam.stateDict()
  calls['load'] = given => adam.loadStateDict(given)
  calls['load groups'] = given => adam.loadStateDict({ groups: given, state: {} })
  calls['load group'] = given => adam.loadStateDict({ groups: [given], state: {} })
  calls['load options'] = given => adam.loadStateDict({ groups: [{ ...groups[0], options: given }], state: {} })
  calls['load state'] = given => adam.loadStateDict({ groups, state: given })
  calls['load state 0'] = given => adam.loadStateDict({ groups, state: { 0: given } })
  calls['learningRate'] = given => Object.assign(adam, { learningRate: given })
  const x = () => ones([2], { device, requiresGrad: true })
  const { backward, gradients, grad, valueAndGrad, checkpoint, customGrad, gradcheck } = gradus
  for (const [name, fn] of Object.entries({
    backward,
    gradients,
    grad,
    valueAndGrad,
    checkpoint,
    customGrad,
    gradcheck,
  }))
    calls[name] = (...given) => {
      const result = (fn as Call)(...given)
      return typeof result === 'function' ? result(x()) : result
    }
  const generator = new gradus.Generator(1)
  calls['permutation'] = given => generator.permutation(given)
  calls['setState'] = given => generator.setState(given)
  // Holes in a list are nothing, wherever a list is taken.
  const holes = new Array<Tensor>(2)
  holes[1] = ones([2], { device })
  const model = gradus.sequential(gradus.dense(1, { inputShape: [1] }))
  Object.assign(calls, {
    'concat of holes': () => gradus.concat(holes),
    'stack of holes': () => gradus.stack(holes),
    'permute of holes': () => ones([2, 2]).permute(holes as never),
    'sum of holes': () => ones([2, 2]).sum(holes as never),
    'setWeights of holes': () => model.setWeights(holes),
    'validation of holes': () =>
      model.compile({ optimizer: 'sgd', loss: 'mse' }).fit([1], [1], { validationData: holes as never, verbose: 0 }),
    'metrics of holes': () => model.compile({ optimizer: 'sgd', loss: 'mse', metrics: holes as never }),
    'layers of holes': () => new nn.Sequential(holes as never),
  })
  calls['x.backward'] = given => x().sum().backward(given)
  const custom = (forward: Call, back: Call) =>
    gradus
      .customGrad({ forward, backward: back } as never)(x())
      .sum()
      .backward()
  calls['forward of customGrad'] = given =>
    custom(
      () => given,
      () => [null],
    )
  calls['backward of customGrad'] = given =>
    custom(
      (v: Tensor) => v.mul(1),
      () => given,
    )
  calls['gradient of customGrad'] = given =>
    custom(
      (v: Tensor) => v.mul(1),
      () => [given],
    )
  calls['checkpoint of'] = given =>
    gradus
      .checkpoint(() => given, x())
      .sum()
      .backward()
  return calls
}

describe.each(devices)('%s', device => {
  const before = gradus.defaultDevice()
  test.each(Object.keys(callsOf(device)))('%s', async name => {
    gradus.setDevice(device)
    const call = callsOf(device)[name]
    const foreign: string[] = []
    const judge = (error: unknown) => {
      if (!(error instanceof GradusError)) foreign.push(String(error))
    }
    const later: unknown[] = []
    for (const given of argumentsOf(device))
      try {
        later.push(Promise.resolve(call(...(given as never[]))).catch(judge))
      } catch (error) {
        judge(error)
      }
    await Promise.all(later)
    await synchronize().catch(judge)
    gradus.setDevice(before)
    expect(foreign).toEqual([])
  })
})
