// What memory is counted, bounded and given back: in loops that never yield, at the limit, across workers, in containers.
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { afterAll, describe, expect, test } from 'vitest'
import { systemReport } from '../lib/index.js'
import { type Accounts, localAccounts, type Watch } from '../lib/runtime/account.js'
import type { Executor } from '../lib/runtime/executor.js'
import { Stream } from '../lib/runtime/stream.js'
import { devices, hasNative } from './harness/devices.js'
import { runNode } from './harness/process.js'

/** Only the addon has weak references that do not keep what they name to the end of the turn. */
const hasAddon = systemReport().native.loaded

/** A stream whose executor only counts what it is asked. */
function counting(queued: () => number, watch?: Watch, memory: number = 2 ** 50) {
  const calls = { submit: 0, wait: 0 }
  const none = () => {}
  const executor: Executor = {
    stage: () => true,
    expect: none,
    submit: () => calls.submit++,
    run: none,
    drain: () => new Float64Array(0),
    inFlight: () => 1e12,
    queued,
    waitBelow: () => calls.wait++,
    counts: () => [0, 0],
    hold: none,
    close: none,
  }
  const accounts: Accounts = localAccounts(memory)
  if (watch) accounts.watch = () => watch
  return { calls, stream: new Stream('native', () => executor, { eager: false, debug: false, accounts }) }
}

test('a command is handed over however long it takes; only bytes that are queued already make a program wait', () => {
  let bytes = 0
  const { calls, stream } = counting(() => bytes)
  const x = stream.heap.allocate('test', 'float32', 1e9)
  const operand = { storage: x, offset: 0, dims: [1e9], steps: [1] }
  for (let i = 0; i < 10; i++) stream.k.copy(operand, operand)
  expect(calls).toEqual({ submit: 10, wait: 0 })
  bytes = 1e9
  stream.k.copy(operand, operand)
  expect(calls).toEqual({ submit: 11, wait: 1 })
})

test.each([
  [2 ** 40, 2 ** 26],
  [2 ** 28, 2 ** 25],
])('of %i bytes, %i may be queued', (memory, most) => {
  let queued = 0
  const { calls, stream } = counting(() => queued, undefined, memory)
  for (queued of [most, most + 1]) {
    stream.command('mark', 'test', 1)
    stream.handOver()
  }
  expect(calls).toEqual({ submit: 2, wait: 1 })
  queued = most / 2
  stream.heap.upload('test', 'float32', new Float32Array(most / 8))
  expect(calls.wait).toBe(1)
  stream.heap.upload('test', 'float32', new Float32Array(most / 8 + 1))
  expect(calls.wait).toBe(2)
})

test('what is watched and freed again and again is let go of', () => {
  let watched = 0
  let most = 0
  const watch = {
    add: () => {
      most = Math.max(most, ++watched)
    },
    sweep: () => {
      watched = 0
      return []
    },
  }
  const { stream } = counting(() => 0, watch)
  for (let i = 0; i < 20_000; i++) {
    const storage = stream.heap.allocate('test', 'float32', 2 ** 16)
    stream.heap.watch() // as before each wait
    storage.release()
    stream.heap.report()
  }
  expect(most).toBeLessThan(5000)
})

test('what the sweep and a finalizer both report is freed once, also where one comes in between the other', () => {
  const dead: number[] = []
  const { stream } = counting(() => 0, { add: () => {}, sweep: () => dead.splice(0) })
  const { heap } = stream
  const { handle } = heap.allocate('test', 'float32', 2 ** 23)
  dead.push(handle)
  stream.length = 9000 // a hand-over was interrupted: the next record begins with one, and that with a sweep
  heap.collected(handle)
  expect([heap.tensors, heap.bytes]).toEqual([0, 0])
})

test('a storage that a sweep takes over while it is freed is let go of', () => {
  const { stream } = counting(() => 0, { add: () => {}, sweep: () => [] })
  const [kept, freed] = [8, 2 ** 23].map(size => stream.heap.allocate('test', 'float32', size))
  stream.length = 9000 // as above
  freed.release()
  expect([stream.heap.tensors, stream.heap.bytes]).toEqual([1, kept.bytes])
  stream.heap.allocate('test', 'float32', 8).release()
  expect(stream.heap.tensors).toBe(1)
})

