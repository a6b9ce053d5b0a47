// The command line: what it prints, what it refuses, and its exit codes.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hasNative } from './harness/devices.js'
import { runScript } from './harness/process.js'

// Whatever the environment asks for, unless a test says otherwise.
const plain = { GRADUS_DEVICE: '', GRADUS_ISA: '', GRADUS_DEBUG: '' }
const gradus = (args: string[], env: Record<string, string> = {}) => runScript(['dist/cli/main.js', ...args], env)

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gradus-cli-'))
})
afterAll(() => rmSync(folder, { recursive: true }))
function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}

describe('doctor', () => {
  test('as text', () => {
    const { status, out } = gradus(['doctor'], plain)
    expect(status).toBe(0)
    for (const name of ['gradus', 'device', 'addon', 'ISA', 'threads', 'memory', 'CPU', 'Node', 'verdict'])
      expect(out).toMatch(new RegExp(`^${name} `, 'm'))
    if (hasNative) expect(out).toMatch(/verdict +all is well/)
  })

  test('as JSON', () => {
    const report = JSON.parse(gradus(['doctor', '--json'], plain).out)
    expect(report).toMatchObject({
      version: expect.any(String),
      node: process.version,
      memory: { limit: expect.any(Number) },
    })
    if (hasNative) expect(report).toMatchObject({ device: 'native', native: { loaded: true, problem: null } })
  })

  const addons = {
    missing: { path: () => '/nonexistent.node', problem: /nonexistent\.node does not load/ },
    corrupt: {
      path: () => file('corrupt.node', 'not a library\n'),
      problem: /does not load.*rebuild it with: npm run build:native/,
    },
    'of another build': {
      path: () => file('other.js', 'exports.facts = () => {}\nexports.hash = 1\n'),
      problem: /is of another build than the JavaScript.*npm run build/,
    },
  }
  test.each(Object.entries(addons))(
    'an addon that is %s: says so, and what to do; js goes on',
    (_, { path, problem }) => {
      const env = { ...plain, GRADUS_NATIVE_PATH: path() }
      const text = gradus(['doctor'], env)
      expect(text.status).toBe(0)
      expect(text.out).toMatch(/^device +js$/m)
      expect(text.out.split('verdict')[1]).toMatch(problem)
      const report = JSON.parse(gradus(['doctor', '--json'], env).out)
      expect(report).toMatchObject({ device: 'js', native: { loaded: false, problem: expect.stringMatching(problem) } })
    },
  )

  test('the native device asked for, but absent: exit code 1', () => {
    const { status, out } = gradus(['doctor'], {
      ...plain,
      GRADUS_DEVICE: 'native',
      GRADUS_NATIVE_PATH: '/nonexistent.node',
    })
    expect(status).toBe(1)
    expect(out).toMatch(/^device +none$/m)
  })

  test('an instruction set above the CPU: an error, no silent fallback', () => {
    const isa = process.arch === 'arm64' ? 'avx512' : 'neon'
    const { status, out } = gradus(['doctor'], { ...plain, GRADUS_ISA: isa })
    expect(status).toBe(1)
    expect(out).toMatch(/^device +none$/m)
    if (hasNative)
      expect(out).toMatch(new RegExp(`verdict.*GRADUS_ISA=${isa}: this build does not have it.*available: `))
  })
})

describe('bench', () => {
  test('one family as JSON', () => {
    const { status, out } = gradus(['bench', 'step', '--quick', '--json'])
    expect(status).toBe(0)
    const { machine, results } = JSON.parse(out)
    expect(machine.noise).toHaveProperty('js')
    expect(results.length).toBeGreaterThan(3)
    for (const result of results) {
      expect(result).toMatchObject({
        family: 'step',
        unit: 'B/s',
        js: { median: expect.any(Number), spread: expect.any(Number) },
      })
      expect(result.js.samples).toBeGreaterThanOrEqual(3)
      expect(result.native !== null).toBe(hasNative)
      if (hasNative) expect(result.ratio).toBeCloseTo(result.js.median / result.native.median)
    }
    if (hasNative) expect(machine.peak.flop).toBeGreaterThan(machine.peak.flopOfOneThread / 2)
    else expect(machine).toMatchObject({ isa: null, peak: null })
  })

  test('as a table of at most 100 columns, with its noise', () => {
    const { status, out } = gradus(['bench', 'overhead', '--quick'])
    expect(status).toBe(0)
    expect(out).toMatch(/^noise +±.* js/m)
    expect(out).toMatch(/^read at once .*op\/s$/m)
    for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(100)
  })

  test('how late timers are', () => {
    const { results } = JSON.parse(gradus(['bench', 'latency', '--quick', '--json']).out)
    expect(results.length).toBeGreaterThan(1)
    for (const { ticks, p50, p99, max, done } of results) {
      expect(ticks).toBeGreaterThan(0)
      expect(p50 <= p99 && p99 <= max && done > 0).toBe(true)
    }
    expect(gradus(['bench', 'latency', '--quick', '--device', 'js']).out).toMatch(/fit, small steps \(js\) +[\d.]+/)
  })

  test('on js alone', () => {
    const { results } = JSON.parse(gradus(['bench', 'overhead', '--quick', '--json', '--device', 'js']).out)
    for (const result of results) expect(result).toMatchObject({ native: null, ratio: null, share: null })
  })

  test('native asked for, but absent: exit code 1', () => {
    const { status, err } = gradus(['bench', 'step', '--device', 'native'], {
      ...plain,
      GRADUS_NATIVE_PATH: '/nonexistent.node',
    })
    expect(status).toBe(1)
    expect(err).toMatch(/^DeviceError: native device: /)
  })
})

describe('usage', () => {
  test('--help names the commands, and those their options', () => {
    for (const args of [[], ['--help'], ['-h']]) {
      const { status, out } = gradus(args)
      expect(status).toBe(0)
      expect(out).toMatch(/doctor.*\n.*bench/)
    }
    expect(gradus(['bench', '--help']).out).toMatch(/--device native\|js\|both/)
  })

  test('--version', () => {
    expect(gradus(['--version']).out).toMatch(/^\d+\.\d+\.\d+/)
  })

  test.each([
    [['dokter'], /unknown command 'dokter'; known: doctor, bench/],
    [['toString'], /unknown command 'toString'/],
    [['doctor', '--jsn'], /doctor: Unknown option '--jsn'; known options: --json/],
    [['doctor', 'native'], /doctor: unexpected argument 'native'/],
    [['bench', 'matmull'], /bench: unknown family 'matmull'; known: elementwise, .*matmul/],
    [['bench', 'step', 'loss'], /bench: unexpected argument 'loss'/],
    [['bench', '--device', 'gpu'], /unknown value 'gpu' for --device; known: native, js, both/],
  ])('gradus %j is refused with what is known, exit code 2', (args, problem) => {
    const { status, out, err } = gradus(args)
    expect(status).toBe(2)
    expect(out).toBe('')
    expect(err).toMatch(problem)
    expect(err).not.toMatch(/^ +at /m)
  })

  test('an error has no stack, unless GRADUS_DEBUG=1', () => {
    const env = { ...plain, GRADUS_DEVICE: 'gpu' }
    const { status, err } = gradus(['doctor'], env)
    expect(status).toBe(1)
    expect(err).toBe("OptionError: GRADUS_DEVICE: unknown value 'gpu'. Hint: use native, js")
    expect(gradus(['doctor'], { ...env, GRADUS_DEBUG: '1' }).err).toMatch(/^ +at /m)
  })
})
