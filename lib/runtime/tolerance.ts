/** How far each native kernel may be from its JS twin on equal inputs, and why. */
import type { Buf } from '../dtype.js'
import type { JsKernels, Strided } from './js.js'
import type { Kernels } from './kernels.js'

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
/** `exact`: equal bits. Else an allowance for the named output, from the inputs. */
export type Tolerance = 'exact' | ((call: Arguments, output: string) => Allowed)

/** The rounding error of a float32 operation, relative to its result. */
const eps = 2 ** -24
const smallestNormal = 2 ** -126

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
function ulp(n: number): Tolerance {
  return () => (_, v) => allowedUlp(n, v)
}
function allowedUlp(n: number, v: number): number {
  return Math.abs(v) < smallestNormal * (1 + n * 2 ** -23) ? smallestNormal * (1 + n * 2 ** -23) : n * ulpOf(v)
}

/** ULP, and an absolute error from the inputs where a composed function cancels. */
function ulpAnd<const Names extends readonly string[]>(
  n: number,
  names: Names,
  floor: (...values: number[]) => number,
): Tolerance {
  return call => {
    const inputs = names.map(name => call.values(name))
    return (i, v) => allowedUlp(n, v) + floor(...inputs.map(values => values[i]))
  }
}

const absolute = (x: Strided): Strided => ({ ...x, data: Float64Array.from(x.data, Math.abs) })

// ---- sums: c·ε·√K·Σ|aᵢbᵢ| --------------------------------------------------------------------------------------------

/** Rounding errors of random sign add up like √K; 4 covers the few that a short sum has, and the lanes' final tree. */
function sumError(count: number, total: number): number {
  return 4 * eps * Math.sqrt(count) * total
}

function reducedCount(x: Strided, kept: number): number {
  return x.dims.slice(kept).reduce((n, dim) => n * dim, 1)
}

const sums: Tolerance = call => {
  const [x, kept, divisor] = [call.strided('x'), call.number('kept'), call.number('divisor')]
  if (x.data instanceof Int32Array) return () => 0
  const totals = new Float64Array(x.dims.slice(0, kept).reduce((n, dim) => n * dim, 1))
  call.kernels.sum(absolute(x), totals, kept, divisor)
  const count = reducedCount(x, kept)
  return (i, v) => allowedUlp(1, v) + sumError(count, totals[i])
}

// A product's relative error is the sum of those of its steps. They are not random: (1 + m·2⁻²³)·(1 − n·2⁻²⁴) is just below
// a tie for odd n, so products of numbers near 1 round down more often than up.
const products: Tolerance = call => {
  const x = call.strided('x')
  if (x.data instanceof Int32Array) return () => 0
  const count = reducedCount(x, call.number('kept'))
  return (_, v) => allowedUlp(1, v) + finite(eps * count * Math.abs(v))
}

const matrixProducts: Tolerance = call => {
  const [a, b] = [call.strided('a'), call.strided('b')]
  if (a.data instanceof Int32Array) return () => 0
  const [m, k] = a.dims.slice(-2)
  const n = b.dims[b.dims.length - 1]
  const batches = a.dims.slice(0, -2).reduce((size, dim) => size * dim, 1)
  const totals = new Float64Array(batches * m * n)
  call.kernels.matmul(absolute(a), absolute(b), totals)
  return (i, v) => allowedUlp(1, v) + sumError(k, totals[i])
}

// ---- softmax and its relatives ---------------------------------------------------------------------------------------

/** Per slice of [outer, n, inner]: a statistic of its elements, spread back over them. */
function perSlice(call: Arguments, statistic: (at: (k: number) => number, n: number) => number): (i: number) => number {
  const [outer, n, inner] = ['outer', 'n', 'inner'].map(name => call.number(name))
  const results = new Float64Array(outer * inner)
  for (let o = 0; o < outer; o++)
    for (let j = 0; j < inner; j++) results[o * inner + j] = statistic(k => (o * n + k) * inner + j, n)
  return i => results[Math.floor(i / (n * inner)) * inner + (i % inner)]
}

function largest(x: Float64Array): (at: (k: number) => number, n: number) => number {
  return (at, n) => {
    let m = Number.NEGATIVE_INFINITY
    for (let k = 0; k < n; k++) m = Math.max(m, x[at(k)])
    return m
  }
}

