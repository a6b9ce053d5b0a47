import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { DeviceError } from '../errors.js'
import type { Accounts, Watch } from './account.js'
import type { Environment } from './environment.js'
import type { Executor } from './executor.js'
import { kernelsHash } from './kernels.js'

/** The addon as native/addon.cc exports it. */
export interface Addon {
  readonly hash: number
  readonly Stream: new (isa: string, onEvents: () => void) => Executor
  facts(): { built: string[]; available: string[]; affinity: number; quota: number; threads: number }
  readonly Watch: new () => Watch
  configure(threads: number, check: boolean, limit: number): number
  /** Bytes live and idle in the pool. */
  memory(): Float64Array
  /** Changes what the heaps of this environment hold: see Account for what comes back. */
  reserve(change: number, outside: boolean): Float64Array
  limitMemory(bytes: number, outside: boolean): void
  collect(): void
  failAllocation(n: number): void
}

export interface Native {
  readonly addon: Addon
  readonly path: string
  readonly isa: string
  readonly available: readonly string[]
  readonly threads: number
  readonly threadsWhy: string
}

/** Either the addon, or why there is none and what to do about it. */
export type Loaded = { readonly native: Native } | { readonly error: DeviceError }

const root = fileURLToPath(new URL('../..', import.meta.url))
/** Can the addon be built here? What is installed from a registry has no build files. */
const isCheckout = existsSync(`${root}binding.gyp`)
const platform = `${process.platform}-${process.arch}`

function refuse(problem: string, hint: string, cause?: unknown): { error: DeviceError } {
  return { error: new DeviceError('native device', problem, hint, { cause }) }
}

function load(environment: Environment): { addon: Addon; path: string } | { error: DeviceError } {
  const require = createRequire(import.meta.url)
  let path = environment.nativePath
  try {
    path ??= (require('node-gyp-build') as { resolve(dir: string): string }).resolve(root)
  } catch (cause) {
    const hint = isCheckout
      ? 'build it with: npm run build:native (needs cmake and a C++17 compiler)'
      : 'reinstall gradus, or use the js device'
    return refuse(`there is no addon for ${platform} in ${root}`, hint, cause)
  }
  try {
    return { addon: require(path) as Addon, path }
  } catch (cause) {
    return refuse(
      `the addon ${path} does not load: ${(cause as Error).message.split('\n')[0]}`,
      `the file is damaged or made for another system: ${isCheckout ? 'rebuild it with: npm run build:native' : 'reinstall gradus'}`,
      cause,
    )
  }
}

function chooseThreads(environment: Environment, facts: { affinity: number; quota: number }): [number, string] {
  if (environment.threads) return [environment.threads.count, environment.threads.source]
  if (facts.quota > 0 && facts.quota < facts.affinity) return [facts.quota, "the container's CPU quota"]
  return [facts.affinity, 'processors this process may use']
}

/** Loads and sets up the addon. Never throws: what went wrong is part of the answer. */
export function loadNative(environment: Environment, limit: number): Loaded {
  const loaded = load(environment)
  if ('error' in loaded) return loaded
  const { addon, path } = loaded
  if (typeof addon.facts !== 'function' || addon.hash !== kernelsHash)
    return refuse(
      `the addon ${path} is of another build than the JavaScript`,
      isCheckout ? 'rebuild both: npm run build' : 'reinstall gradus',
    )
  const facts = addon.facts()
  const isa = environment.isa ?? facts.available.at(-1)!
  if (!facts.available.includes(isa)) {
    const why = facts.built.includes(isa) ? 'this CPU cannot run it' : 'this build does not have it'
    return refuse(`GRADUS_ISA=${isa}: ${why}`, `available: ${facts.available.join(', ')}`)
  }
  const [count, threadsWhy] = chooseThreads(environment, facts)
  const threads = addon.configure(count, environment.check, limit)
  if (environment.failAllocation) addon.failAllocation(environment.failAllocation)
  return { native: { addon, path, isa, available: facts.available, threads, threadsWhy } }
}

/** The accounts of the process, which the addon keeps for all workers. */
export function sharedAccounts({ addon }: Native): Accounts {
  return {
    reserve(change, outside) {
      const [held, limit, heldByAll, limitOfAll] = addon.reserve(change, outside)
      return { held, limit, heldByAll, limitOfAll }
    },
    limitTo: (bytes, outside) => addon.limitMemory(bytes, outside),
    watch: () => new addon.Watch(),
    collect() {
      addon.collect()
      return true
    },
  }
}
