/** How far a native kernel may be from its JS twin on equal inputs. Each family of ops says it beside its JS kernels. */
import type { Buf } from '../dtype.js'
import type { JsKernels, Strided } from './js.js'

/** The arguments of a call by name, as they were before it. */
export interface Arguments {
  /** An operand in row-major order. */
  values(name: string): Float64Array
  /** An operand as the kernel sees it. */
  strided(name: string): Strided
  number(name: string): number
  readonly kernels: JsKernels
}

/** The largest absolute error of element `i`, whose value on the js device is `v`. */
export type Allowed = (i: number, v: number) => number
/** An allowance for the named output, from the inputs. A kernel without one gives equal bits. */
export type Tolerance = (call: Arguments, output: string) => Allowed

/** The rounding error of a float32 operation, relative to its result. */
export const eps: number = 2 ** -24
export const smallestNormal: number = 2 ** -126

/** The distance of a float32 value to the next. */
export function ulpOf(v: number): number {
  const size = Math.abs(v)
  if (!(size >= smallestNormal)) return 2 ** -149
  if (size === Number.POSITIVE_INFINITY) return 2 ** 104
  let exponent = Math.floor(Math.log2(size))
  if (2 ** exponent > size) exponent-- // log2 rounds up just below a power of two
  return 2 ** (exponent - 23)
}

/**
 * `n` units in the last place. For functions of native/simd/math.h that is their bound there and ½, by which the JS value
 * was rounded. Results below 2⁻¹²⁶ may be flushed to 0 natively, so one just above may be as well.
 */
export function ulp(n: number): Tolerance {
  return () => (_, v) => allowedUlp(n, v)
}

export function allowedUlp(n: number, v: number): number {
  return Math.abs(v) < smallestNormal * (1 + n * 2 ** -23) ? smallestNormal * (1 + n * 2 ** -23) : n * ulpOf(v)
}

/** ULP, and an absolute error from the inputs where a composed function cancels. */
export function ulpAnd<const Names extends readonly string[]>(
  n: number,
  names: Names,
  floor: (...values: number[]) => number,
): Tolerance {
  return call => {
    const inputs = names.map(name => call.values(name))
    return (i, v) => allowedUlp(n, v) + floor(...inputs.map(values => values[i]))
  }
}

/** An allowance that is infinite or undefined would allow everything. */
export function finite(v: number): number {
  return Number.isFinite(v) ? v : 0
}

/** An operand's absolute values, in double precision. */
export function absolute(x: Strided): Strided {
  return { ...x, data: Float64Array.from(x.data, Math.abs) }
}

/** The longest chain of float32 additions in native sums: `chainLength` of native/kernels/sums.h. */
const chainLength = 64

/**
 * 4·ε·√count·Σ|aᵢbᵢ|: rounding errors of random sign add up like √count; 4 covers the few that a short sum has, and the
 * lanes' final tree. Chains go on in float64, so beyond `chain` terms the error does not grow; that of 64 equal terms,
 * whose rounding errors all point one way, is within the bound as well.
 */
export function sumError(count: number, total: number, chain: number = chainLength): number {
  return 4 * eps * Math.sqrt(Math.min(count, chain)) * total
}

const tiny = (v: number): boolean => Math.abs(v) < smallestNormal

/** The error of a native value, if it is beyond what is allowed; 0 if it is not. Subnormals count as 0. */
export function errorBeyond(native: number, js: number, allowed: number | 'exact'): number {
  if (Object.is(native, js)) return 0
  if (tiny(native) && tiny(js) && (native !== 0 || js !== 0 || allowed !== 'exact')) return 0
  if (Number.isNaN(native) || Number.isNaN(js)) return Number.POSITIVE_INFINITY
  // ∞ is what comes after the largest float32.
  const size = (v: number): number => Math.max(-(2 ** 128), Math.min(2 ** 128, v))
  const error = Math.abs(size(native) - size(js))
  if (allowed === 'exact') return error || 2 ** -149
  return error <= allowed ? 0 : error
}

/** A copy in which subnormal float32 values are 0, as native kernels see them. */
export function flushed(data: Buf): Buf {
  return data instanceof Float32Array ? data.map(v => (tiny(v) ? v * 0 : v)) : data
}
