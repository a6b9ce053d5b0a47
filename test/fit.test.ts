// What a fit goes by: the parameters there are, one optimizer, one history; and what it leaves behind.
import { describe, expect, test, vi } from 'vitest'
import {
  type Device,
  dense,
  IndexError,
  Model,
  nn,
  ones,
  optim,
  sequential,
  type Tensor,
  tensor,
  zeros,
} from '../lib/index.js'
import { CompiledOptimizer } from '../lib/train/optimizers.js'
import { devices, hasNative } from './harness/devices.js'

const silent = { verbose: 0 } as const

class Net extends nn.Module {
  body: nn.Linear
  head: nn.Module
  constructor(device: Device) {
    super()
    this.body = new nn.Linear(2, 3, { device })
    this.head = new nn.Linear(3, 1, { device })
  }
  forward(x: Tensor): Tensor {
    return this.head.forward(this.body.forward(x).tanh())
  }
}
const values = (module: nn.Module) => Promise.all(module.parameters().map(p => p.data()))
/** Has every parameter changed? */
async function trains(module: nn.Module, fit: () => Promise<unknown>): Promise<boolean[]> {
  const before = await values(module)
  await fit()
  return (await values(module)).map((v, i) => v.some((w, j) => w !== before[i][j]))
}

describe.each(devices)('%s', device => {
  const [x, y] = [ones([8, 2], { device }), ones([8, 1], { device })]
  const adam = (module: nn.Module) => new Model(module).compile({ optimizer: 'adam', loss: 'mse' })

  test('layers that were replaced are trained, with an optimizer by name', async () => {
    const net = new Net(device)
    const model = adam(net)
    await model.fit(x, y, silent)
    net.head = new nn.Sequential(new nn.Linear(3, 3, { device }), new nn.Linear(3, 1, { device }))
    expect(await trains(net, () => model.fit(x, y, silent))).toEqual(Array(6).fill(true))
    net.head = new nn.Linear(3, 1, { device })
    expect(await trains(net, () => model.fit(x, y, silent))).toEqual(Array(4).fill(true))
  })
  test('layers that a callback replaces are trained from the next epoch on', async () => {
    const net = new Net(device)
    const fresh = new nn.Linear(3, 1, { device })
    const before = await values(fresh)
    const onEpochEnd = () => {
      net.head = fresh
    }
    await adam(net).fit(x, y, { ...silent, epochs: 2, onEpochEnd })
    expect(await values(fresh)).not.toEqual(before)
  })
  test('what was known of parameters that are kept goes on', () => {
    const net = new Net(device)
    const compiled = new CompiledOptimizer('adam', device)
    const step = () => {
      const optimizer = compiled.for(net)
      net.forward(x).sum().backward()
      optimizer.step()
      return optimizer.stateDict().state
    }
    const first = compiled.for(net)
    step()
    expect(compiled.for(net)).toBe(first)
    net.head = new nn.Linear(3, 1, { device })
    const state = step()
    expect(compiled.for(net)).not.toBe(first)
    expect([0, 1, 2, 3].map(i => state[i]['time'].itemSync())).toEqual([2, 2, 1, 1])
  })
  test('an optimizer of the user must have all that is to be trained', async () => {
    const net = new Net(device)
    const optimizer = new optim.SGD(net.parameters(), { learningRate: 0.1 })
    const model = new Model(net).compile({ optimizer, loss: 'mse' })
    await model.fit(x, y, silent)
    net.head = new nn.Linear(3, 1, { device })
    const [before] = [await values(net)]
    await expect(model.fit(x, y, silent)).rejects.toThrow(
      /fit: the optimizer lacks parameters of the model: 'head.weight', 'head.bias'. Hint: .*requiresGrad_\(false\)/,
    )
    expect(await values(net)).toEqual(before)
    for (const p of net.body.parameters()) p.requiresGrad_(false)
    model.compile({ optimizer: new optim.SGD(net.head.parameters(), { learningRate: 0.1 }), loss: 'mse' })
    expect(await trains(net, () => model.fit(x, y, silent))).toEqual([false, false, true, true])
  })
  test.skipIf(!hasNative)('a model that was moved is trained where it is', async () => {
    const model = sequential([dense(1, { inputShape: [2] })], { device }).compile({ optimizer: 'adam', loss: 'mse' })
    await model.fit(x, y, silent)
    const other = device === 'js' ? 'native' : 'js'
    model.to(other)
    expect(await trains(model.module, () => model.fit(x, y, silent))).toEqual([true, true])
    expect(model.parameters()[0].device).toBe(other)
  })

  test('one fit at a time; evaluation and prediction go on', async () => {
    const model = adam(new Net(device))
    const first = model.fit(x, y, { ...silent, epochs: 3 })
    await expect(model.fit(x, y, silent)).rejects.toThrow(
      /fit: this model is being trained already.*await the first fit/,
    )
    const other = adam(new Net(device)).fit(x, y, silent)
    await expect(adam(model.module).fit(x, y, silent)).rejects.toThrow(/is being trained already/)
    await Promise.all([model.evaluate(x, y), model.predict(x), other])
    expect((await first).epochs).toEqual([1, 2, 3])
    await expect(model.fit(x, zeros([2, 1], { device }), silent)).rejects.toThrow(/equally many/)
    await model.fit(x, y, silent)
  })
  test('a first batch that fails changes nothing', async () => {
    const net = new Net(device)
    const before = await values(net)
    const metric = (): Tensor => {
      throw new RangeError('mine')
    }
    const model = new Model(net).compile({ optimizer: 'adam', loss: 'mse', metrics: [metric] })
    await expect(model.fit(x, y, silent)).rejects.toThrow('mine')
    expect(await values(net)).toEqual(before)
  })
  test('a failure of a metric is that of the fit, and of no other', async () => {
    const bad = (p: Tensor) => p.flatten().indexSelect(tensor([99], { device, dtype: 'int32' }))
    const model = new Model(new Net(device)).compile({ optimizer: 'adam', loss: 'mse', metrics: [bad] })
    await expect(model.fit(x, y, silent)).rejects.toThrow(IndexError)
    await expect(model.evaluate(x, y)).rejects.toThrow(/indexSelect: index 99/)
    expect(await x.sum().item()).toBe(16)
  })

  test('errors are not written on, and each fit has its own history', async () => {
    const reasons = [
      Object.freeze(new Error('frozen')),
      Object.defineProperty(new Error('getter'), 'history', { get: () => 'mine' }),
      'text',
      null,
    ]
    for (const reason of reasons) {
      const controller = new AbortController()
      const [a, b] = [adam(new Net(device)), adam(new Net(device))]
      const fit = (model: Model, last: number) =>
        model.fit(x, y, {
          ...silent,
          epochs: 9,
          signal: controller.signal,
          onEpochEnd: epoch => epoch === last && controller.abort(reason),
        })
      const ended = [fit(a, 99), fit(b, 2)].map(p => p.catch(error => error))
      expect(await Promise.all(ended)).toEqual([reason, reason])
      expect(b.history!.epochs).toEqual([1, 2])
      expect(a.history).not.toBe(b.history)
      expect(Object.keys(Object(reason))).toEqual(Object.keys(Object(reason === 'text' ? 'text' : {})))
      if (reason instanceof Error && reason.message === 'getter') expect(Reflect.get(reason, 'history')).toBe('mine')
    }
  })
  test('what is aborted before it begins does nothing', async () => {
    const net = new Net(device)
    const [model, before] = [adam(net), await values(net)]
    const signal = AbortSignal.abort('no')
    await expect(model.fit(x, y, { ...silent, signal })).rejects.toBe('no')
    await expect(model.evaluate(x, y, { signal })).rejects.toBe('no')
    await expect(model.predict(x, { signal })).rejects.toBe('no')
    const foreign = { aborted: true, reason: 5, throwIfAborted: () => signal.throwIfAborted() }
    await expect(model.predict(x, { signal: foreign })).rejects.toBe('no')
    expect(await values(net)).toEqual(before)
  })
  test('the history of a fit that failed is that of the epochs before', async () => {
    const model = adam(new Net(device))
    expect(model.history).toBeUndefined()
    const onEpochEnd = (epoch: number) => (epoch === 2 ? Promise.reject(new Error('mine')) : undefined)
    await expect(model.fit(x, y, { ...silent, epochs: 3, onEpochEnd })).rejects.toThrow('mine')
    expect(model.history!.history['loss']).toHaveLength(2)
    expect(model.history!.epochs).toEqual([1, 2])
  })

  test('parameters and modules are collected once, however many steps there are', async () => {
    const walks = async (batchSize: number) => {
      const model = adam(new Net(device))
      const [modules, parameters] = [
        vi.spyOn(nn.Module.prototype, 'namedModules'),
        vi.spyOn(nn.Module.prototype, 'namedParameters'),
      ]
      await model.fit(x, y, { ...silent, batchSize, epochs: 3, validationData: [x, y] })
      const calls = modules.mock.calls.length + parameters.mock.calls.length
      modules.mockRestore()
      parameters.mockRestore()
      return calls
    }
    const one = await walks(8)
    expect(await walks(1)).toBe(one)
    expect(one).toBeLessThan(20)
  })
  test('a module may have its own idea of training', async () => {
    const seen: boolean[][] = []
    class Frozen extends Net {
      override train(on = true): this {
        super.train(on)
        this.body.training = false
        return this
      }
      override forward(given: Tensor): Tensor {
        seen.push([this.training, this.body.training, this.head.training])
        return super.forward(given)
      }
    }
    const net = new Frozen(device)
    net.head.training = false
    await adam(net).fit(x, y, silent)
    expect(seen).toEqual([[true, false, true]])
    expect([net.training, net.body.training, net.head.training]).toEqual([true, true, false])
  })

  test('setWeights: a value that could not be computed leaves all as they were', async () => {
    const model = sequential([dense(2, { inputShape: [2] })], { device })
    const before = await values(model.module)
    const bad = ones([1], { device }).indexSelect(tensor([9, 9], { device, dtype: 'int32' }))
    model.setWeights([ones([2, 2], { device }), bad])
    expect(await Promise.allSettled(model.parameters().map(p => p.data()))).toContainEqual(
      expect.objectContaining({ status: 'rejected', reason: expect.any(IndexError) }),
    )
    expect(await values(model.module)).toEqual(before)
    expect(() => model.setWeights(5 as never)).toThrow(/setWeights: expected a list of arrays, got 5/)
    model.setWeights([[[1, 2], [3, 4]], [5, 6]]) // biome-ignore format: a matrix
    expect(await (await model.predict([[1, 1]])).toArray()).toEqual([[9, 12]])
  })
  test('a long epoch of small batches is as exact as a short one', async () => {
    const n = 4200 // added up one by one, the error is 4e-5
    const constant = { constant: () => tensor(0.1, { device }) }.constant
    const model = sequential([dense(1, { inputShape: [1] })], { device })
    model.compile({ optimizer: 'sgd', loss: constant, metrics: [(p: Tensor) => p.sum().mul(0).add(1.1)] })
    const data = zeros([n, 1], { device })
    const { loss, metric0 } = await model.evaluate(data, data, { batchSize: 1 })
    expect(Math.abs(loss / 0.1 - 1)).toBeLessThan(1.5e-6)
    expect(Math.abs(metric0 / 1.1 - 1)).toBeLessThan(1.5e-6)
  })
  test('progress shows four significant digits', async () => {
    const lines: string[] = []
    const output = { write: (line: string) => lines.push(line) }
    for (const value of [0, 1e-6, 0.00123456, 0.693147, 1, 12.3456, 98765.4321, Number.NaN, Number.POSITIVE_INFINITY]) {
      const metric = { shown: () => tensor(value, { device }) }.shown
      await new Model(new Net(device))
        .compile({ optimizer: 'adam', loss: 'mse', metrics: [metric] })
        .fit(x, y, { output, verbose: 2 })
    }
    expect(lines.map(line => line.match(/shown: (.*)\n/)?.[1])).toEqual([
      '0.000',
      '1.000e-6',
      '0.001235',
      '0.6931',
      '1.000',
      '12.35',
      '9.877e4',
      'NaN',
      'Infinity',
    ])
  })
})
