/** Seeded random inputs. The seed is printed; GRADUS_SEED=n repeats a run. */
import type { Buf, DType } from '../../lib/dtype.js'
import { dtypes } from '../../lib/dtype.js'
import { sizeOf } from '../../lib/shape.js'

export const seed: number = Number(process.env['GRADUS_SEED'] ?? Date.now() % 1_000_000)

/** Lengths around the lanes of the vector units: 4, 8 and 16; and nothing, and one. */
export const lanes: readonly number[] = [0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17]

export type Random = () => number

/** Uniform numbers in [0, 1) from the seed and a name: mulberry32 (Ettinger), started from an FNV-1a hash. */
export function randomFor(name: string): Random {
  let state = 2166136261 ^ seed
  for (const byte of Buffer.from(name)) state = Math.imul(state ^ byte, 16777619)
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** What a case gives to an op: a shape, a dtype, and how its values are made. */
export interface Input {
  readonly shape: readonly number[]
  readonly dtype: DType
  data(random: Random): Buf
}

export interface Range {
  readonly low?: number
  readonly high?: number
  /** Points where the op has no derivative; values keep away from them. `whole`: all integers, `half`: all halves. */
  readonly kinks?: readonly number[] | 'whole' | 'half'
}

/** Differences step 1e-6 to each side, so this is far away. */
const away = 0.02

function clear(v: number, kinks: Range['kinks'] = []): number {
  const near = kinks === 'whole' ? [Math.round(v)] : kinks === 'half' ? [Math.round(v - 0.5) + 0.5] : kinks
  const kink = near.find(k => Math.abs(v - k) < away)
  return kink === undefined ? v : kink + (v < kink ? -away : away) * 2
}

/** Random floats, from −2 to 2 unless given. */
export function real(shape: readonly number[], { low = -2, high = 2, kinks }: Range = {}): Input {
  return input(shape, 'float32', random => clear(low + (high - low) * random(), kinks))
}

/** Random int32 from `low` up to, not including, `high`. */
export function whole(shape: readonly number[], low = -9, high = 10): Input {
  return input(shape, 'int32', random => low + Math.floor((high - low) * random()))
}

/** Random bools. */
export function truth(shape: readonly number[]): Input {
  return input(shape, 'bool', random => Number(random() < 0.5))
}

function input(shape: readonly number[], dtype: DType, value: (random: Random) => number): Input {
  return {
    shape,
    dtype,
    data: random =>
      array(
        dtype,
        Array.from({ length: sizeOf(shape) }, () => value(random)),
      ),
  }
}

function array(dtype: DType, list: readonly number[]): Buf {
  const data = new dtypes[dtype].array(list.length)
  data.set(list)
  return data
}

type Numbers = number | boolean | readonly Numbers[]

/** Given values. */
export function values(nested: Numbers, dtype: DType = 'float32', shape: readonly number[] = shapeOf(nested)): Input {
  const list = flatten(nested)
  return { shape, dtype, data: () => array(dtype, list) }
}

function flatten(nested: Numbers): number[] {
  return Array.isArray(nested) ? nested.flatMap(flatten) : [Number(nested)]
}

function shapeOf(nested: Numbers): number[] {
  return Array.isArray(nested) ? [nested.length, ...(nested.length ? shapeOf(nested[0]) : [])] : []
}

/** Where functions of floats go wrong: not numbers, infinities, signed zeros, subnormals, huge, tiny, edges of exp. */
const edges = [
  Number.NaN,
  Infinity,
  -Infinity,
  0,
  -0,
  1e-40,
  -1e-40,
  2 ** -126,
  1,
  -1,
  0.5,
  -2.5,
  3e38,
  -3e38,
  1e-30,
  -1e-30,
  88.5,
  -88.5,
  1e10,
  -104,
  89,
]

export const special: Input = values(edges)
/** Every pair of such values. */
export const specialPairs: readonly [Input, Input] = [
  values(edges.flatMap(a => edges.map(() => a))),
  values(edges.flatMap(() => edges)),
]

/** A random shape of the given rank with sizes up to `most`, decided when the tests are listed. */
export function anyShape(name: string, rank: number, most = 6): number[] {
  const random = randomFor(name)
  return Array.from({ length: rank }, () => 1 + Math.floor(random() * most))
}
