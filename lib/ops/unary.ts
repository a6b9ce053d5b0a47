/** Elementwise functions of one value.                    twin: native/kernels/unary.def   cases: test/ops/unary.ts */
import { type Buf, type DType, floatOf, promote } from '../dtype.js'
import { checkOptions, describe, OptionError } from '../errors.js'
import type { Float, Into, Known, Numeric, With } from '../promotion.js'
import type { JsKernels } from '../runtime/js.js'
import { eps, finite, smallestNormal, type Tolerance, ulp, ulpAnd } from '../runtime/tolerance.js'
import type { Shape } from '../shape.js'
import type { Tensor } from '../tensor.js'
import { add, div, mul, sub } from './binary.js'
import { greater, greaterEqual, less, lessEqual, logicalAnd, logicalNot, where } from './compare.js'
import { aligned, apply, applyTo, cast, checkTensor, isTensor, kernels, type Rule, rule, scalar } from './define.js'
import {
  errorFunction,
  geluTanhSlope,
  logistic,
  normalCdf,
  normalDensity,
  roundEven,
  siluSlope,
  tanhArgument,
  tanhCdf,
  tanhScale,
  twoOverRootPi,
} from './functions.js'
import { map1, map2 } from './loops.js'
import { clone } from './movement.js'
import { expand } from './view.js'

/** A function that keeps the shape of its tensor. */
export type SameShape<Options extends unknown[] = [], Given extends DType = Float> = <D extends DType, S extends Shape>(
  x: Tensor<D, S>,
  ...options: Options
) => Tensor<Into<D, Given>, S>

/** The parameters of a function, `a` and `b` in its formula. */
interface Parameters {
  readonly a: number
  readonly b: number
}

/** A row: the function, and its derivative as a kernel and as a composition, or a gradient composed of ops. */
interface UnaryRow {
  /** The value, from the input. */
  f(x: number, a: number, b: number): number
  /** The value of an int32, where it differs: wrapping. */
  int?(x: number): number
  /** int32 stays int32; else it becomes float32. */
  readonly keepsInt?: true
  /** What the derivative is computed from. */
  readonly saves?: 'x' | 'y'
  /** The gradient kernel: from g and the saved value. */
  df?(g: number, v: number, a: number, b: number): number
  /** The same as a composition: dy/dx from the saved value. */
  slope?(v: Tensor, p: Parameters): Tensor
  /** Or of g too, where the slope alone may leave the range. */
  chain?(g: Tensor, v: Tensor): Tensor
  /** The whole gradient as a composition, where there is no gradient kernel. */
  grad?(g: Tensor, x: Tensor): Tensor
  /** How far the native kernels may be from `f` and `df`. Equal bits, if nothing is said. */
  readonly tolerance?: Tolerance
  readonly gradTolerance?: Tolerance
}

const none: Parameters = { a: 0, b: 0 }

/** Parameters in the precision of the data, so that a float32 value at a bound is at the bound on both devices. */
function rounded(y: Buf, a: number, b: number): [number, number] {
  return y instanceof Float32Array ? [Math.fround(a), Math.fround(b)] : [a, b]
}

function gradientRule(name: string, row: UnaryRow): Rule<Parameters> {
  const kernel = `${name}Grad` as 'expGrad'
  const js: JsKernels['expGrad'] = (g, v, dx, a, b) => {
    const [p, q] = rounded(dx, a, b)
    return map2(g, v, dx, (g, v) => row.df!(g, v, p, q))
  }
  kernels({ [kernel]: js }, { [kernel]: row.gradTolerance })
  return rule({
    name: kernel,
    strided: true,
    output: ([g]) => ({ shape: g.dims }),
    run: (k, inputs, dx, { a, b }) => {
      const [g, v] = aligned([...inputs, dx])
      k[kernel](g, v, dx, a, b)
    },
    definition: ([g, v], p) => (row.chain ? row.chain(g, v) : mul(g, row.slope!(v, p))),
  })
}

/** The op of a row: a function of a tensor and the row's parameters. */
function unary(name: string, row: UnaryRow): (x: Tensor, p?: Parameters) => Tensor {
  const kernel = name as 'exp'
  const js: JsKernels['exp'] = (x, y, a, b) => {
    const [p, q] = rounded(y, a, b)
    return map1(x, y, y instanceof Int32Array && row.int ? row.int : x => row.f(x, p, q))
  }
  kernels({ [kernel]: js }, { [kernel]: row.tolerance })
  const gradient = row.df && gradientRule(name, row)
  const saves = row.saves === 'y' ? { output: true } : { inputs: [0] }
  const self: Rule<Parameters> = rule({
    name,
    strided: true,
    output: ([x]) => ({ shape: x.dims }),
    run: (k, [x], y, { a, b }) => k[kernel](aligned([x, y])[0], y, a, b),
    saves,
    grad: (g, { inputs, y }, p) => [
      gradient ? apply(gradient, [g, row.saves === 'y' ? y : inputs[0]], p) : row.grad!(g, inputs[0]),
    ],
  })
  return (x, p = none) => {
    checkTensor(name, x)
    return applyTo(self, [x], [cast(x, row.keepsInt ? promote(x.dtype, 'int32') : floatOf(x.dtype))], p)
  }
}

