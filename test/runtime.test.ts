// Records, order, failure, streams, teardown: the promises of DESIGN section 4, seen from JavaScript.
import { cpSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import {
  type Device,
  full,
  liveTensors,
  MemoryError,
  memory,
  noGrad,
  ones,
  setMemoryLimit,
  synchronize,
  synchronizeSync,
  systemReport,
  type Tensor,
  tensor,
  zeros,
} from '../lib/index.js'
import { type Accounts, localAccounts } from '../lib/runtime/account.js'
import { streamOf } from '../lib/runtime/device.js'
import type { Executor } from '../lib/runtime/executor.js'
import { Stream } from '../lib/runtime/stream.js'
import { devices, hasNative } from './harness/devices.js'
import { runNode } from './harness/process.js'

const index = (values: number[], device: Device) => tensor(values, { dtype: 'int32', device })

describe.each(devices)('%s', device => {
  test('an array that changes after upload does not change the tensor', async () => {
    const values = new Float32Array([1, 2, 3])
    const t = tensor(values, { device })
    values.fill(9)
    expect(await t.toArray()).toEqual([1, 2, 3])
  })

  test('reads keep their place in the order', async () => {
    const t = zeros([4], { device })
    const before = t.data()
    t.assign_(1)
    const after = t.data()
    t.assign_(2)
    expect([...(await before)]).toEqual([0, 0, 0, 0])
    expect([...(await after)]).toEqual([1, 1, 1, 1])
    expect([...t.dataSync()]).toEqual([2, 2, 2, 2])
  })

  test('work starts without being awaited', async () => {
    if (device === 'js') return // on js, work that is not awaited runs in turns of the event loop
    const { executedRecords } = {
      executedRecords: () => (streamOf(device) as unknown as { executor: { counts(): number[] } }).executor.counts()[1],
    }
    let t: Tensor = ones([256, 256], { device })
    const start = executedRecords()
    for (let i = 0; i < 40; i++) t = t.matmul(t).mul(1 / 256)
    const until = performance.now() + 50_000 // a machine may be busy
    while (executedRecords() === start && performance.now() < until); // no await: the event loop stands still
    expect(executedRecords()).toBeGreaterThan(start)
    await t.data()
  })

  test('a failing command between good ones: only its results fail, and the error names the op', async () => {
    const x = tensor([10, 20, 30], { device })
    const good = x.add(1)
    const bad = x.indexSelect(index([0, 7], device))
    const spoilt = bad.mul(2).sum()
    const later = x.mul(2)
    await expect(spoilt.item()).rejects.toThrow(/indexSelect: index 7 at position 1 is out of range/)
    expect(await good.toArray()).toEqual([11, 21, 31])
    expect(await later.toArray()).toEqual([20, 40, 60])
    await expect(bad.data()).rejects.toThrow(/index 7/)
  })

  test('a failure that nobody reads is thrown at the next read, then the stream goes on', async () => {
    const x = tensor([1, 2], { device })
    x.indexSelect(index([5], device))
    await expect(x.data()).rejects.toThrow(/index 5/)
    expect(await x.toArray()).toEqual([1, 2])
    x.indexSelect(index([-1], device))
    await expect(synchronize()).rejects.toThrow(/index -1/)
    await synchronize()
    x.indexSelect(index([6], device))
    expect(() => synchronizeSync()).toThrow(/index 6/)
  })

  test('an in-place command with a spoilt input changes nothing', async () => {
    const w = tensor([1, 2], { device })
    const bad = w.indexSelect(index([3, 3], device))
    noGrad(() => w.assign_(bad))
    await expect(w.data()).rejects.toThrow(/index 3/)
    expect(await w.toArray()).toEqual([1, 2])
  })

  test('a synchronous read while the executor works', async () => {
    let t: Tensor = ones([300, 300], { device })
    for (let i = 0; i < (device === 'js' ? 2 : 30); i++) t = t.matmul(t).mul(1 / 300)
    const pending = t.data()
    expect(t.slice(0, 0).itemSync()).toBeCloseTo(1, 4)
    expect((await pending)[0]).toBeCloseTo(1, 4)
  })

  test('subnormal numbers in JavaScript survive each drain', async () => {
    const smallest = 5e-324
    const x = full([8], 1e-30, { device })
    for (const read of [() => x.mul(x).dataSync(), () => x.mul(x).data(), () => synchronizeSync()]) {
      await read()
      const half = smallest / 2 + smallest
      expect(half).toBe(smallest)
      expect(2.2250738585072014e-308 / 2).toBeGreaterThan(0)
    }
  })

  test('memory counts storages; views share one; dispose, tidy and using free at once', async () => {
    await synchronize()
    const base = memory()[device]!
    const a = zeros([1000], { device })
    const view = a.reshape([10, 100]).transpose()
    expect(memory()[device]!.bytes - base.bytes).toBe(4000)
    a.dispose()
    a.dispose()
    expect(memory()[device]!.bytes - base.bytes).toBe(4000)
    view.dispose()
    // The reshaped tensor in between is only held by the garbage collector.
    expect(() => a.add(1)).toThrow(/was disposed by dispose/)
    {
      using b = ones([500], { device })
      expect(await b.sum().item()).toBe(500)
    }
  })

  test('a limit is kept, and named', () => {
    const { limit, bytes } = memory()[device]!
    setMemoryLimit(device, bytes + 1e6)
    try {
      expect(() => zeros([1e8], { device })).toThrow(MemoryError)
      expect(() => zeros([1e8], { device })).toThrow(/zeros: 400000000 bytes more would exceed the limit/)
      zeros([10], { device }).dispose()
    } finally {
      setMemoryLimit(device, limit)
    }
  })

  test('numbers may stand in slots', async () => {
    const stream = streamOf(device)
    const x = tensor([1, 2], { device })
    const y = zeros([2], { device })
    const slot = stream.slot(3)
    const operands = [x, y].map(t => ({ storage: t.storage, offset: 0, dims: [2], steps: [1] }))
    stream.k.clamp(operands[0], operands[1], slot as never, Number.POSITIVE_INFINITY)
    expect(await y.toArray()).toEqual([3, 3])
    stream.setSlot(slot, 1.5)
    stream.k.clamp(operands[0], operands[1], slot as never, Number.POSITIVE_INFINITY)
    expect(await y.toArray()).toEqual([1.5, 2])
  })
})

describe.skipIf(!hasNative)('native process', () => {
  const program = `
    const x = gradus.tensor([[1, 2], [3, 4]]).requiresGrad_()
    x.matmul(x).sum().backward()
    console.log(JSON.stringify(await x.grad.toArray()))
    try { await x.indexSelect(gradus.tensor([4], { dtype: 'int32' })).data() } catch (e) { console.log(e.name) }
  `
  const wanted = '[[7,11],[9,13]]\nIndexError'

  test.each([
    { GRADUS_SYNC: '1' },
    { GRADUS_SYNC: 'false', GRADUS_DEBUG: 'off' },
    { GRADUS_CHECK: '1' },
    { GRADUS_NUM_THREADS: '1' },
    { OMP_NUM_THREADS: '3,1' },
    { GRADUS_ISA: 'baseline' },
    { GRADUS_DEVICE: 'js' },
  ] as Record<string, string>[])('%o gives the same', env => {
    const { out, err, status } = runNode(program, env)
    expect({ out, err, status }).toEqual({ out: wanted, err: '', status: 0 })
  })

  test('an allocation that fails is an error, not the end', () => {
    for (const n of ['1', '3', '6']) {
      const result = runNode(
        `for (let i = 0; i < 3; i++) try { console.log(await gradus.ones([3]).add(1).sum().item()) } catch (e) { console.log(e.name) }`,
        { GRADUS_FAIL_ALLOC: n },
      )
      expect(result.status).toBe(0)
      expect(result.out.split('\n')).toContain('MemoryError')
      expect(result.out.split('\n')).toContain('6')
    }
  })

  test('wrong settings are named', () => {
    const use = `try { gradus.zeros([1]) } catch (e) { console.log(e.message) }`
    expect(runNode(use, { GRADUS_ISA: 'neon' }).out).toMatch(
      /GRADUS_ISA=neon: this build does not have it. Hint: available: baseline/,
    )
    expect(runNode(use, { GRADUS_ISA: 'mmx' }).out).toMatch(/GRADUS_ISA: unknown value 'mmx'. Hint: use baseline, avx2/)
    expect(runNode(use, { GRADUS_NUM_THREADS: 'two' }).out).toMatch(
      /GRADUS_NUM_THREADS: expected a whole number from 1 to 1024, got 'two'/,
    )
    for (const value of ['2147483648', '99999999999999999999'])
      for (const name of ['GRADUS_NUM_THREADS', 'OMP_NUM_THREADS'])
        expect(runNode(use, { [name]: value }).out).toMatch(new RegExp(`^${name}: expected .*1024`))
    expect(runNode(use, { GRADUS_SYNC: 'maybe' }).out).toMatch(/GRADUS_SYNC: unknown value 'maybe'. Hint: use 1 or 0/)
    expect(runNode(use, { GRADUS_FAIL_ALLOC: '1e3' }).out).toMatch(/GRADUS_FAIL_ALLOC: expected a whole number from 1/)
  })

  test('equal bits for any number of threads', () => {
    const program = `
      const g = new gradus.Generator(1)
      const a = gradus.randn([300, 700], { generator: g }), b = gradus.randn([700, 900], { generator: g })
      const results = [a.matmul(b), a.sum(), a.sum(0), a.mean(1), a.softmax(), a.softmax(0), b.transpose().matmul(a.transpose()), gradus.dropout(b, 0.3, { generator: g }), gradus.randn([100001], { generator: g })]
      let hash = 0
      for (const r of results) for (const w of new Int32Array((await r.data()).buffer)) hash = Math.imul(hash ^ w, 16777619)
      console.log(hash)
    `
    const hashes = ['1', '2', '5'].map(n => runNode(program, { GRADUS_NUM_THREADS: n }).out)
    expect(new Set(hashes).size, hashes.join(' ')).toBe(1)
    expect(hashes[0]).toMatch(/^-?\d+$/)
  })

  test('the process ends by itself with work unfinished, and stays alive while a read is awaited', () => {
    const busy = `let t = gradus.ones([400, 400]); for (let i = 0; i < 200; i++) t = t.matmul(t).mul(1 / 400);`
    expect(runNode(busy).status).toBe(0)
    expect(runNode(`${busy} t.sum().item().then(v => console.log(Math.round(v)))`).out).toBe('160000')
  })

  const worker = (body: string) => `
    const { Worker } = await import('node:worker_threads')
    const code = \`import('${new URL('../dist/index.js', import.meta.url).href}').then(async gradus => { ${body} })\`
    const run = () => new Promise((resolve, reject) => {
      const w = new Worker(code, { eval: true })
      w.on('message', m => console.log(m)); w.on('error', reject); w.on('exit', resolve)
    })
  `
  const train = `
    const x = gradus.tensor([[0, 0], [0, 1], [1, 0], [1, 1]]), y = gradus.tensor([[0], [1], [1], [0]])
    const m = gradus.sequential([gradus.dense(8, { inputShape: [2], activation: 'tanh' }), gradus.dense(1)])
    m.compile({ optimizer: 'adam', loss: 'meanSquaredError' })
    const { history } = await m.fit(x, y, { epochs: 20, verbose: 0 })
    const { parentPort } = await import('node:worker_threads')
    parentPort.postMessage(history.loss.length)
  `
  test('first loaded in a worker that trains and exits; then used in the main thread and in more workers', () => {
    const result = runNode(`${worker(train)}
      console.log('exit', await run())
      console.log(await gradus.ones([200, 200]).matmul(gradus.ones([200, 200])).sum().item())
      console.log(await Promise.all([run(), run()]))`)
    expect(result).toMatchObject({ status: 0, err: '' })
    expect(result.out.split('\n')).toEqual(['20', 'exit 0', '8000000', '20', '20', '[ 0, 0 ]'])
  })

  test('a worker that is terminated at work does not take the process along', () => {
    const result =
      runNode(`${worker(`let t = gradus.ones([500, 500]); for (;;) { t = t.matmul(t).mul(1 / 500); await t.sum().item() }`)}
      const w = new Worker(code, { eval: true })
      await new Promise(r => setTimeout(r, 700))
      console.log('code', await w.terminate())
      console.log(await gradus.ones([3]).sum().item())`)
    expect(result).toMatchObject({ status: 0, err: '' })
    expect(result.out).toBe('code 1\n3')
  })

  test('two copies of the package in one process have streams of their own', () => {
    const dist = fileURLToPath(new URL('../dist', import.meta.url))
    const copy = fileURLToPath(new URL('../.cache/copy/dist', import.meta.url))
    cpSync(dist, copy, { recursive: true })
    const program = `
      const other = await import('${pathToFileURL(`${copy}/index.js`).href}')
      console.log(await Promise.all([gradus, other].map(g => g.ones([100]).sum().item())))
      try { gradus.add(other.ones([1]), gradus.ones([1])) } catch (e) { console.log(e.message) }`
    const { out } = runNode(program, { GRADUS_NATIVE_PATH: systemReport().native.path! })
    expect(out.split('\n')).toEqual(['[ 100, 100 ]', expect.stringMatching(/another copy of gradus/)])
  })

  test('a loop that never yields keeps its memory bounded', () => {
    const program = `
      const x = gradus.ones([128, 256])
      let peak = 0
      for (let i = 0; i < 5000; i++) {
        x.add(i)
        if (i % 10 === 9) x.sum().itemSync()
        peak = Math.max(peak, gradus.memory().native.bytes)
      }
      console.log(peak < 300e6 ? 'bounded' : 'grew to ' + peak)
    `
    expect(runNode(program).out).toBe('bounded') // 655 MB were made
  })

  test('the event loop stays free while steps run', async () => {
    let t: Tensor = ones([512, 512], { device: 'native' })
    for (let i = 0; i < 60; i++) t = t.matmul(t).mul(1 / 512)
    let turns = 0
    const timer = setInterval(() => turns++, 1)
    await t.data()
    clearInterval(timer)
    expect(turns).toBeGreaterThan(0)
  })
})

describe.each(devices)('%s', device => {
  test('an adopted array is detached, and its memory given back when the tensor is freed', async () => {
    const values = new Float32Array([1, 2, 3])
    const t = tensor(values, { device, adopt: true })
    expect(values.length).toBe(0)
    expect(await t.add(1).toArray()).toEqual([2, 3, 4])
    noGrad(() => t.assign_(7))
    expect(await t.toArray()).toEqual([7, 7, 7])
    t.dispose()
    await synchronize()
    const part = new Float32Array(8).subarray(1)
    expect(() => tensor(part, { device, adopt: true })).toThrow(
      /tensor: adopt needs a typed array of the dtype float32 that covers its whole/,
    )
    expect(part.length).toBe(7)
    expect(() => tensor([1], { device, adopt: true })).toThrow(/adopt needs/)
  })

  test('live tensors say where they were made', async () => {
    const kept = zeros([12345], { device })
    expect(liveTensors().find(t => t.source === 'zeros')!.bytes).toBeGreaterThanOrEqual(4 * 12345)
    kept.dispose()
  })

  test('with GRADUS_DEBUG, errors name the line', () => {
    const program = `
      gradus.setDevice('${device}')
      function myCode() { return gradus.ones([2]).indexSelect(gradus.tensor([9], { dtype: 'int32' })) }
      try { await myCode().data() } catch (e) { console.log(e.message) }`
    expect(runNode(program, { GRADUS_DEBUG: '1' }).out).toMatch(
      /^indexSelect, called at myCode \(.*\): index 9 at position 0/,
    )
  })
})

test('records are whole, also when a hand-over issues records itself', () => {
  const batches: Float64Array[] = []
  let collected: number[] = []
  const none = () => {}
  const executor: Executor = {
    stage: () => true,
    expect: none,
    submit: (words, count) => void batches.push(words.slice(0, count)),
    run: (words, count) => void batches.push(words.slice(0, count)),
    drain: () => new Float64Array(0),
    inFlight: () => 0,
    queued: () => 0,
    waitBelow: none,
    counts: () => [0, 0],
    hold: none,
    close: none,
  }
  const accounts: Accounts = {
    ...localAccounts(2 ** 50),
    watch: () => ({ add: none, sweep: () => collected.splice(0) }),
  }
  const stream = new Stream('js', () => executor, { eager: false, debug: false, accounts })
  const handles = Array.from({ length: 5000 }, () => stream.heap.allocate('test', 'float32', 2 ** 14).handle)
  stream.synchronizeSync()
  collected = handles // 5000 records of 6 words: almost two buffers full
  for (let i = 0; i < 3000; i++) {
    if (i < 400) stream.heap.allocate('test', 'float32', 2 ** 14) // growth, after which the collected are looked for
    stream.command('guard', 'test', i, i, i)
  }
  stream.synchronizeSync()
  let records = 0
  for (const words of batches)
    for (let at = 0; at < words.length; at += words[at], records++) {
      expect(words[at]).toBeGreaterThanOrEqual(5)
      expect(at + words[at]).toBeLessThanOrEqual(words.length)
    }
  expect(records).toBe(5000 + 5000 + 400 + 3000)
})