describe.each(devices)('%s', device => {
  const run = (program: string, env = {}) => runNode(`gradus.setDevice('${device}')\n${program}`, env)

  test('uploads that are dropped in a loop without a turn do not pile up', () => {
    const program = `
      const values = new Float32Array(150_000)
      let most = 0, warnings = 0
      process.on('warning', w => { if (w.code === 'GRADUS_W_BACKPRESSURE') warnings++ })
      for (let i = 0; i < 500; i++) {
        gradus.tidy(() => { gradus.tensor(values) })
        most = Math.max(most, gradus.memory().${device}.queuedBytes)
      }
      await gradus.synchronize()
      console.log(most > 0, most < 100e6, warnings < 2, gradus.memory().${device}.queuedBytes)`
    expect(run(program).out).toBe('true true true 0')
  })

  test.skipIf(!hasAddon)(
    'what is dropped is found at the limit, in a loop that yields and in one that does not',
    () => {
      const program = `
      gradus.setMemoryLimit('${device}', 200e6)
      const values = new Float32Array(4e6)
      for (let i = 0; i < 100; i++) {
        gradus.tensor(values)
        if (i < 50) await new Promise(resolve => setImmediate(resolve))
      }
      const x = gradus.ones([1e6])
      for (let i = 0; i < 200; i++) x.add(i)
      console.log('done')`
      expect(run(program)).toMatchObject({ out: 'done', status: 0 })
    },
  )

  test.skipIf(!hasAddon)('small tensors that are dropped by the hundred thousand are given back', () => {
    const program = `
      let most = 0
      const x = gradus.ones([1500])
      for (let i = 0; i < 60_000; i++) {
        x.add(1)
        if (i % 1000 === 0) most = Math.max(most, gradus.memory().${device}.bytes)
      }
      console.log(most < 180e6 ? 'bounded' : most)` // 360 MB were made
    expect(run(program).out).toBe('bounded')
  })

  test('a limit that nothing can be freed for is an error that says what to do', () => {
    const program = `
      gradus.setMemoryLimit('${device}', 50e6)
      const kept = []
      try { for (;;) kept.push(gradus.ones([1e6])) } catch (e) { console.log(e.name, kept.length, e.message) }`
    const found = run(program).out
    expect(found).toMatch(
      /^MemoryError 12 ones: 4000000 bytes more would exceed the limit of 50000000 \(48000000 in use\)/,
    )
    expect(found).toMatch(/Hint: .*dispose tensors/)
  })

  test('an array for which there is no memory is told of by the call that needs it', () => {
    const program = `
      const many = gradus.ones([1]).expand([2 ** 34])
      const calls = {
        data: () => many.data(), dataSync: () => many.dataSync(), toArray: () => many.toArray(),
        linspace: () => gradus.linspace(0, 1, 2 ** 34),
      }
      for (const [name, call] of Object.entries(calls))
        try { await call(); console.log(name, 'is done') } catch (e) { if (e.name !== 'MemoryError') console.log(name, e) }
      const values = new Float32Array(1000), x = gradus.ones([3]), Real = ArrayBuffer
      globalThis.ArrayBuffer = new Proxy(Real, { construct() { throw new RangeError('Array buffer allocation failed') } })
      try { gradus.tensor(values); console.log('uploaded') } catch (e) { console.log(e.name) }
      globalThis.ArrayBuffer = Real
      console.log(await x.sum().item(), await gradus.tensor(values).sum().item())`
    // Native takes its copies from elsewhere.
    expect(run(program).out).toBe(device === 'js' ? 'MemoryError\n3 0' : 'uploaded\n3 0')
  })

  test('a full stack, wherever it is met, leaves nothing half done', () => {
    const program = `
      const w = gradus.ones([3]).requiresGrad_(), optimizer = new gradus.optim.Adam([w])
      const ops = [
        () => gradus.ones([4]).add(1),
        () => gradus.ones([3], { requiresGrad: true }).square().sum().backward(),
        () => gradus.ones([2]).exp().dataSync(),
        () => gradus.tensor([1, 2, 3]).mul(2),
        () => gradus.tidy(() => gradus.ones([4]).add(1).sum()),
        () => { w.grad = gradus.ones([3]); optimizer.step() },
        () => gradus.ones([64, 64]).matmul(gradus.ones([64, 64])).softmax(),
      ]
      const settle = async () => {
        await gradus.synchronize()
        for (let i = 0; i < 4; i++) { gc(); await new Promise(resolve => setTimeout(resolve, 5)) }
        await gradus.synchronize()
      }
      for (const op of ops) op()
      await settle()
      const before = gradus.memory().${device}.tensors
      const at = (depth, fn) => (depth === 0 ? fn() : at(depth - 1, fn))
      const tries = (depth, op) => {
        try { at(depth, op); return true } catch (e) { if (!(e instanceof RangeError)) throw e; return false }
      }
      let fine = 0, full = 0
      for (const op of ops) {
        let low = 0, high = 20000
        while (high - low > 1) tries((low + high) >> 1, op) ? (low = (low + high) >> 1) : (high = (low + high) >> 1)
        for (let d = low - 20; d < low + 120; d++) tries(d, op) ? fine++ : full++
      }
      await settle()
      console.log(fine > 0, full > 0, gradus.memory().${device}.tensors - before, gradus.memory().${device}.queuedBytes)
      console.log(await gradus.ones([5]).sum().item())`
    const result = runNode(`gradus.setDevice('${device}')\n${program}`, {}, ['--stack-size=300'])
    expect(result).toMatchObject({ out: 'true true 0 0\n5', status: 0 })
  })
})

