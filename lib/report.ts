import { readFileSync } from 'node:fs'
import { availableParallelism, cpus } from 'node:os'
import { memory, nativePool } from './memory.js'
import { type Device, defaultDevice, environmentOnce, nativeOnce, streamOf } from './runtime/device.js'

/** What this installation is and can do. */
export interface SystemReport {
  readonly version: string
  /** The device of new tensors, or null if the wanted one is not there. */
  readonly device: Device | null
  readonly native: {
    readonly loaded: boolean
    /** Where the addon was loaded from, or why it was not, and what to do. */
    readonly path: string | null
    readonly problem: string | null
    readonly isa: string | null
    readonly available: readonly string[]
    readonly threads: number
    readonly threadsWhy: string | null
  }
  readonly memory: {
    readonly limit: number
    readonly used: number
    readonly pool: { live: number; idle: number } | null
  }
  readonly cpu: { readonly model: string; readonly processors: number }
  readonly node: string
  readonly platform: string
  /** Settings in the environment that are in force. */
  readonly environment: Readonly<Record<string, string>>
}

/** The version in package.json. */
export function version(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

function deviceOrProblem(): { device: Device | null; problem: string | null } {
  try {
    return { device: defaultDevice(), problem: null }
  } catch (error) {
    return { device: null, problem: (error as Error).message }
  }
}

/** Everything that `gradus doctor` prints. Loads the addon; throws only for a malformed environment variable. */
export function systemReport(): SystemReport {
  environmentOnce()
  const loaded = nativeOnce()
  const native = 'native' in loaded ? loaded.native : undefined
  const { device, problem } = deviceOrProblem()
  const heap = device ? streamOf(device).heap : undefined
  const used = Object.values(memory()).reduce((sum, m) => sum + (m?.bytes ?? 0), 0)
  return {
    version: version(),
    device,
    native: {
      loaded: native !== undefined,
      path: native?.path ?? null,
      problem: 'error' in loaded ? loaded.error.message : problem,
      isa: native?.isa ?? null,
      available: native?.available ?? [],
      threads: native?.threads ?? 1,
      threadsWhy: native?.threadsWhy ?? null,
    },
    memory: { limit: heap?.limit ?? 0, used, pool: nativePool() ?? null },
    cpu: { model: cpus()[0]?.model ?? 'unknown', processors: availableParallelism() },
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    environment: Object.fromEntries(
      Object.entries(process.env).filter(
        (e): e is [string, string] => e[0].startsWith('GRADUS_') || e[0] === 'OMP_NUM_THREADS',
      ),
    ),
  }
}