function total(f: (i: number) => number): (at: (k: number) => number, n: number) => number {
  return (at, n) => {
    let s = 0
    for (let k = 0; k < n; k++) s += f(at(k))
    return s
  }
}

/** Relative error of Σ exp: 2 for exp (1.5 ULP) and for the rounding of each x − m, which t·e⁻ᵗ ≤ 0.4 keeps small. */
const sumOfExponentials = (n: number): number => eps * (6 + 4 * Math.sqrt(n))

// x − m is rounded, so its exponential is off by |x − m|·ε; then a quotient of two such.
const softmaxError: Tolerance = call => {
  const x = call.values('x')
  const m = perSlice(call, largest(x))
  const n = call.number('n')
  return (i, v) => allowedUlp(2, v) + Math.abs(v) * (eps * Math.abs(x[i] - m(i)) + sumOfExponentials(n))
}

// x − m − log s: each difference rounded, and the relative error of s.
const logSoftmaxError: Tolerance = call => {
  const x = call.values('x')
  const m = perSlice(call, largest(x))
  const n = call.number('n')
  return (i, v) => allowedUlp(1, v) + 2 * eps * Math.abs(x[i] - m(i)) + sumOfExponentials(n) + 2 * eps * Math.log(n + 1)
}

// y·(g − Σ g·y)
const softmaxGradError: Tolerance = call => {
  const [g, y] = [call.values('g'), call.values('y')]
  const size = perSlice(
    call,
    total(i => Math.abs(g[i] * y[i])),
  )
  const n = call.number('n')
  return (i, v) => allowedUlp(2, v) + Math.abs(y[i]) * (sumError(n, size(i)) + 2 * eps * Math.abs(g[i]))
}

// g − exp(y)·Σ g
const logSoftmaxGradError: Tolerance = call => {
  const [g, y] = [call.values('g'), call.values('y')]
  const size = perSlice(
    call,
    total(i => Math.abs(g[i])),
  )
  const n = call.number('n')
  return (i, v) => allowedUlp(2, v) + Math.exp(y[i]) * (sumError(n, size(i)) + 4 * eps * size(i))
}

// loss = logSum − (1 − s)·(x[t] − top) − s/C·Σ (x − top)
const crossEntropyError: Tolerance = (call, output) => {
  if (output === 'top') return () => 0
  const [x, target] = [call.values('x'), call.values('target')]
  const [n, classes, smoothing] = [call.number('n'), call.number('classes'), call.number('smoothing')]
  const ofLogSum = 4 * eps * Math.log(classes + 1) + sumOfExponentials(classes)
  const errors = Float64Array.from({ length: n }, (_, r) => {
    const row = x.subarray(r * classes, (r + 1) * classes)
    const top = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
    const size = row.reduce((s, v) => s + Math.abs(v - top), 0)
    const chosen = Math.abs((row[target[r]] ?? top) - top)
    return 4 * eps * chosen + (smoothing / classes) * (sumError(classes, size) + 4 * eps * size)
  })
  return (i, v) => allowedUlp(1, v) + ofLogSum + (output === 'loss' ? errors[i] : 0)
}

// g·(exp(x − top − logSum) − onehot − s/C), in three rounded terms.
const crossEntropyGradError: Tolerance = call => {
  const [g, x, top, logSum] = ['g', 'x', 'top', 'logSum'].map(name => call.values(name))
  const classes = call.number('classes')
  return (i, v) => {
    const row = Math.floor(i / classes)
    const t = x[i] - top[row] - logSum[row]
    const ofArgument = Math.abs(x[i] - top[row]) + Math.abs(t)
    return allowedUlp(2, v) + Math.abs(g[row]) * eps * (Math.exp(t) * (ofArgument + 6) + 8)
  }
}

// ---- elementwise, composed -------------------------------------------------------------------------------------------

const logistic = (x: number): number => 1 / (1 + Math.exp(-x))
const density = (x: number): number => 0.4 * Math.exp(-0.5 * x * x)
/** The argument of the tanh form of gelu, twice. */
const geluArgument = (x: number): number => 1.6 * Math.abs(x + 0.044715 * x ** 3)

/** c·eps for what is finite; an infinite or undefined allowance would allow everything. */
const finite = (v: number): number => (Number.isFinite(v) ? v : 0)

// ---- optimizer steps -------------------------------------------------------------------------------------------------

/** Error of d = g + decay·w, which may cancel. */
const decayed = (g: number, w: number, decay: number): number => 2 * eps * (Math.abs(g) + Math.abs(decay * w))