test('on js, a kernel under way is not cut short by a caller with a full stack: what it changes in place would change twice', () => {
  const program = `
    gradus.setDevice('js')
    const n = 2e6, one = gradus.ones([1])
    let underWay = 0, full = 0, wrong = 0
    for (let t = 0; t < 8; t++) {
      const w = gradus.zeros([n]).requiresGrad_(), optimizer = new gradus.optim.SGD([w], { learningRate: 1 })
      w.grad = gradus.ones([n])
      w.grad.dataSync()
      optimizer.step()
      const done = gradus.synchronize()
      for (let i = 0; i < 2; i++) await new Promise(resolve => setImmediate(resolve))
      if (gradus.memory().js.queued > 0) underWay++
      let tries = 60 // one frame up after the other
      const deeper = () => {
        try { deeper() } catch {}
        if (tries-- > 0) try { one.dataSync() } catch { full++ }
      }
      deeper()
      await done
      if (!w.dataSync().every(v => v === -1)) wrong++
    }
    console.log(underWay > 0, full > 0, wrong)`
  expect(runNode(program, {}, ['--stack-size=300']).out).toBe('true true 0')
})

test('on js without weak references, the error at the limit says when dropped tensors are found', () => {
  const program = `
    gradus.setDevice('js')
    gradus.setMemoryLimit('js', 50e6)
    try { for (;;) gradus.ones([1e6]) } catch (e) { console.log(e.message) }`
  const { out } = runNode(program, { GRADUS_NATIVE_PATH: '/nonexistent/gradus.node' })
  expect(out).toMatch(/Hint: what is dropped is only found when the program yields/)
})

describe.skipIf(!hasNative)('the process', () => {
  test('has one limit: what a worker holds counts in the main thread, until the worker ends', () => {
    const program = `
      const { Worker } = await import('node:worker_threads')
      gradus.setMemoryLimit('native', 100e6)
      const code = \`import { parentPort } from 'node:worker_threads'
        const g = await import('\${new URL('./dist/index.js', 'file://' + process.cwd() + '/')}')
        globalThis.kept = g.ones([15e6])
        await g.synchronize()
        parentPort.postMessage(g.memory().native.limit)
        setInterval(() => {}, 1000)\`
      const worker = new Worker(code, { eval: true })
      console.log(await new Promise(resolve => worker.once('message', resolve)))
      try { gradus.ones([15e6]) } catch (e) { console.log(e.name) }
      await worker.terminate()
      console.log(await gradus.ones([15e6]).sum().item())`
    expect(runNode(program).out).toBe('100000000\nMemoryError\n15000000')
  })

  test('refuses memory that others could change or shrink', () => {
    const program = `
      const { createRequire } = await import('node:module')
      const addon = createRequire(process.cwd() + '/')(gradus.systemReport().native.path)
      const stream = new addon.Stream('baseline', () => {})
      const shared = new Float64Array(new SharedArrayBuffer(64))
      const resizable = new Float64Array(new ArrayBuffer(64, { maxByteLength: 128 }))
      const own = new Float64Array(8)
      for (const memory of [shared, resizable])
        for (const use of [
          () => stream.run(memory, 0, own), () => stream.submit(own, 0, memory, 0), () => stream.expect(1, memory),
          () => stream.stage(1, memory, true)])
          try { use(); console.log('taken') } catch (e) { if (!/neither shared nor resizable/.test(e.message)) console.log(e) }
      console.log(stream.stage(1, shared, false), stream.stage(2, resizable, false), stream.stage(3, own, true))`
    expect(runNode(program).out).toBe('true true true')
  })
})

