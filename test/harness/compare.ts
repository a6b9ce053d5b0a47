/** Comparisons that say where, what and by how much. */
import { expect } from 'vitest'
import { ulpOf } from '../../lib/runtime/tolerance.js'

type Numbers = ArrayLike<number>

function report(what: string, i: number, got: number, wanted: number, allowed: number): never {
  throw new Error(`${what}: element ${i} is ${got}, expected ${wanted} ± ${allowed}`)
}

/** Equal bits; subnormals count as zero, and any NaN is like any other. */
export function sameBits(what: string, got: Numbers, wanted: Numbers): void {
  expect(got.length, `${what}: length`).toBe(wanted.length)
  const flushed = (v: number) => (Math.abs(v) < 2 ** -126 ? v * 0 : v)
  for (let i = 0; i < got.length; i++)
    if (!Object.is(flushed(got[i]), flushed(wanted[i]))) report(what, i, got[i], wanted[i], 0)
}

/** Within `ulps` float32 units of the wanted value, and `floor` beside. Signs of zeros do not matter. */
export function within(what: string, got: Numbers, wanted: Numbers, ulps: number, floor = 0): void {
  expect(got.length, `${what}: length`).toBe(wanted.length)
  for (let i = 0; i < got.length; i++) {
    const [a, b] = [got[i], Math.fround(wanted[i])]
    if (a === b || (Number.isNaN(a) && Number.isNaN(b))) continue
    const allowed = ulps * ulpOf(b) + floor
    if (!(Math.abs(a - b) <= allowed)) report(what, i, a, wanted[i], allowed)
  }
}

/** Two ways to the same float64 value: `rounding` units of the largest number that went in or came out. */
export function agree(what: string, got: Numbers, wanted: Numbers, scale: number, rounding = 64): void {
  expect(got.length, `${what}: length`).toBe(wanted.length)
  const allowed = rounding * 2 ** -52 * Math.max(scale, largestOf(wanted))
  for (let i = 0; i < got.length; i++) {
    if (Object.is(got[i], wanted[i]) || got[i] === wanted[i]) continue
    if (!(Math.abs(got[i] - wanted[i]) <= allowed)) report(what, i, got[i], wanted[i], allowed)
  }
}

/** The largest finite size. */
export function largestOf(values: Numbers): number {
  return Array.from(values).reduce((m, v) => (Number.isFinite(v) ? Math.max(m, Math.abs(v)) : m), 0)
}

/** Nested expectations as a flat list. */
export function flat(nested: unknown): number[] {
  return [nested].flat(Number.POSITIVE_INFINITY).map(Number)
}
