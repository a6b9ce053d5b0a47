// Several users of one stream at once: requests, trainings, timers, workers. Nobody gets another's error or starves.
import { describe, expect, test } from 'vitest'
import {
  customGrad,
  type Device,
  dense,
  full,
  IndexError,
  lockstep,
  maskSelect,
  memory,
  nonzero,
  ones,
  optim,
  randn,
  sequential,
  synchronize,
  type Tensor,
  tensor,
  tidy,
  unique,
  zeros,
} from '../lib/index.js'
import { nativeOnce } from '../lib/runtime/device.js'
import { devices, hasNative } from './harness/devices.js'
import { runNode } from './harness/process.js'

const index = (values: number[], device: Device) => tensor(values, { dtype: 'int32', device })
const outcomes = async (list: Promise<unknown>[]) => (await Promise.allSettled(list)).map(r => r.status)

describe.each(devices)('%s', device => {
  test('only the request that failed is told so', async () => {
    const table = ones([10, 4], { device })
    const request = async (id: number) => (await table.indexSelect(index([id], device)).data()).length
    const wanted = ['fulfilled', 'fulfilled', 'rejected', 'fulfilled']
    expect(await outcomes([1, 2, 77, 3].map(request))).toEqual(wanted)
    await synchronize()
  })

  test('a failure that nobody reads is told to the next reader, once', async () => {
    ones([2], { device }).indexSelect(index([9], device))
    await expect(ones([1], { device }).item()).rejects.toThrow(IndexError)
    expect(await ones([1], { device }).item()).toBe(1)
  })

  test('a loop over batches that is left early leaves no rejection behind', () => {
    const program = `
      gradus.setDevice('${device}')
      const table = gradus.ones([3, 2])
      const ids = gradus.tensor([0, 1, 9, 1, 0, 2], { dtype: 'int32' })
      let kept
      let batches = 0
      for await (const [id] of new gradus.data.Loader(new gradus.data.TensorDataset(ids), { batchSize: 1 })) {
        kept = table.indexSelect(id)
        if (++batches === 3) break
      }
      try { await kept.data() } catch (e) { console.log(e.name) }
      await new Promise(r => setTimeout(r, 50))
      console.log('alive')`
    expect(runNode(program)).toMatchObject({ status: 0, out: 'IndexError\nalive', err: '' })
  })

  test('evaluate with wrong labels rejects, and no more', () => {
    const program = `
      gradus.setDevice('${device}')
      const m = gradus.sequential([gradus.dense(64, { inputShape: [20] }), gradus.dense(3, { activation: 'softmax' })])
      m.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy' })
      const [x, y] = [gradus.ones([3000, 20]), gradus.full([3000], 7, { dtype: 'int32' })]
      for (const run of [() => m.evaluate(x, y, { batchSize: 64 }), () => m.fit(x, y, { batchSize: 64, verbose: 0 })])
        try { await run() } catch (e) { console.log(e.name) }
      await new Promise(r => setTimeout(r, 50))`
    expect(runNode(program)).toMatchObject({ status: 0, out: 'IndexError\nIndexError', err: '' })
  })

  test('of two trainings at once, only the one with wrong labels fails', async () => {
    const train = (label: number) => {
      const model = sequential([dense(8, { inputShape: [4] }), dense(3, { activation: 'softmax' })], { device })
      model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy' })
      const [x, y] = [ones([64, 4], { device }), full([64], label, { device, dtype: 'int32' })]
      return model.fit(x, y, { epochs: 3, batchSize: 8, verbose: 0 })
    }
    expect(await outcomes([train(1), train(7), train(2)])).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    await synchronize()
  })

  test('timers have their turn while small work is awaited', async () => {
    const x = ones([4], { device })
    let fired = false
    setTimeout(() => {
      fired = true
    }, 1)
    for (let i = 0; i < 1e6 && !fired; i++) await x.sum().item()
    expect(fired).toBe(true)
  })

  test('a timer that was set before a long operation fires before it is done', async () => {
    const a = ones([device === 'js' ? 256 : 2048, 2048], { device })
    const order: string[] = []
    setTimeout(() => order.push('timer'), 1)
    const product = a.matmul(a.transpose())
    order.push('issued')
    await product.data()
    order.push('done')
    expect(order).toEqual(['issued', 'timer', 'done'])
  })

  test('training gives the event loop a turn in every epoch, however small its steps', async () => {
    const model = sequential([dense(2, { inputShape: [2] }), dense(1)], { device })
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' })
    const [x, y] = [zeros([4, 2], { device }), zeros([4, 1], { device })]
    let turns = 0
    let training = true
    const count = () => {
      turns++
      if (training) setImmediate(count)
    }
    setImmediate(count)
    for (const work of [
      () => model.fit(x, y, { epochs: 50, verbose: 0 }),
      () => model.predict(zeros([50, 2], { device }), { batchSize: 1 }),
    ]) {
      turns = 0
      await work()
      expect(turns).toBeGreaterThanOrEqual(40)
    }
    training = false
  })

  test('a timer can abort the training of a tiny model', async () => {
    const model = sequential([dense(2, { inputShape: [2] }), dense(1)], { device })
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' })
    const [x, y] = [zeros([4, 2], { device }), zeros([4, 1], { device })]
    const signal = AbortSignal.timeout(50)
    await expect(model.fit(x, y, { epochs: 1_000_000, verbose: 0, signal })).rejects.toThrow(/aborted due to timeout/)
  })

  test('results that depend on values are those of the call', async () => {
    const x = tensor([1, 2, 3], { device })
    const [selected, places, values] = tidy(() => {
      const chosen = maskSelect(x, tensor([true, false, true], { device }))
      return [chosen, nonzero(x), unique(x)] as const
    })
    x.assign_(0)
    x.dispose()
    expect(await (await selected).toArray()).toEqual([1, 3])
    expect(await (await places).toArray()).toEqual([[0], [1], [2]])
    expect(await (await values).toArray()).toEqual([1, 2, 3])
  })

  test('a step that could not be made whole leaves the next one alone', async () => {
    const [a, b] = [2, 3].map(n => ones([n], { device }).requiresGrad_())
    const optimizer = new optim.SGD([a, b], { learningRate: 1 })
    a.grad = ones([4], { device }).indexSelect(index([0, 7], device))
    b.grad = ones([3], { device })
    optimizer.step()
    await expect(synchronize()).rejects.toThrow(IndexError)
    expect(await b.toArray()).toEqual([1, 1, 1])
    a.grad = ones([2], { device })
    optimizer.step()
    expect([await a.toArray(), await b.toArray()]).toEqual([
      [0, 0],
      [0, 0, 0],
    ])
  })

  test('an empty tensor of huge extent is nothing to do', async () => {
    const huge = zeros([2 ** 34, 0], { device })
    for (const y of [huge.softmax(), huge.logSoftmax(), huge.cumsum(1), huge.indexSelect(index([], device), 1)])
      expect((await y.data()).length).toBe(0)
    expect(
      (
        await zeros([2 ** 34, 3, 0], { device })
          .softmax(1)
          .data()
      ).length,
    ).toBe(0)
  })

  test('reading a view leaves nothing behind', async () => {
    const x = ones([3, 4], { device }).transpose()
    const before = memory()[device]!.tensors
    for (let i = 0; i < 5; i++) await x.data()
    x.dataSync()
    expect(memory()[device]!.tensors).toBeLessThanOrEqual(before)
  })
})

