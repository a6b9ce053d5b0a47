/** Settings from the environment, read once. */
import { resolve } from 'node:path'
import { OptionError } from '../errors.js'

function choice<T extends string>(name: string, known: readonly T[]): T | undefined {
  const value = process.env[name]
  if (!value) return undefined
  if ((known as readonly string[]).includes(value)) return value as T
  throw new OptionError(name, `unknown value '${value}'`, `use ${known.join(', ')}`)
}

function positive(name: string): number | undefined {
  const value = process.env[name]
  if (!value) return undefined
  if (/^[1-9]\d*$/.test(value)) return Number(value)
  throw new OptionError(name, `expected a whole number above 0, got '${value}'`)
}

/** A number for other software too, which may hold a list or a word: the first number counts, or nothing. */
function openMpThreads(): number | undefined {
  const number = Number.parseInt(process.env['OMP_NUM_THREADS'] ?? '', 10)
  return number > 0 ? number : undefined
}

const flag = (name: string): boolean =>
  process.env[name] !== undefined && process.env[name] !== '0' && process.env[name] !== ''

export interface Environment {
  /** `GRADUS_DEVICE`: the default device. */
  readonly device: 'native' | 'js' | undefined
  /** `GRADUS_ISA`: the instruction set of the native kernels; above the machine's, an error. */
  readonly isa: 'baseline' | 'avx2' | 'avx512' | 'neon' | undefined
  /** `GRADUS_NUM_THREADS`, else `OMP_NUM_THREADS`. */
  readonly threads: { readonly count: number; readonly source: string } | undefined
  /** `GRADUS_SYNC=1`: every command runs at once. */
  readonly sync: boolean
  /** `GRADUS_CHECK=1`: red zones around buffers, new buffers filled with NaN. */
  readonly check: boolean
  /** `GRADUS_DEBUG=1`: errors and the report of live tensors name the line that issued the operation. */
  readonly debug: boolean
  /** `GRADUS_FAIL_ALLOC=n`: the n-th allocation fails. */
  readonly failAllocation: number | undefined
  /** `GRADUS_NATIVE_PATH`: the addon's file, for bundles. */
  readonly nativePath: string | undefined
}

export function readEnvironment(): Environment {
  const own = positive('GRADUS_NUM_THREADS')
  const openMp = openMpThreads()
  return {
    device: choice('GRADUS_DEVICE', ['native', 'js']),
    isa: choice('GRADUS_ISA', ['baseline', 'avx2', 'avx512', 'neon']),
    threads: own
      ? { count: own, source: 'GRADUS_NUM_THREADS' }
      : openMp
        ? { count: openMp, source: 'OMP_NUM_THREADS' }
        : undefined,
    sync: flag('GRADUS_SYNC'),
    check: flag('GRADUS_CHECK'),
    debug: flag('GRADUS_DEBUG'),
    failAllocation: positive('GRADUS_FAIL_ALLOC'),
    nativePath: process.env['GRADUS_NATIVE_PATH'] ? resolve(process.env['GRADUS_NATIVE_PATH']) : undefined,
  }
}
