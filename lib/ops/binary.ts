/** Elementwise functions of two values, with broadcasting.   twin: native/kernels/binary.def   cases: test/ops/binary.ts */
import { type DType, floatOf, promote } from '../dtype.js'
import type { Broadcast, Shape } from '../shape.js'
import { broadcast } from '../shape.js'
import type { Tensor } from '../tensor.js'
import { equal, greater, less, logicalAnd, where } from './compare.js'
import { aligned, applyTo, kernels, pair, type Rule, rule, type Saved, type TensorLike } from './define.js'
import { map2 } from './loops.js'
import { floor, log, neg, square } from './unary.js'

/** A function of two tensors, or of a tensor and a number in either place. */
export interface Binary {
  <A extends Shape, B extends Shape>(a: Tensor<A>, b: Tensor<B>): Tensor<Broadcast<A, B>>
  <S extends Shape>(a: Tensor<S>, b: number | boolean): Tensor<S>
  <S extends Shape>(a: number | boolean, b: Tensor<S>): Tensor<S>
  (a: TensorLike, b: TensorLike): Tensor
}

interface BinaryRow {
  f(a: number, b: number): number
  /** int32, where it differs: wrapping, and without a remainder of rounding. */
  int?(a: number, b: number): number
  /** The dtype to compute in, from the common one. bool becomes int32 unless it says otherwise. */
  dtype?(common: DType): DType
  readonly saves?: Rule<null>['saves']
  grad(g: Tensor, saved: Saved, needs: readonly boolean[]): (Tensor | null)[]
}

function binary(name: string, row: BinaryRow): Binary {
  const kernel = name as 'add'
  kernels({ [kernel]: (a, b, y) => map2(a, b, y, y instanceof Int32Array && row.int ? row.int : row.f) } as Parameters<
    typeof kernels
  >[0])
  const self: Rule<null> = rule({
    name,
    strided: true,
    output: ([a, b]) => ({ shape: broadcast(name, a.shape, b.shape) }),
    run: (k, inputs, y) => {
      const [a, b] = aligned([...inputs, y])
      k[kernel](a, b, y)
    },
    saves: row.saves,
    grad: (g, saved, _, needs) => row.grad(g, saved, needs),
  })
  const dtype = row.dtype ?? ((common: DType) => promote(common, 'int32'))
  return ((a: TensorLike, b: TensorLike) => applyTo(self, [a, b], pair(name, a, b, dtype), null)) as Binary
}

const both = { inputs: [0, 1] } as const

// ---- the table -------------------------------------------------------------------------------------------------------

/** a + b. */
export const add: Binary = binary('add', { f: (a, b) => a + b, grad: g => [g, g] })
/** a − b. */
export const sub: Binary = binary('sub', { f: (a, b) => a - b, grad: (g, _, [, b]) => [g, b ? neg(g) : null] })
/** a · b, element by element. */
export const mul: Binary = binary('mul', {
  f: (a, b) => a * b,
  int: Math.imul,
  saves: both,
  grad: (g, { inputs: [a, b] }, needs) => [needs[0] ? mul(g, b) : null, needs[1] ? mul(g, a) : null],
})
/** a / b. Of int32 tensors: float32. */
export const div: Binary = binary('div', {
  f: (a, b) => a / b,
  dtype: floatOf,
  saves: both,
  grad: (g, { inputs: [a, b] }, needs) => [
    needs[0] ? div(g, b) : null,
    needs[1] ? neg(mul(g, div(a, square(b)))) : null,
  ],
})
/** a to the power of b. */
export const pow: Binary = binary('pow', {
  f: power,
  int: intPower,
  saves: { inputs: [0, 1], output: true },
  // ∂a = g·b·aᵇ⁻¹, 0 where b = 0;  ∂b = g·aᵇ·log a, 0 where a = 0
  grad: (g, { inputs: [a, b], y }, needs) => [
    needs[0] ? where(equal(b, 0), 0, mul(g, mul(b, pow(a, sub(b, 1))))) : null,
    needs[1] ? where(logicalAnd(equal(a, 0), greater(b, -1e-30)), 0, mul(g, mul(y, log(a)))) : null,
  ],
})
/** The larger of the two; NaN if one is. Equal values share the gradient. */
export const maximum: Binary = binary('maximum', {
  f: (a, b) => (a > b || Number.isNaN(a) ? a : b),
  saves: both,
  grad: (g, { inputs: [a, b] }) => shareAtTies(g, greater(a, b), a, b),
})
/** The smaller of the two; NaN if one is. Equal values share the gradient. */
export const minimum: Binary = binary('minimum', {
  f: (a, b) => (a < b || Number.isNaN(a) ? a : b),
  saves: both,
  grad: (g, { inputs: [a, b] }) => shareAtTies(g, less(a, b), a, b),
})
/** The remainder of a / b with the sign of b, as in Python. int32 by 0 gives 0. */
export const remainder: Binary = binary('remainder', {
  f: modulo,
  int: (a, b) => (b === 0 ? 0 : modulo(a, b)),
  saves: both,
  grad: (g, { inputs: [a, b] }, needs) => [g, needs[1] ? neg(mul(g, floor(div(a, b)))) : null],
})

function shareAtTies(g: Tensor, wins: Tensor, a: Tensor, b: Tensor): Tensor[] {
  const half = mul(g, 0.5)
  const tie = equal(a, b)
  return [where(tie, half, where(wins, g, 0)), where(tie, half, where(wins, 0, g))]
}

// ---- formulas of the JS kernels --------------------------------------------------------------------------------------

function modulo(a: number, b: number): number {
  const r = a % b
  if (Number.isNaN(r)) return r
  if (r === 0) return b < 0 ? -0 : 0
  return r < 0 !== b < 0 ? (Math.abs(b) === Number.POSITIVE_INFINITY ? b : r + b) : r
}

/** C's pow: 1 to anything is 1, and so is −1 to ±∞; JavaScript says NaN. */
function power(a: number, b: number): number {
  return a === 1 || (a === -1 && Math.abs(b) === Number.POSITIVE_INFINITY) ? 1 : a ** b
}

function intPower(base: number, exponent: number): number {
  if (exponent < 0) return base === 1 ? 1 : base === -1 ? (exponent % 2 ? -1 : 1) : 0
  let result = 1
  for (let a = base, e = exponent; e > 0; e = Math.floor(e / 2)) {
    if (e % 2) result = Math.imul(result, a)
    a = Math.imul(a, a)
  }
  return result
}
