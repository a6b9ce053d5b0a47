/** Picking by index.                                     twin: native/kernels/embedding.cc   cases: test/ops/embedding.ts */
import type { Buf, DType } from '../dtype.js'
import { DTypeError, describe, OptionError, ShapeError } from '../errors.js'
import { IndexFault, type Pieces } from '../runtime/js.js'
import { format, type Shape, type Slices, slicesOf } from '../shape.js'
import type { Tensor } from '../tensor.js'
import { apply, applyTo, checkTensor, kernels, type Rule, rule } from './define.js'
import { forEach, forPlaces } from './loops.js'
import { contiguous } from './movement.js'
import { reshape, slice } from './view.js'

function check(index: Buf, n: number): void {
  for (let i = 0; i < index.length; i++) if (index[i] < 0 || index[i] >= n) throw new IndexFault(index[i], i, n)
}

/** y = sums, which wrap like int32 or are added up in float64. */
function* summed(y: Buf, add: (sums: Int32Array | Float64Array) => Pieces): Pieces {
  const sums = y instanceof Int32Array ? new Int32Array(y.length) : new Float64Array(y.length)
  yield* add(sums)
  y.set(sums)
}

kernels({
  gather: (x, index, y, outer, n, k, inner) => {
    check(index, n)
    return forPlaces(outer, k, inner, (o, _, i, at) => {
      y[at] = x[(o * n + index[at]) * inner + i]
    })
  },
  scatterAdd: (g, index, y, outer, n, k, inner) => {
    check(index, n)
    return summed(y, sums =>
      forPlaces(outer, k, inner, (o, _, i, at) => {
        sums[(o * n + index[at]) * inner + i] += g[at]
      }),
    )
  },
  indexSelect: (x, index, y, outer, n, k, inner) => {
    check(index, n)
    return forPlaces(outer, k, inner, (o, j, i, at) => {
      y[at] = x[(o * n + index[j]) * inner + i]
    })
  },
  indexAdd: (g, index, y, outer, n, k, inner) => {
    check(index, n)
    return summed(y, sums =>
      forPlaces(outer, k, inner, (o, j, i, at) => {
        sums[(o * n + index[j]) * inner + i] += g[at]
      }),
    )
  },
  oneHot: (index, y, classes) => {
    check(index, classes)
    y.fill(0)
    return forEach(index.length, i => {
      y[i * classes + index[i]] = 1
    })
  },
  nonzero: (x, index, found) => {
    index.fill(0)
    found[0] = 0
    return forEach(x.length, i => {
      if (x[i]) index[found[0]++] = i
    })
  },
})

/** Indices must be whole numbers; float tensors are refused rather than cut off. */
export function checkIndex(op: string, index: Tensor): Tensor {
  if (typeof index === 'number')
    throw new DTypeError(op, `index must be a tensor, got ${index}`, 'the index comes first, then the axis')
  checkTensor(op, index, 'index')
  if (index.dtype === 'int32') return index
  throw new DTypeError(
    op,
    `index must be int32, got ${index.dtype}`,
    "use index.cast('int32'), or tensor(values, { dtype: 'int32' })",
  )
}

interface Picks extends Slices {
  readonly k: number
}

const along = (shape: Shape, axis: number, n: number): Shape => shape.map((dim, d) => (d === axis ? n : dim))

/** @internal */
export const gatherRule: Rule<Picks> = rule({
  name: 'gather',
  output: ([x, index]) => ({ shape: index.dims, dtype: x.dtype }),
  run: (kernel, [x, index], y, { outer, n, k, inner }) => kernel.gather(x, index, y, outer, n, k, inner),
  saves: { inputs: [1] },
  grad: (g, { inputs: [, index] }, p) => [apply(scatterAddRule, [g, index], p), null],
})
const scatterAddRule: Rule<Picks> = rule({
  name: 'scatterAdd',
  output: ([g], { axis, n }) => ({ shape: along(g.dims, axis, n) }),
  run: (kernel, [g, index], y, { outer, n, k, inner }) => kernel.scatterAdd(g, index, y, outer, n, k, inner),
  saves: { inputs: [1] },
  grad: (g, { inputs: [, index] }, p) => [apply(gatherRule, [g, index], p), null],
})

/**
 * y[…, j, …] = x[…, index[…, j, …], …]: one index for each element, along `axis`. `index` has the rank of `x`, and no dim
 * but `axis` may be larger.
 *
 * @throws IndexError when the result is read, if an index is outside; DTypeError, ShapeError at once.
 */
export function gather<D extends DType>(x: Tensor<D>, index: Tensor, axis: number): Tensor<D> {
  return gatherAs(gatherRule, x, index, axis)
}