/** The op as a public function without options. */
function plain(name: string, row: UnaryRow): SameShape<[]> {
  const run = unary(name, row)
  return (x => run(x)) as SameShape<[]>
}

/** Slopes are 0 wherever they exist, whatever comes from above. */
const flat = (g: Tensor): Tensor => expand(scalar(0, g.dtype, g.storage.stream), g.dims)

function number(op: string, name: string, value: unknown): number {
  if (typeof value === 'number' && !Number.isNaN(value)) return value
  const hint = isTensor(value) ? 'with tensors: maximum(), minimum(), where()' : undefined
  throw new OptionError(op, `${name} must be a number, got ${describe(value)}`, hint)
}

// ---- the table -------------------------------------------------------------------------------------------------------

/** −x. int32 wraps. */
export const neg: SameShape<[], Numeric> = plain('neg', { f: x => -x, keepsInt: true, grad: g => neg(g) })
/** |x|; its gradient at 0 is 0. */
export const abs: SameShape<[], Numeric> = plain('abs', {
  f: Math.abs,
  keepsInt: true,
  grad: (g, x) => mul(g, sign(x.detach())),
})
const signOf = plain('sign', { f: x => (x > 0 ? 1 : x < 0 ? -1 : 0), keepsInt: true, grad: flat })
/** −1, 0 or 1. The sign of −0 and of NaN is 0, that of a truth value itself. */
export const sign: SameShape<[], DType> = (x => (x?.dtype === 'bool' ? clone(x) : signOf(x))) as SameShape<[], DType>
/** x². */
export const square: SameShape<[], Numeric> = plain('square', {
  f: x => x * x,
  int: x => Math.imul(x, x),
  keepsInt: true,
  grad: (g, x) => mul(mul(g, x), 2),
})
/** The next lower whole number. */
export const floor: SameShape<[], Numeric> = plain('floor', { f: Math.floor, keepsInt: true, grad: flat })
/** The next higher whole number. */
export const ceil: SameShape<[], Numeric> = plain('ceil', { f: Math.ceil, keepsInt: true, grad: flat })
/** The nearest whole number; halves go to the even one. */
export const round: SameShape<[], Numeric> = plain('round', { f: roundEven, keepsInt: true, grad: flat })
/** eˣ. */
export const exp: SameShape<[]> = plain('exp', {
  f: Math.exp,
  saves: 'y',
  df: (g, y) => g * y,
  slope: y => y,
  tolerance: ulp(2),
})
/** eˣ − 1, exact near 0. */
export const expm1: SameShape<[]> = plain('expm1', {
  f: Math.expm1,
  saves: 'y',
  df: (g, y) => g * (y + 1),
  slope: y => add(y, 1),
  tolerance: ulp(2.5),
  gradTolerance: ulp(2),
})
/** The natural logarithm. */
export const log: SameShape<[]> = plain('log', {
  f: Math.log,
  saves: 'x',
  df: (g, x) => g / x,
  chain: (g, x) => div(g, x),
  tolerance: ulp(1.5),
})
/** log(1 + x), exact near 0. */
export const log1p: SameShape<[]> = plain('log1p', {
  f: Math.log1p,
  saves: 'x',
  df: (g, x) => g / (x + 1),
  chain: (g, x) => div(g, add(x, 1)),
  tolerance: ulp(2.5),
  gradTolerance: ulp(2),
})
/** √x. */
export const sqrt: SameShape<[]> = plain('sqrt', {
  f: Math.sqrt,
  saves: 'y',
  df: (g, y) => g / (2 * y),
  slope: y => div(0.5, y),
})
/** 1/√x. */
export const rsqrt: SameShape<[]> = plain('rsqrt', {
  f: x => 1 / Math.sqrt(x),
  saves: 'y',
  df: (g, y) => g * -0.5 * y * y * y,
  chain: (g, y) => mul(mul(mul(mul(g, -0.5), y), y), y),
  tolerance: ulp(2),
  gradTolerance: ulp(3),
})
/** 1/x. */
export const reciprocal: SameShape<[]> = plain('reciprocal', {
  f: x => 1 / x,
  saves: 'y',
  df: (g, y) => -g * y * y,
  chain: (g, y) => mul(mul(neg(g), y), y),
  gradTolerance: ulp(2),
})
/** Sine of x in radians. */
export const sin: SameShape<[]> = plain('sin', {
  f: Math.sin,
  saves: 'x',
  df: (g, x) => g * Math.cos(x),
  slope: x => cos(x),
  tolerance: ulp(2.5),
  gradTolerance: ulp(4),
})
/** Cosine of x in radians. */
export const cos: SameShape<[]> = plain('cos', {
  f: Math.cos,
  saves: 'x',
  df: (g, x) => -g * Math.sin(x),
  slope: x => neg(sin(x)),
  tolerance: ulp(2.5),
  gradTolerance: ulp(4),
})
/** The hyperbolic tangent. */
export const tanh: SameShape<[]> = plain('tanh', {
  f: Math.tanh,
  saves: 'y',
  df: (g, y) => g * (1 - y * y),
  slope: y => sub(1, square(y)),
  tolerance: ulp(2.5),
  // y² is rounded before it cancels against 1.
  gradTolerance: ulpAnd(2, ['g'], g => 2 * eps * Math.abs(g)),
})
/** σ(x) = 1/(1 + e⁻ˣ). */
export const sigmoid: SameShape<[]> = plain('sigmoid', {
  f: logistic,
  saves: 'y',
  df: (g, y) => g * y * (1 - y),
  chain: (g, y) => mul(mul(g, y), sub(1, y)),
  tolerance: ulp(3.5),
  gradTolerance: ulp(3),
})
/** max(x, 0); its gradient at 0 is 0. NaN stays NaN. */
export const relu: SameShape<[], Numeric> = plain('relu', {
  f: x => (x <= 0 ? 0 : x),
  keepsInt: true,
  saves: 'x',
  df: (g, x) => (x <= 0 ? 0 : g),
  slope: x => cast(logicalNot(lessEqual(x, 0)), x.dtype),
})
/** x·σ(x), also called swish. */
export const silu: SameShape<[]> = plain('silu', {
  f: x => x * logistic(x),
  saves: 'x',
  df: (g, x) => g * siluSlope(x),
  slope: x => mul(sigmoid(x), add(mul(x, sub(1, sigmoid(x))), 1)),
  // e⁻ˣ overflows where σ < 2⁻¹²⁶, and then |x| times as much of the product is lost.
  tolerance: ulpAnd(5, ['x'], x => finite(2 * Math.abs(x) * smallestNormal)),
  gradTolerance: ulpAnd(4, ['g', 'v'], (g, x) =>
    finite(Math.abs(g) * (eps * logistic(x) * (8 + 8 * Math.abs(x)) + 2 * Math.abs(x) * smallestNormal)),
  ),
})
/** log(1 + eˣ), without overflow. */
export const softplus: SameShape<[]> = plain('softplus', {
  f: x => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
  saves: 'x',
  df: (g, x) => g * logistic(x),
  slope: x => sigmoid(x),
  tolerance: ulp(2.5),
  gradTolerance: ulp(4.5),
})
/** The error function, 2/√π ∫₀ˣ e^(−t²) dt. */
export const erf: SameShape<[]> = plain('erf', {
  f: errorFunction,
  saves: 'x',
  df: (g, x) => g * twoOverRootPi * Math.exp(-x * x),
  slope: x => mul(exp(neg(square(x))), twoOverRootPi),
  tolerance: ulp(2.5),
  // e^(−x²) has the rounding of x² as a relative error.
  gradTolerance: ulpAnd(4, ['g', 'v'], (g, x) => finite(Math.abs(g) * eps * 2 * x * x * Math.exp(-x * x))),
})

