/** Formulas of elementwise JS kernels.                                       twin: native/kernels/functions.h */

export function roundEven(x: number): number {
  const r = Math.round(x)
  return Math.abs(x % 1) === 0.5 && r % 2 !== 0 ? r - 1 : r
}

export function logistic(x: number): number {
  return 1 / (1 + Math.exp(-x))
}

export function siluSlope(x: number): number {
  const s = logistic(x)
  return s * (1 + x * (1 - s))
}

export const twoOverRootPi: number = 2 / Math.sqrt(Math.PI)

/** 2/√π·e^(−x²)·Σ 2ⁿx²ⁿ⁺¹/(2n+1)!!, whose terms are all positive; ±1 where float64 cannot tell it from 1. */
export function errorFunction(x: number): number {
  if (Number.isNaN(x)) return x
  if (Math.abs(x) > 6) return Math.sign(x)
  let term = x
  let sum = x
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1)
    sum += term
  }
  return twoOverRootPi * Math.exp(-x * x) * sum
}

export function normalDensity(x: number): number {
  return Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI)
}

/** Φ(x); far left by the continued fraction of Laplace, since 1 + erf would lose all digits there. */
export function normalCdf(x: number): number {
  if (x > -3) return 0.5 * (1 + errorFunction(x * Math.SQRT1_2))
  let fraction = 0
  for (let k = 60; k >= 1; k--) fraction = k / (-x + fraction)
  return normalDensity(x) / (-x + fraction)
}

/** The form of GPT-2: Φ(x) ≈ σ(2·√(2/π)·(x + 0.044715·x³)). */
export const tanhScale: number = Math.sqrt(2 / Math.PI)

export function tanhCdf(x: number): number {
  return logistic(tanhArgument(x))
}

export function tanhArgument(x: number): number {
  return 2 * tanhScale * (x + 0.044715 * x ** 3)
}

export function geluTanhSlope(x: number): number {
  const p = tanhCdf(x)
  const z = Math.max(-16, Math.min(16, x)) // p(1 − p) is 0 there; without it, infinite x would give 0·∞
  return p + z * p * (1 - p) * 2 * tanhScale * (1 + 3 * 0.044715 * z * z)
}

export function modulo(a: number, b: number): number {
  const r = a % b
  if (Number.isNaN(r)) return r
  if (r === 0) return b < 0 ? -0 : 0
  return r < 0 !== b < 0 ? (Math.abs(b) === Number.POSITIVE_INFINITY ? b : r + b) : r
}

/** C's pow: 1 to anything is 1, and so is −1 to ±∞; JavaScript says NaN. */
export function power(a: number, b: number): number {
  return a === 1 || (a === -1 && Math.abs(b) === Number.POSITIVE_INFINITY) ? 1 : a ** b
}

export function intPower(base: number, exponent: number): number {
  if (exponent < 0) return base === 1 ? 1 : base === -1 ? (exponent % 2 ? -1 : 1) : 0
  let result = 1
  for (let a = base, e = exponent; e > 0; e = Math.floor(e / 2)) {
    if (e % 2) result = Math.imul(result, a)
    a = Math.imul(a, a)
  }
  return result
}
