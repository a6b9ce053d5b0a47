/** Comparisons, logic and choice. No gradient, except through `where`.   twin: native/kernels/binary.def   cases: test/ops/compare.ts */
import { type DType, promote } from '../dtype.js'
import type { Choice } from '../promotion.js'
import { broadcast } from '../shape.js'
import type { Tensor } from '../tensor.js'
import {
  aligned,
  applyTo,
  cast,
  checkTensor,
  isTensor,
  kernels,
  pair,
  type Rule,
  rule,
  scalar,
  type TensorLike,
} from './define.js'
import { map1, map2, map3 } from './loops.js'
import type { SameShape } from './unary.js'

/** A test of two tensors, or of a tensor and a number: a bool tensor. */
export type Compare = (a: TensorLike, b: TensorLike) => Tensor<'bool'>

function compare(
  name: string,
  f: (a: number, b: number) => boolean,
  dtype: (common: DType) => DType,
  result?: DType,
): Compare {
  const kernel = name as 'equal'
  kernels({ [kernel]: (a, b, y) => map2(a, b, y, (a, b) => (f(a, b) ? 1 : 0)) } as Parameters<typeof kernels>[0])
  const self: Rule<null> = rule({
    name,
    strided: true,
    output: ([a, b]) => ({ shape: broadcast(name, a.dims, b.dims), dtype: result }),
    run: (k, inputs, y) => {
      const [a, b] = aligned([...inputs, y])
      k[kernel](a, b, y)
    },
    noGrad: 'the result is a truth value',
  })
  return (a, b) => applyTo(self, [a, b], pair(name, a, b, dtype, { compares: true }), null)
}

const numeric = (common: DType): DType => promote(common, 'int32')
const truth = (): DType => 'bool'

/** a = b. NaN equals nothing. */
export const equal: Compare = compare('equal', (a, b) => a === b, numeric, 'bool')
/** a ≠ b. */
export const notEqual: Compare = compare('notEqual', (a, b) => a !== b, numeric, 'bool')
/** a < b. */
export const less: Compare = compare('less', (a, b) => a < b, numeric, 'bool')
/** a ≤ b. */
export const lessEqual: Compare = compare('lessEqual', (a, b) => a <= b, numeric, 'bool')
/** a > b. */
export const greater: Compare = compare('greater', (a, b) => a > b, numeric, 'bool')
/** a ≥ b. */
export const greaterEqual: Compare = compare('greaterEqual', (a, b) => a >= b, numeric, 'bool')
/** Both are true (not 0). */
export const logicalAnd: Compare = compare('logicalAnd', (a, b) => a !== 0 && b !== 0, truth)
/** One or both are true (not 0). */
export const logicalOr: Compare = compare('logicalOr', (a, b) => a !== 0 || b !== 0, truth)
/** One, not both, is true (not 0). */
export const logicalXor: Compare = compare('logicalXor', (a, b) => (a !== 0) !== (b !== 0), truth)

function test(name: string, f: (x: number) => boolean, input?: DType): SameShape<[], 'bool'> {
  const kernel = name as 'isNaN'
  kernels({ [kernel]: (x, y) => map1(x, y, x => (f(x) ? 1 : 0)) } as Parameters<typeof kernels>[0])
  const self: Rule<null> = rule({
    name,
    strided: true,
    output: ([x]) => ({ shape: x.dims, dtype: 'bool' }),
    run: (k, [x], y) => k[kernel](aligned([x, y])[0], y),
    noGrad: 'the result is a truth value',
  })
  return (x => {
    checkTensor(name, x)
    return applyTo(self, [x], [cast(x, input ?? promote(x.dtype, 'float32'))], null)
  }) as SameShape<[], 'bool'>
}

/** Not true: is it 0? */
export const logicalNot: SameShape<[], 'bool'> = test('logicalNot', x => x === 0, 'bool')
/** Is it not a number? */
export const isNaN: SameShape<[], 'bool'> = test('isNaN', x => x !== x)
/** Is it neither infinite nor NaN? */
export const isFinite: SameShape<[], 'bool'> = test('isFinite', x => x - x === 0)

kernels({ where: (condition, a, b, y) => map3(condition, a, b, y, (c, a, b) => (c ? a : b)) })

const whereRule: Rule<null> = rule({
  name: 'where',
  strided: true,
  output: ([c, a, b]) => ({ shape: broadcast('where', c.dims, a.dims, b.dims), dtype: a.dtype }),
  run: (k, inputs, y) => {
    const [c, a, b] = aligned([...inputs, y])
    k.where(c, a, b, y)
  },
  saves: { inputs: [0] },
  grad: (g, { inputs: [c] }, _, [, a, b]) => [null, a ? where(c, g, 0) : null, b ? where(c, 0, g) : null],
})

/** a where the condition is true (not 0), else b. The three broadcast; at least one of `a` and `b` is a tensor, or both are numbers. */
export function where<A extends TensorLike, B extends TensorLike>(condition: Tensor, a: A, b: B): Tensor<Choice<A, B>> {
  checkTensor('where', condition, 'condition')
  for (const x of [a, b]) if (typeof x !== 'number' && typeof x !== 'boolean') checkTensor('where', x, 'a choice')
  // Of two numbers, the first becomes a float32 tensor, and takes the second along; two truth values stay such.
  const dtype = typeof a === 'boolean' && typeof b === 'boolean' ? 'bool' : 'float32'
  const first = isTensor(a) || isTensor(b) ? a : scalar(Number(a), dtype, condition.storage.stream)
  const choices = pair('where', first, b)
  return applyTo(whereRule, [condition, a, b], [cast(condition, 'bool'), ...choices], null)
}