const leaky = unary('leakyRelu', {
  f: (x, a) => (x > 0 ? x : x * a),
  saves: 'x',
  df: (g, x, a) => (x > 0 ? g : g * a),
  slope: (x, { a }) => where(greater(x, 0), scalar(1, x.dtype, x.storage.stream), a),
})
/** x where x > 0, else slope·x. `slope`: 0.01 unless given. */
export const leakyRelu: SameShape<[slope?: number]> = ((x, slope = 0.01) =>
  leaky(x, { a: number('leakyRelu', 'slope', slope), b: 0 })) as SameShape<[slope?: number]>

const eluRow = unary('elu', {
  f: (x, a) => (x > 0 ? x : a * Math.expm1(x)),
  saves: 'x',
  df: (g, x, a) => (x > 0 ? g : g * a * Math.exp(x)),
  slope: (x, { a }) => where(greater(x, 0), 1, mul(exp(where(greaterEqual(x, 0), 0, x)), a)),
  tolerance: ulp(3.5),
  gradTolerance: ulp(4),
})
/** x where x > 0, else alpha·(eˣ − 1). `alpha`: 1 unless given. Clevert et al. (2016). */
export const elu: SameShape<[alpha?: number]> = ((x, alpha = 1) =>
  eluRow(x, { a: number('elu', 'alpha', alpha), b: 0 })) as SameShape<[alpha?: number]>