const sgdError: Tolerance = (call, output) => {
  if (output === 'time') return () => 0
  const [w, g, velocity] = ['w', 'g', 'velocity'].map(name => call.values(name))
  const [rate, momentum, decay] = ['rate', 'momentum', 'decay'].map(name => call.number(name))
  return i => {
    const d = Math.abs(g[i]) + Math.abs(decay * w[i])
    const v = momentum ? Math.abs(momentum * velocity[i]) + d : d
    const ofDirection = decayed(g[i], w[i], decay) + 8 * eps * v
    return output === 'velocity'
      ? ofDirection
      : 2 * eps * Math.abs(w[i]) + Math.abs(rate) * (2 * ofDirection + 8 * eps * v)
  }
}

const adamError: Tolerance = (call, output) => {
  if (output === 'time') return () => 0
  const [w, g, m, v, peak] = ['w', 'g', 'm', 'v', 'peak'].map(name => call.values(name))
  const n = Object.fromEntries(
    ['rate', 'beta1', 'beta2', 'epsilon', 'decay', 'decoupled', 'rawEpsilon'].map(name => [name, call.number(name)]),
  )
  const t = call.values('time')[0] + 1
  const [correct1, correct2] = [1 - n.beta1 ** t, Math.sqrt(1 - n.beta2 ** t)]
  const coupled = n.decoupled ? 0 : n.decay
  return i => {
    const d = g[i] + coupled * w[i]
    const ofD = decayed(g[i], w[i], coupled)
    const ofM = (1 - n.beta1) * ofD + 4 * eps * (Math.abs(n.beta1 * m[i]) + Math.abs((1 - n.beta1) * d))
    const second = n.beta2 * v[i] + (1 - n.beta2) * d * d
    const ofV = 2 * (1 - n.beta2) * Math.abs(d) * ofD + 6 * eps * second
    if (output === 'm') return ofM
    if (output === 'v' || output === 'peak') return ofV + 2 * eps * (peak[i] ?? 0)
    const used = Math.max(second, peak[i] ?? 0)
    const root = Math.sqrt(used) / (n.rawEpsilon ? 1 : correct2) + n.epsilon
    const step = (n.rawEpsilon ? n.rate * correct2 : n.rate) / correct1
    const first = n.beta1 * m[i] + (1 - n.beta1) * d
    const ofUpdate = (step / root) * (ofM + Math.abs(first) * (finite(ofV / (2 * used)) + 8 * eps))
    return 4 * eps * Math.abs(w[i]) + ofUpdate
  }
}

// ---- the table -------------------------------------------------------------------------------------------------------

