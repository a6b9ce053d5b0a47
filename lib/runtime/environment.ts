/** Settings from the environment, read once. */
import { resolve } from 'node:path'
import { OptionError } from '../errors.js'

function choice<T extends string>(name: string, known: readonly T[]): T | undefined {
  const value = process.env[name]
  if (!value) return undefined
  if ((known as readonly string[]).includes(value)) return value as T
  throw new OptionError(name, `unknown value '${value}'`, `use ${known.join(', ')}`)
}

const mostThreads = 1024

function count(name: string, most: number): number | undefined {
  const value = process.env[name]
  if (!value) return undefined
  if (/^[1-9]\d*$/.test(value) && Number(value) <= most) return Number(value)
  throw new OptionError(name, `expected a whole number from 1 to ${most}, got '${value}'`)
}

/** A number for other software too, which may hold a list or a word: the first number counts, or nothing. */
function openMpThreads(): number | undefined {
  const name = 'OMP_NUM_THREADS'
  const number = Number.parseInt(process.env[name] ?? '', 10)
  if (number > mostThreads)
    throw new OptionError(name, `expected at most ${mostThreads} threads, got '${process.env[name]}'`)
  return number > 0 ? number : undefined
}

const flags: Readonly<Record<string, boolean>> = {
  1: true,
  true: true,
  yes: true,
  on: true,
  0: false,
  false: false,
  no: false,
  off: false,
}

function flag(name: string): boolean {
  const value = process.env[name]
  if (!value) return false
  if (Object.hasOwn(flags, value.toLowerCase())) return flags[value.toLowerCase()]
  throw new OptionError(name, `unknown value '${value}'`, `use 1 or 0 (or ${Object.keys(flags).slice(2).join(', ')})`)
}

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
  const own = count('GRADUS_NUM_THREADS', mostThreads)
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
    failAllocation: count('GRADUS_FAIL_ALLOC', Number.MAX_SAFE_INTEGER),
    nativePath: process.env['GRADUS_NATIVE_PATH'] ? resolve(process.env['GRADUS_NATIVE_PATH']) : undefined,
  }
}