describe.each(devices)('%s', device => {
  test('a fit whose steps are all skipped fails, whoever was told why before', async () => {
    const model = sequential([dense(1, { inputShape: [2] })], { device })
    const optimizer = new optim.SGD(model.parameters(), { learningRate: 0.1, momentum: 0.9 })
    model.compile({ optimizer, loss: 'meanSquaredError' })
    const [x, y] = [ones([8, 2], { device }), ones([8, 1], { device })]
    await model.fit(x, y, { verbose: 0 })
    const bad = ones([1], { device }).indexSelect(index([9], device))
    await expect(synchronize()).rejects.toThrow(IndexError)
    const spoiling = customGrad({ forward: p => p.clone(), backward: g => [g.mul(bad)] })
    model.compile({ optimizer, loss: (p, t) => spoiling(p).sub(t).square().mean() })
    await expect(model.fit(x, y, { verbose: 0, epochs: 3 })).rejects.toThrow(IndexError)
  })

  test('metrics may give back tensors of their own', async () => {
    const model = sequential([dense(1, { inputShape: [2] })], { device })
    const held = tensor(1, { device })
    const metric = { held: () => held }.held
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', metrics: [metric] })
    const [x, y] = [ones([64, 2], { device }), ones([64, 1], { device })]
    expect((await model.fit(x, y, { verbose: 0 })).history['held']).toEqual([1])
    expect(await held.item()).toBe(1)
    const wrong = { wrong: () => 5 as never }.wrong
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', metrics: [wrong] })
    await expect(model.evaluate(x, y)).rejects.toThrow(/metric: 'wrong' must give a tensor of one element, got 5/)
  })

  test('a read and its error come together, though another read is first', async () => {
    const bad = ones([1], { device }).indexSelect(index([9], device))
    expect(await outcomes([ones([1], { device }).data(), bad.data()])).toEqual(['fulfilled', 'rejected'])
  })

  test('an array whose memory was transferred away is refused', async () => {
    const gone = new Float32Array(4)
    structuredClone(gone.buffer, { transfer: [gone.buffer] })
    for (const adopt of [false, true])
      expect(() => tensor(gone, { device, adopt })).toThrow(/whose memory was transferred away/)
    await synchronize()
  })
})