/** @internal The same for another op, whose name its errors bear: `{ ...gatherRule, name }`. */
export function gatherAs<D extends DType>(r: Rule<Picks>, x: Tensor<D>, index: Tensor, axis: number): Tensor<D> {
  checkTensor(r.name, x)
  checkIndex(r.name, index)
  const { axis: a, n } = slicesOf(r.name, x.dims, axis)
  if (index.rank !== x.rank || index.dims.some((dim, d) => d !== a && dim > x.dims[d]))
    throw new ShapeError(
      r.name,
      `index of shape ${format(index.dims)} does not fit into ${format(x.dims)} along axis ${a}`,
    )
  const part = slice(x, ...index.dims.map((dim, d) => (d === a ? null : ([0, dim] as const))))
  const { outer, inner, n: k } = slicesOf(r.name, index.dims, a)
  return applyTo(r, [x, index], [part, index], { axis: a, outer, n, inner, k })
}

const indexSelectRule: Rule<Picks> = rule({
  name: 'indexSelect',
  output: ([x], { axis, k }) => ({ shape: along(x.dims, axis, k) }),
  run: (kernel, [x, index], y, { outer, n, k, inner }) => kernel.indexSelect(x, index, y, outer, n, k, inner),
  saves: { inputs: [1] },
  grad: (g, { inputs: [, index] }, p) => [apply(indexAddRule, [g, index], p), null],
})
const indexAddRule: Rule<Picks> = rule({
  name: 'indexAdd',
  output: ([g], { axis, n }) => ({ shape: along(g.dims, axis, n) }),
  run: (kernel, [g, index], y, { outer, n, k, inner }) => kernel.indexAdd(g, index, y, outer, n, k, inner),
  saves: { inputs: [1] },
  grad: (g, { inputs: [, index] }, p) => [apply(indexSelectRule, [g, index], p), null],
})

/**
 * The slices of `x` along `axis` that the 1-D `index` names, in that order.
 *
 * @throws IndexError when the result is read, if an index is outside; DTypeError, ShapeError at once.
 */
export function indexSelect<D extends DType>(x: Tensor<D>, index: Tensor, axis = 0): Tensor<D> {
  checkTensor('indexSelect', x)
  checkIndex('indexSelect', index)
  if (index.rank > 1)
    throw new ShapeError(
      'indexSelect',
      `index must have one dim, got shape ${format(index.dims)}`,
      'use gather() for one index per element',
    )
  if (x.rank === 0 && index.size !== 1)
    throw new ShapeError('indexSelect', `of a scalar, index must name one element, got shape ${format(index.dims)}`)
  return apply(indexSelectRule, [x, index], { ...slicesOf('indexSelect', x.dims, axis), k: index.size })
}

/** The rows of `weight` [count, width] that `index`, of any shape, names: [… , width]. */
export function embedding<D extends DType>(weight: Tensor<D>, index: Tensor): Tensor<D> {
  checkTensor('embedding', weight, 'weight')
  checkIndex('embedding', index)
  if (weight.rank !== 2)
    throw new ShapeError('embedding', `weight must have two dims [count, width], got ${format(weight.dims)}`)
  const flat = reshape(contiguous(index), [index.size])
  const rows = apply(embeddingRule, [weight, flat], { ...slicesOf('embedding', weight.dims, 0), k: index.size })
  return reshape(rows, [...index.dims, weight.dims[1]])
}
const embeddingRule: Rule<Picks> = { ...indexSelectRule, name: 'embedding' }

const oneHotRule: Rule<{ classes: number }> = rule({
  name: 'oneHot',
  output: ([index], { classes }) => ({ shape: [...index.dims, classes], dtype: 'float32' }),
  run: (k, [index], y, { classes }) => k.oneHot(index, y, classes),
  noGrad: 'indices have no gradient',
})

/** Vectors of `classes` zeros with a 1 at each index: float32 […, classes]. */
export function oneHot(index: Tensor, classes: number): Tensor<'float32'> {
  checkIndex('oneHot', index)
  if (!Number.isInteger(classes) || classes < 1)
    throw new OptionError('oneHot', `classes must be a whole number above 0, got ${describe(classes)}`)
  return apply(oneHotRule, [index], { classes })
}

/** @internal Positions of the true values of a bool tensor, and how many they are. */
export const nonzeroRule: Rule<{ found: Tensor }> = rule({
  name: 'nonzero',
  output: ([x]) => ({ shape: [x.size], dtype: 'int32' }),
  run: (k, [x], index, { found }) => k.nonzero(x, index, found),
  noGrad: 'the result is an index',
})