const geluExact = unary('gelu', {
  f: x => x * normalCdf(x),
  saves: 'x',
  df: (g, x) => g * (normalCdf(x) + x * normalDensity(x)),
  slope: x =>
    add(
      mul(add(erf(mul(x, Math.SQRT1_2)), 1), 0.5),
      mul(x, mul(exp(mul(square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI))),
    ),
  // Φ below 2⁻¹²⁶ is 0 natively, and then |x| times as much of the product is lost.
  tolerance: ulpAnd(8, ['x'], x => finite(2 * Math.abs(x) * smallestNormal)),
  gradTolerance: ulpAnd(4, ['g', 'v'], (g, x) =>
    finite(Math.abs(g) * eps * (8 + Math.abs(x) * normalDensity(x) * (x * x + 8))),
  ),
})
const geluTanh = unary('geluTanh', {
  f: x => x * tanhCdf(x),
  saves: 'x',
  df: (g, x) => g * geluTanhSlope(x),
  slope: tanhSlope,
  // σ of an argument z with a relative error of 3ε is off by |z|·3ε, relatively.
  tolerance: ulpAnd(6, ['x'], x => finite(4 * eps * Math.abs(x * tanhCdf(x) * tanhArgument(x)))),
  gradTolerance: ulpAnd(6, ['g', 'v'], (g, x) => {
    const [p, z, slope] = [tanhCdf(x), Math.abs(tanhArgument(x)), 2 * tanhScale * (1 + 3 * 0.044715 * x * x)]
    return finite(Math.abs(g) * eps * (p * (4 * z + 8) + Math.abs(x) * slope * p * ((1 - p) * (4 * z + 12) + 2)))
  }),
})
/** x·Φ(x), Φ the normal distribution function; `approximate: 'tanh'` for the form of GPT-2. Hendrycks & Gimpel (2016). */
export const gelu: SameShape<[options?: { approximate?: 'none' | 'tanh' | undefined }]> = ((x, options = {}) => {
  checkOptions('gelu', options, ['approximate'])
  const { approximate = 'none' } = options
  if (approximate !== 'none' && approximate !== 'tanh')
    throw new OptionError('gelu', `approximate must be 'none' or 'tanh', got ${describe(approximate)}`)
  return approximate === 'tanh' ? geluTanh(x) : geluExact(x)
}) as SameShape<[options?: { approximate?: 'none' | 'tanh' | undefined }]>

const clampRow = unary('clamp', {
  f: (x, a, b) => (x < a ? (a > b ? b : a) : x > b ? b : x),
  keepsInt: true,
  saves: 'x',
  df: (g, x, a, b) => ((x > a || a === -Infinity) && (x < b || b === Infinity) ? g : 0),
  slope: (x, { a, b }) =>
    cast(
      logicalAnd(
        a === -Infinity ? true : greater(x, a), // an infinite bound is none
        b === Infinity ? greaterEqual(x, x) : less(x, b),
      ),
      x.dtype,
    ),
})
/** null for no bound. */
export type Bound = number | null
export type Clamp = <D extends DType, S extends Shape, A extends Bound, B extends Bound = null>(
  x: Tensor<D, S>,
  min: A,
  max?: B,
) => Tensor<Known<D, With<With<D, A>, B, Numeric>>, S>

/** x kept within [min, max]; `null` or ±Infinity for no bound. Passes the gradient between the bounds, not at them. */
export const clamp: Clamp = ((x: Tensor, min: Bound, max: Bound = null) => {
  checkTensor('clamp', x)
  const a = min === null ? Number.NEGATIVE_INFINITY : number('clamp', 'min', min)
  const b = max === null ? Number.POSITIVE_INFINITY : number('clamp', 'max', max)
  const whole = (bound: number): boolean => !Number.isFinite(bound) || Number.isInteger(bound)
  const asInt = whole(a) && whole(b) && a < 2 ** 31 && b >= -(2 ** 31)
  const y = asInt ? x : cast(x, floatOf(x.dtype)) // int32 cannot be kept within other bounds
  return y.dtype === 'int32'
    ? clampRow(y, { a: Math.max(a, -(2 ** 31)), b: Math.min(b, 2 ** 31 - 1) })
    : clampRow(y, { a, b })
}) as Clamp

function tanhSlope(x: Tensor): Tensor {
  const z = clamp(x, -16, 16) // beyond, p(1 − p) is 0, and what it is multiplied with leaves the range
  const p = sigmoid(mul(add(z, mul(mul(square(z), z), 0.044715)), 2 * tanhScale))
  return add(p, mul(mul(z, mul(p, sub(1, p))), mul(add(mul(square(z), 3 * 0.044715), 1), 2 * tanhScale)))
}
