/** Measures the machine, then the cases. */
import { loadavg } from 'node:os'
import { setImmediate } from 'node:timers/promises'
import { zeros } from '../../creation.js'
import { probe } from '../../ops/probe.js'
import { systemReport } from '../../report.js'
import { type Device, streamOf } from '../../runtime/device.js'
import { type Case, Inputs, million } from './case.js'
import { interleaved, noiseBand, type Plan, type Series, type Subject, Timer } from './measure.js'
import { elementwise, embedding, matmul, movement, random, reduce, softmax } from './operations.js'
import { loss, overhead, step, train } from './training.js'

export type Family =
  | 'elementwise'
  | 'reduce'
  | 'matmul'
  | 'softmax'
  | 'movement'
  | 'embedding'
  | 'random'
  | 'loss'
  | 'step'
  | 'train'
  | 'overhead'

/** Cases by family, in the order in which they are measured. */
export const families: Readonly<Record<Family, readonly Case[]>> = {
  elementwise,
  reduce,
  matmul,
  softmax,
  movement,
  embedding,
  random,
  loss,
  step,
  train,
  overhead,
}

/** What the results depend on besides the code. */
export interface Machine {
  readonly version: string
  readonly node: string
  readonly platform: string
  readonly cpu: { readonly model: string; readonly processors: number }
  /** Processes that wanted to run when the measurement began, over the last minute. */
  readonly load: number
  /** The instruction set of the native kernels; null if only js was measured. */
  readonly isa: string | null
  readonly threads: number
  /** The fastest of many samples, per second, with all threads; copying counts what is read and what is written. */
  readonly peak: { readonly flop: number; readonly flopOfOneThread: number; readonly bytes: number } | null
  /** A/A noise band by device, as a share. */
  readonly noise: { readonly [D in Device]?: number }
  /** Settings that change what is measured. */
  readonly environment: string
}

export interface Result {
  readonly family: Family
  readonly name: string
  readonly shape: string
  readonly native: Series | null
  readonly js: Series | null
  /** js time / native time. */
  readonly ratio: number | null
  /** Per second on native, or on js where that is all there is. */
  readonly rate: number
  readonly unit: 'FLOP/s' | 'B/s' | 'op/s'
  /** Of the native peak. */
  readonly share: number | null
}

/** A case on a device. */
function subjectOf(c: Case, inputs: Inputs): Subject {
  const stream = streamOf(inputs.device)
  return { run: c.prepare(inputs), finish: () => stream.synchronizeSync() }
}

// ---- the machine -----------------------------------------------------------------------------------------------------

/** The shortest time of many samples, in seconds. */
async function fastest(run: () => void, plan: Plan): Promise<number> {
  const stream = streamOf('native')
  const timer = new Timer({ run, finish: () => stream.synchronizeSync() })
  await timer.warmUp(plan)
  await timer.take(plan.samples * 4)
  return timer.series().fastest / 1e9
}

/** Elements of the probe kernel that one thread takes: see native/kernels/probe.cc. */
const block = 384

/** The most operations per second; `blocks` of the probe's elements keep at most so many threads busy. */
async function flopPeak(blocks: number, plan: Plan): Promise<number> {
  const rounds = 20_000
  const y = zeros([block * blocks], { device: 'native' })
  const seconds = await fastest(() => probe(y, rounds), plan)
  y.dispose()
  return (2 * rounds * y.size) / seconds
}

/** Copying 64 MiB to 64 MiB: far more than caches hold. */
async function copyPeak(plan: Plan): Promise<number> {
  const [x, y] = [0, 1].map(() => zeros([16 * million], { device: 'native' }))
  const seconds = await fastest(() => x.storage.stream.k.copy(x, y), plan)
  x.dispose()
  y.dispose()
  return (2 * 4 * 16 * million) / seconds
}

/** One case bound by arithmetic and one by memory, where js takes milliseconds for either. */
async function noiseOf(device: Device, plan: Plan): Promise<number> {
  const samples = [
    families.matmul.find(c => c.shape.startsWith('64×')),
    families.elementwise.find(c => c.shape === `${million}`),
  ]
  let band = 0
  for (const c of samples) {
    const inputs = new Inputs(device)
    band = Math.max(band, await noiseBand(subjectOf(c!, inputs), plan))
    inputs.dispose()
  }
  return band
}

export async function measureMachine(devices: readonly Device[], plan: Plan): Promise<Machine> {
  const { version, node, platform, cpu, native, environment } = systemReport()
  const load = loadavg()[0]
  const hasNative = devices.includes('native')
  const peak = hasNative
    ? {
        flop: await flopPeak(8 * native.threads, plan),
        flopOfOneThread: await flopPeak(1, plan),
        bytes: await copyPeak(plan),
      }
    : null
  const noise: { [D in Device]?: number } = {}
  for (const device of devices) noise[device] = await noiseOf(device, plan)
  const settings = Object.entries(environment)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ')
  return {
    version,
    node,
    platform,
    cpu,
    load,
    isa: hasNative ? native.isa : null,
    threads: native.threads,
    peak,
    noise,
    environment: settings,
  }
}

// ---- cases -----------------------------------------------------------------------------------------------------------

function rateOf({ work }: Case, { median }: Series): Pick<Result, 'rate' | 'unit'> {
  const perSecond = 1e9 / median
  if ('flop' in work) return { rate: work.flop * perSecond, unit: 'FLOP/s' }
  if ('bytes' in work) return { rate: work.bytes * perSecond, unit: 'B/s' }
  return { rate: work.operations * perSecond, unit: 'op/s' }
}

/** A case on each of the devices, in turns. Undefined if none of them can be asked for it. */
export async function measureCase(
  family: Family,
  c: Case,
  devices: readonly Device[],
  { peak }: Machine,
  plan: Plan,
): Promise<Result | undefined> {
  const used = devices.filter(device => device === 'native' || !c.nativeOnly)
  if (used.length === 0) return undefined
  const inputs = used.map(device => new Inputs(device))
  const all = await interleaved(
    inputs.map(i => subjectOf(c, i)),
    plan,
  )
  for (const i of inputs) i.dispose()
  await setImmediate() // finalizers have their turn here, not within a sample
  const seriesOf = (device: Device): Series | null => all[used.indexOf(device)] ?? null
  const [native, js] = [seriesOf('native'), seriesOf('js')]
  const { rate, unit } = rateOf(c, (native ?? js)!)
  const most = unit === 'FLOP/s' ? peak?.flop : unit === 'B/s' ? peak?.bytes : undefined
  return {
    family,
    name: c.name,
    shape: c.shape,
    native,
    js,
    ratio: native && js ? js.median / native.median : null,
    rate,
    unit,
    share: native && most ? rate / most : null,
  }
}