/** Where a control group of memory can be made: version 1 or 2 of Linux, as root. */
const groups = ['/sys/fs/cgroup/memory', '/sys/fs/cgroup']
  .map(root => ({ root, file: root.endsWith('memory') ? 'memory.limit_in_bytes' : 'memory.max' }))
  .filter(({ root, file }) => {
    const folder = `${root}/gradus-${process.pid}`
    try {
      mkdirSync(folder)
      const usable = existsSync(`${folder}/${file}`)
      rmdirSync(folder)
      return usable
    } catch {
      return false
    }
  })
const group = groups[0]

describe.skipIf(!hasNative || !group)('a container (skipped where no control group can be made)', () => {
  const folder = `${group?.root}/gradus-${process.pid}`
  afterAll(() => rmdirSync(folder))

  /** Runs a program in a group; it enters before it loads anything that looks at the limit. */
  const inGroup = (megabytes: number, program: string, env: Record<string, string> = {}) => {
    if (!existsSync(folder)) mkdirSync(folder)
    writeFileSync(`${folder}/${group.file}`, String(megabytes * 2 ** 20))
    const enter = `import { writeFileSync } from 'node:fs'; writeFileSync('${folder}/cgroup.procs', String(process.pid))`
    return runNode(program, env, ['--import', `data:text/javascript,${encodeURIComponent(enter)}`])
  }

  // Each fills the limit with tensors that nobody holds.
  test.each<[string, string, Record<string, string>?]>([
    ['sizes just above those of blocks', 'const x = gradus.ones([270_000]); for (let i = 0; i < 1000; i++) x.add(1)'],
    [
      'products, which need scratch memory',
      'const x = gradus.ones([1024, 1024]); for (let i = 0; i < 40; i++) x.matmul(x)',
    ],
    [
      'uploads, made while the queue still holds what was disposed',
      `const n = Math.floor(gradus.memory().native.limit / 6)
       for (let i = 0; i < 8; i++) { gradus.ones([n]).dispose(); gradus.tensor(new Float32Array(n)).dispose() }`,
    ],
    [
      'uploads of growing size',
      'for (let i = 0; i < 1500; i++) gradus.tensor(new Float32Array(100_000 + 200 * i).fill(1))',
    ],
    [
      'a gradient that many threads may add up, and one does',
      `const table = gradus.ones([4e5, 4]).requiresGrad_(), twice = gradus.arange(4e5, { dtype: 'int32' })
       table.indexSelect(gradus.concat([twice, twice])).sum().backward()
       if ((await table.grad.sum().item()) !== 3.2e6) throw new Error('wrong')`,
      { GRADUS_NUM_THREADS: '64' },
    ],
  ])('of 256 MB has room for %s', (_, loop, env: Record<string, string> = {}) => {
    const program = `gradus.ones([1]).dataSync(); ${loop}; console.log(await gradus.ones([5]).sum().item())`
    expect(inGroup(256, program, env)).toMatchObject({ out: '5', status: 0, signal: null })
  })

  test.each([256, 400, 512])('of %s MB: attention over many lengths stays within it', megabytes => {
    const program = `
      const { limit } = gradus.memory().native ?? (gradus.ones([1]), gradus.memory().native)
      const g = new gradus.Generator(1)
      let steps = 0
      for (let i = 0; i < 30; i++) {
        const n = 100 + ((i * 137) % 400)
        gradus.tidy(() => {
          const [q, k, v] = [0, 1, 2].map(() => gradus.randn([8, n, 64], { generator: g }).requiresGrad_())
          q.matmul(k.transpose()).mul(0.125).softmax().matmul(v).square().mean().backward()
        })
        await gradus.synchronize()
        steps++
      }
      console.log(steps, limit < ${megabytes} * 2 ** 20)`
    expect(inGroup(megabytes, program)).toMatchObject({ out: '30 true', status: 0, signal: null })
  })
})
