/** Elementwise functions of two values, with broadcasting.   twin: native/kernels/binary.def   cases: test/ops/binary.ts */
import { type AnyDType, type DType, floatOf, promote } from '../dtype.js'
import { DTypeError } from '../errors.js'
import type { Common, Float, Numeric } from '../promotion.js'
import type { JsKernels } from '../runtime/js.js'
import { allowedUlp, type Tolerance } from '../runtime/tolerance.js'
import { broadcast } from '../shape.js'
import type { Tensor } from '../tensor.js'
import { type Compare, equal, greater, greaterEqual, less, logicalAnd, where } from './compare.js'
import { aligned, applyTo, kernels, pair, type Rule, rule, type Saved, type TensorLike } from './define.js'
import { intPower, modulo, power } from './functions.js'
import { map2 } from './loops.js'
import { log, neg, round } from './unary.js'

/** A function of two tensors, or of a tensor and a number in either place. */
export type Binary<Given extends DType> = <A extends TensorLike, B extends TensorLike>(
  a: A,
  b: B,
) => Tensor<Common<A, B, Given>>

interface BinaryRow {
  f(a: number, b: number): number
  /** int32, where it differs: wrapping, and without a remainder of rounding. */
  int?(a: number, b: number): number
  /** The dtype to compute in, from the common one. bool becomes int32 unless it says otherwise. */
  dtype?(common: DType): DType
  /** Of truth values, it is this kernel. */
  readonly truth?: 'logicalAnd' | 'logicalOr'
  readonly saves?: Rule<null>['saves']
  grad(g: Tensor, saved: Saved, needs: readonly boolean[]): (Tensor | null)[]
  /** How far the native kernel may be from `f`. Equal bits, if nothing is said. */
  readonly tolerance?: Tolerance
}

function binary(name: string, row: BinaryRow): Binary<AnyDType> {
  const kernel = name as 'add'
  const js: JsKernels['add'] = (a, b, y) => map2(a, b, y, y instanceof Int32Array && row.int ? row.int : row.f)
  kernels({ [kernel]: js }, { [kernel]: row.tolerance })
  const self: Rule<null> = rule({
    name,
    strided: true,
    output: ([a, b]) => ({ shape: broadcast(name, a.dims, b.dims) }),
    run: (k, inputs, y) => {
      const [a, b] = aligned([...inputs, y])
      k[row.truth && y.dtype === 'bool' ? row.truth : kernel](a, b, y)
    },
    saves: row.saves,
    grad: (g, saved, _, needs) => row.grad(g, saved, needs),
  })
  const dtype = row.dtype ?? (row.truth ? (common: DType) => common : (common: DType) => promote(common, 'int32'))
  return (a, b) => applyTo(self, [a, b], pair(name, a, b, dtype), null)
}

const both = { inputs: [0, 1] } as const

// ---- the table -------------------------------------------------------------------------------------------------------

/** a + b. Of bool tensors: a or b. */
export const add: Binary<DType> = binary('add', { f: (a, b) => a + b, truth: 'logicalOr', grad: g => [g, g] })
/** a − b. Not of two bool tensors. */
export const sub: Binary<Numeric> = binary('sub', {
  f: (a, b) => a - b,
  dtype: common => {
    if (common !== 'bool') return common
    throw new DTypeError('sub', 'truth values have no difference', "use logicalXor(), logicalNot() or cast('int32')")
  },
  grad: (g, _, [, b]) => [g, b ? neg(g) : null],
})
/** a · b, element by element. Of bool tensors: a and b. */
export const mul: Binary<DType> = binary('mul', {
  f: (a, b) => a * b,
  int: Math.imul,
  truth: 'logicalAnd',
  saves: both,
  grad: (g, { inputs: [a, b] }, needs) => [needs[0] ? mul(g, b) : null, needs[1] ? mul(g, a) : null],
})
/** a / b. Of int32 tensors: float32. */
export const div: Binary<Float> = binary('div', {
  f: (a, b) => a / b,
  dtype: floatOf,
  saves: both,
  grad: (g, { inputs: [a, b] }, needs) => [
    needs[0] ? div(g, b) : null,
    needs[1] ? neg(mul(g, div(div(a, b), b))) : null, // not a/b², whose square leaves the range
  ],
})
/** a to the power of b. */
export const pow: Binary<Numeric> = binary('pow', {
  f: power,
  int: intPower,
  tolerance: call => (call.strided('a').data instanceof Int32Array ? () => 0 : (_, v) => allowedUlp(3, v)),
  saves: { inputs: [0, 1], output: true },
  // ∂a = g·b·aᵇ⁻¹, 0 where b = 0;  ∂b = g·aᵇ·log a, 0 where a = 0
  grad: (g, { inputs: [a, b], y }, needs) => [
    needs[0] ? slopeInBase(g, a, b) : null,
    needs[1] ? slopeInExponent(g, a, b, y) : null,
  ],
})
/** The larger of the two; NaN if one is. Equal values share the gradient. */
export const maximum: Binary<DType> = binary('maximum', {
  f: (a, b) => (a > b || Number.isNaN(a) ? a : b),
  truth: 'logicalOr',
  saves: both,
  grad: (g, { inputs: [a, b] }) => shareAtTies(g, less, a, b),
})
/** The smaller of the two; NaN if one is. Equal values share the gradient. */
export const minimum: Binary<DType> = binary('minimum', {
  f: (a, b) => (a < b || Number.isNaN(a) ? a : b),
  truth: 'logicalAnd',
  saves: both,
  grad: (g, { inputs: [a, b] }) => shareAtTies(g, greater, a, b),
})
/** The remainder of a / b with the sign of b, as in Python. int32 by 0 gives 0. */
export const remainder: Binary<Numeric> = binary('remainder', {
  f: modulo,
  int: (a, b) => (b === 0 ? 0 : modulo(a, b)),
  saves: { inputs: [0, 1], output: true },
  grad: (g, { inputs: [a, b], y }, needs) => [
    g,
    needs[1] ? neg(mul(g, quotient(a.detach(), b.detach(), y.detach()))) : null,
  ],
})

/** The whole n with a = n·b + y: rounded, so that it is the one that belongs to y, and −1 where y is an infinite b. */
const quotient = (a: Tensor, b: Tensor, y: Tensor): Tensor => where(equal(y, b), -1, round(div(sub(a, y), b)))

// What is not chosen is kept from infinity: its gradient, 0 times that, would be NaN.
function slopeInBase(g: Tensor, a: Tensor, b: Tensor): Tensor {
  const constant = equal(b, 0)
  const exponent = where(constant, 1, b)
  return where(constant, 0, mul(g, mul(exponent, pow(a, sub(exponent, 1)))))
}
function slopeInExponent(g: Tensor, a: Tensor, b: Tensor, y: Tensor): Tensor {
  const constant = logicalAnd(equal(a, 0), greaterEqual(b, 0))
  return where(constant, 0, mul(g, mul(y, log(where(constant, 1, a)))))
}

/** What loses gets nothing, what is equal a half. Beside NaN nothing loses. */
function shareAtTies(g: Tensor, loses: Compare, a: Tensor, b: Tensor): Tensor[] {
  const part = where(equal(a, b), mul(g, 0.5), g)
  return [where(loses(a, b), 0, part), where(loses(b, a), 0, part)]
}