export const tolerances: { readonly [K in keyof Kernels<unknown, unknown>]: Tolerance } = {
  // One operation, rounded once on both devices: float64 results of + − × ÷ √ round to the same float32.
  neg: 'exact',
  abs: 'exact',
  sign: 'exact',
  square: 'exact',
  floor: 'exact',
  ceil: 'exact',
  round: 'exact',
  sqrt: 'exact',
  reciprocal: 'exact',
  relu: 'exact',
  reluGrad: 'exact',
  clamp: 'exact',
  clampGrad: 'exact',
  expGrad: 'exact',
  logGrad: 'exact',
  sqrtGrad: 'exact',
  add: 'exact',
  sub: 'exact',
  mul: 'exact',
  div: 'exact',
  leakyRelu: 'exact',
  leakyReluGrad: 'exact',
  // Single functions: the bounds of math.h, and ½ for the rounding of the JS value.
  exp: ulp(2),
  expm1: ulp(2.5),
  log: ulp(1.5),
  log1p: ulp(2.5),
  sin: ulp(2.5),
  cos: ulp(2.5),
  tanh: ulp(2.5),
  sigmoid: ulp(3.5),
  softplus: ulp(2.5),
  erf: ulp(2.5),
  pow: call => (call.strided('a').data instanceof Int32Array ? () => 0 : (_, v) => allowedUlp(3, v)),
  remainder: 'exact',
  // Two or three operations, each rounded; factors have no cancellation.
  rsqrt: ulp(2),
  rsqrtGrad: ulp(3),
  expm1Grad: ulp(2),
  log1pGrad: ulp(2),
  reciprocalGrad: ulp(2),
  sigmoidGrad: ulp(3),
  elu: ulp(3.5),
  eluGrad: ulp(4),
  sinGrad: ulp(4),
  cosGrad: ulp(4),
  softplusGrad: ulp(4.5),
  // g·(1 − y²): y² is rounded before it cancels against 1.
  tanhGrad: ulpAnd(2, ['g'], g => 2 * eps * Math.abs(g)),
  // e^(−x²) has the rounding of x² as a relative error.
  erfGrad: ulpAnd(4, ['g', 'v'], (g, x) => finite(Math.abs(g) * eps * 2 * x * x * Math.exp(-x * x))),
  // x·Φ(x) with Φ = (1 + erf)/2, which cancels on the left: absolute error of erf there is that of a number near 1.
  gelu: ulpAnd(4, ['x'], x => finite(4 * eps * Math.abs(x))),
  geluGrad: ulpAnd(4, ['g', 'v'], (g, x) => finite(Math.abs(g) * eps * (8 + Math.abs(x) * density(x) * (x * x + 8)))),
  // σ of an argument z with a relative error of 3ε is off by |z|·3ε, relatively.
  geluTanh: call => {
    const x = call.values('x')
    return (i, v) => allowedUlp(6, v) + finite(Math.abs(v) * eps * 4 * geluArgument(x[i]))
  },
  geluTanhGrad: ulpAnd(6, ['g', 'v'], (g, x) => {
    const [p, z] = [logistic(1.6 * (x + 0.044715 * x ** 3)), geluArgument(x)]
    const slope = 1.6 * (1 + 0.134145 * x * x)
    return finite(Math.abs(g) * eps * (p * (4 * z + 8) + Math.abs(x) * slope * p * ((1 - p) * (4 * z + 12) + 2)))
  }),
  // e⁻ˣ overflows where σ < 2⁻¹²⁶, and then |x| times as much of the product is lost.
  silu: ulpAnd(5, ['x'], x => finite(2 * Math.abs(x) * smallestNormal)),
  siluGrad: ulpAnd(4, ['g', 'v'], (g, x) =>
    finite(Math.abs(g) * (eps * logistic(x) * (8 + 8 * Math.abs(x)) + 2 * Math.abs(x) * smallestNormal)),
  ),
  bceWithLogits: ulpAnd(3, ['x', 'target'], (x, t) => finite(4 * eps * (Math.abs(x) + Math.abs(x * t)))),
  bceWithLogitsGrad: ulpAnd(2, ['g', 'x', 'target'], (g, x, t) =>
    finite(Math.abs(g) * eps * (8 * logistic(x) + 2 * Math.abs(t))),
  ),
  // Tests, choices, moves, conversions, indices: bits.
  isNaN: 'exact',
  isFinite: 'exact',
  logicalNot: 'exact',
  maximum: 'exact',
  minimum: 'exact',
  logicalAnd: 'exact',
  logicalOr: 'exact',
  logicalXor: 'exact',
  equal: 'exact',
  notEqual: 'exact',
  less: 'exact',
  lessEqual: 'exact',
  greater: 'exact',
  greaterEqual: 'exact',
  where: 'exact',
  copy: 'exact',
  assign: 'exact',
  fill: 'exact',
  arange: 'exact',
  toFloat32: 'exact',
  toInt32: 'exact',
  toBool: 'exact',
  toFloat64: 'exact',
  max: 'exact',
  min: 'exact',
  argmax: 'exact',
  argmin: 'exact',
  any: 'exact',
  all: 'exact',
  gather: 'exact',
  indexSelect: 'exact',
  oneHot: 'exact',
  nonzero: 'exact',
  // Sums in the order of the indices on both devices, in float32.
  scatterAdd: 'exact',
  indexAdd: 'exact',
  // A running sum in float64, in order on both devices.
  cumsum: 'exact',
  sum: sums,
  prod: products,
  // A product in float64, divided by one factor: a few float64 roundings, then one.
  prodGrad: ulp(1),
  matmul: matrixProducts,
  softmax: softmaxError,
  softmaxGrad: softmaxGradError,
  logSoftmax: logSoftmaxError,
  logSoftmaxGrad: logSoftmaxGradError,
  crossEntropy: crossEntropyError,
  crossEntropyGrad: crossEntropyGradError,
  // The same integer and float64 steps in the same order.
  uniform: 'exact',
  normal: 'exact',
  randint: 'exact',
  dropout: 'exact',
  sgdStep: sgdError,
  adamStep: adamError,
  // Halving is exact and the sum is rounded once.
  probe: 'exact',
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