test('on js, long commands are cut: a timer has its turn before one ends', async () => {
  const a = ones([300, 300], { device: 'js' })
  const long = {
    matmul: () => a.matmul(a),
    'a vector': () => ones([2e6], { device: 'js' }).exp(),
    'one sum': () => ones([4e6], { device: 'js' }).sum(),
    'columns of softmax': () => ones([400, 2000], { device: 'js' }).softmax(0),
    'random numbers': () => randn([1e6], { device: 'js' }),
    gather: () => a.indexSelect(index(new Array(2000).fill(3), 'js'), 0),
  }
  for (const [name, issue] of Object.entries(long)) {
    await synchronize()
    const order: string[] = []
    const turn = new Promise(resolve => setImmediate(() => setImmediate(resolve))).then(() => order.push('turn'))
    const y = issue()
    await y.data().then(() => order.push('done'))
    await turn
    expect(order, name).toEqual(['turn', 'done'])
  }
})

describe.skipIf(!hasNative)('native', () => {
  test('what was made inside lockstep cannot be read after it', async () => {
    let t: Tensor | undefined
    await lockstep(() => {
      t = tensor([1, 2]).add(1)
    })
    expect(() => t!.dataSync()).toThrow(/data: the device of this tensor is closed/)
    await expect(t!.data()).rejects.toThrow(/closed/)
  })

  test('an optimizer whose state found no memory says so, and makes it anew', async () => {
    const loaded = nativeOnce()
    for (const nth of [1, 2, 3, 4, 5, 6, 7, 8]) {
      const [w, v] = [zeros([2], { device: 'native' }), zeros([3], { device: 'native' })].map(p => p.requiresGrad_())
      const optimizer = new optim.Adam([w, v], { learningRate: 1, amsgrad: true })
      w.sum().add(v.sum()).backward()
      w.grad!.dataSync()
      if ('native' in loaded) loaded.native.addon.failAllocation(nth)
      optimizer.step() // the state cannot be allocated
      optimizer.step() // issued before that is known: skipped as well
      await expect(synchronize()).rejects.toThrow(/no memory/)
      for (const state of Object.values(optimizer.stateDict().state))
        for (const t of Object.values(state)) await t.data()
      expect([await w.toArray(), await v.toArray()]).toEqual([
        [0, 0],
        [0, 0, 0],
      ])
      optimizer.step()
      optimizer.step()
      await synchronize()
      for (const p of [w, v]) for (const value of await p.data()) expect(value).toBeCloseTo(-2, 4)
      expect(await optimizer.stateDict().state[1]['time'].toArray()).toEqual([2])
    }
  })

  test('state that is asked for later does not cost the state there is', async () => {
    const loaded = nativeOnce()
    const w = zeros([2], { device: 'native' }).requiresGrad_()
    const optimizer = new optim.Adam([w], { learningRate: 1 })
    w.sum().backward()
    optimizer.step()
    await w.data()
    optimizer.groups[0].options.amsgrad = true
    if ('native' in loaded) loaded.native.addon.failAllocation(1)
    optimizer.step()
    await expect(synchronize()).rejects.toThrow(/no memory/)
    optimizer.step()
    const { m, time } = optimizer.stateDict().state[0]
    expect([(await m.data())[0].toFixed(6), await time.item()]).toEqual(['0.190000', 2])
  })

  test('an upload without memory is one error, not two', async () => {
    const loaded = nativeOnce()
    await synchronize()
    if ('native' in loaded) loaded.native.addon.failAllocation(1)
    expect(() => tensor([1, 2], { device: 'native' })).toThrow(/no memory/)
    expect(await ones([1], { device: 'native' }).item()).toBe(1)
  })

  test('an array in shared memory is copied', async () => {
    const shared = new Float32Array(new SharedArrayBuffer(8))
    shared[1] = 5
    expect(await tensor(shared, { device: 'native' }).toArray()).toEqual([0, 5])
  })

  test('workers that are stopped at any moment end alone', () => {
    const program = `
      const { Worker } = await import('node:worker_threads')
      const work = [
        'for (;;) { const t = g.tensor([1, 2, 3]); await t.add(1).data(); t.dispose() }',
        'for (;;) await g.tidy(() => g.ones([10]).add(1)).data()',
        'for (;;) g.tidy(() => { g.tensor(new Float32Array(1e4), { adopt: true }).sum() })',
      ]
      for (let i = 0; i < 45; i++) {
        const code = \`import { parentPort } from 'node:worker_threads'
          const g = await import('\${new URL('./dist/index.js', 'file://' + process.cwd() + '/')}')
          g.ones([1]).dataSync(); parentPort.postMessage(1); \${work[i % 3]}\`
        const w = new Worker(code, { eval: true })
        await new Promise(r => w.once('message', r))
        await new Promise(r => setTimeout(r, Math.random() * 8))
        await w.terminate()
      }
      console.log(await gradus.ones([3]).sum().item())`
    expect(runNode(program)).toMatchObject({ status: 0, out: '3' })
  })
})
