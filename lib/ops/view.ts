/** Other looks at the same storage; only reshaping what is not contiguous copies.       cases: test/ops/view.ts */
import type { DType } from '../dtype.js'
import { describe, ShapeError } from '../errors.js'
import {
  axisOf,
  broadcastStrides,
  checkShape,
  checkSizes,
  differentAxes,
  dimOf,
  format,
  listOf,
  type Numbers,
  reshapedStrides,
  type Shape,
  sizeOf,
  stridesOf,
} from '../shape.js'
import { Tensor } from '../tensor.js'
import { apply, checkTensor, copyInto, type Gradient, type Rule, record, rule, whole } from './define.js'
import { contiguous } from './movement.js'

interface Layout {
  readonly shape: Shape
  readonly strides: readonly number[]
  readonly offset: number
}

/** Another look at the same storage, recorded with its gradient. One of nothing has the strides of a copy. */
function view<P>(gradient: Gradient<P>, x: Tensor, p: P, { shape, strides, offset }: Layout): Tensor {
  const y = new Tensor(x.storage.retain(), shape, shape.includes(0) ? stridesOf(shape) : strides, offset)
  record(gradient, [x], y, p)
  return y
}

interface From {
  readonly from: Shape
}
const reshapeGradient: Gradient<From> = rule({ name: 'reshape', grad: (g, _, { from }) => [reshape(g, from)] })

/**
 * The same elements, in row-major order, in another shape; one size may be −1, to be computed. A view where the strides
 * allow it, else a copy.
 */
export function reshape<D extends DType, S extends Shape = Shape>(
  x: Tensor<D>,
  ...shape: [shape: NoInfer<S>] | number[]
): Tensor<D, S> {
  checkTensor('reshape', x)
  const to = resolve(x, listOf(shape as Numbers))
  const strides = reshapedStrides(x.dims, x.steps, to)
  const base = strides ? x : contiguous(x)
  const y = view(
    reshapeGradient,
    base,
    { from: x.dims },
    { shape: to, strides: strides ?? stridesOf(to), offset: base.offset },
  )
  if (base !== x) base.dispose()
  return y as Tensor<D, S>
}

function resolve(x: Tensor, shape: Shape): Shape {
  const open = shape.indexOf(-1)
  const rest = checkShape('reshape', open < 0 ? shape : shape.filter((_, d) => d !== open))
  const known = sizeOf(rest)
  if (open < 0) {
    if (known === x.size) return rest
  } else if (known > 0 && x.size % known === 0)
    return Array.from(shape, (dim, d) => (d === open ? x.size / known : dim))
  throw new ShapeError(
    'reshape',
    `cannot see ${format(x.dims)} (${x.size} elements) as ${format(shape)}`,
    'the number of elements must stay the same',
  )
}

/** All elements in one dim; or the dims from `start` to `end` (inclusive) merged. */
export function flatten<D extends DType>(x: Tensor<D>, start = 0, end = -1): Tensor<D> {
  checkTensor('flatten', x)
  const [a, b] = [axisOf('flatten', start, x.rank), axisOf('flatten', end, x.rank)]
  if (x.rank === 0) return reshape(x, [1])
  if (a > b) throw new ShapeError('flatten', `start must not come after end, got ${start} and ${end}`)
  return reshape(x, [...x.dims.slice(0, a), sizeOf(x.dims.slice(a, b + 1)), ...x.dims.slice(b + 1)])
}

interface Order {
  readonly order: readonly number[]
}
const permuteGradient: Gradient<Order> = rule({
  name: 'permute',
  grad: (g, _, { order }) => [
    permute(
      g,
      order.map((_, d) => order.indexOf(d)),
    ),
  ],
})

/** The dims in another order: dim d of the result is dim order[d] of `x`. A view. */
export function permute<D extends DType>(x: Tensor<D>, ...order: Numbers): Tensor<D> {
  checkTensor('permute', x)
  const full = Array.from(listOf(order), axis => axisOf('permute', axis, x.rank))
  if (full.length !== x.rank || new Set(full).size < x.rank)
    throw new ShapeError('permute', `order must name each of the ${x.rank} axes once, got ${format(full)}`)
  return view(
    permuteGradient,
    x,
    { order: full },
    { shape: full.map(d => x.dims[d]), strides: full.map(d => x.steps[d]), offset: x.offset },
  )
}

/** Two axes exchanged, the last two unless given. A view. */
export function transpose<D extends DType>(x: Tensor<D>, a = -2, b = -1): Tensor<D> {
  checkTensor('transpose', x)
  if (x.rank < 2 && a === -2 && b === -1)
    throw new ShapeError('transpose', `expected at least 2 dims, got shape ${format(x.dims)}`)
  const [i, j] = [axisOf('transpose', a, x.rank), axisOf('transpose', b, x.rank)]
  return permute(
    x,
    x.dims.map((_, d) => (d === i ? j : d === j ? i : d)),
  )
}

const expandGradient: Gradient<null> = rule({ name: 'expand', grad: g => [g] }) // the walker sums over the repeated dims

/** Dims of size 1 repeated without a copy, and new leading dims. A view. */
export function expand<D extends DType>(x: Tensor<D>, ...shape: Numbers): Tensor<D> {
  checkTensor('expand', x)
  const given = listOf(shape)
  const to = checkShape(
    'expand',
    given.map((dim, d) => (dim === -1 ? (x.dims[d - given.length + x.rank] ?? -1) : dim)),
  )
  const lead = to.length - x.rank
  if (lead < 0 || x.dims.some((dim, d) => dim !== 1 && dim !== to[d + lead]))
    throw new ShapeError(
      'expand',
      `shape ${format(x.dims)} cannot be expanded to ${format(given)}`,
      'only dims of size 1 can',
    )
  return view(expandGradient, x, null, {
    shape: to,
    strides: broadcastStrides(x.dims, x.steps, to),
    offset: x.offset,
  })
}

/** Without the dims of size 1, or without those of the named that have size 1. A view. */
export function squeeze<D extends DType>(x: Tensor<D>, ...axes: Numbers): Tensor<D> {
  checkTensor('squeeze', x)
  const named = axes.length === 0 ? undefined : differentAxes('squeeze', listOf(axes), x.rank)
  return reshape(
    x,
    x.dims.filter((dim, d) => dim !== 1 || (named && !named.includes(d))),
  )
}

/** With a dim of size 1 put in before `axis`. A view. */
export function unsqueeze<D extends DType>(x: Tensor<D>, axis: number): Tensor<D> {
  checkTensor('unsqueeze', x)
  const at = axisOf('unsqueeze', axis, x.rank + 1)
  return reshape(x, [...x.dims.slice(0, at), 1, ...x.dims.slice(at)])
}

/** One index (the dim goes away), `[start, end, step?]` as in Python, or null for the whole dim. */
export type Range = number | readonly [start: number | null, end?: number | null, step?: number] | null

interface Cut {
  readonly ranges: readonly Range[]
  readonly from: Shape
}
const sliceGradient: Gradient<Cut> = rule({ name: 'slice', grad: (g, _, p) => [apply(scatterSlice, [g], p)] })

/** Zeros of the original shape with the gradient where the slice was. */
const scatterSlice: Rule<Cut> = rule({
  name: 'scatterSlice',
  strided: true,
  output: (_, { from }) => ({ shape: from }),
  run: (k, [g], dx, { ranges }) => {
    k.fill(whole(dx), 0)
    const { shape, strides, offset } = sliceLayout(dx, ranges)
    copyInto(g, dx, shape, strides, offset)
  },
  grad: (g, _, { ranges }) => [slice(g, ...ranges)],
})

/**
 * Part of a tensor, one range per dim, as Python's `x[a, b:c, ::2]`; missing ranges take the whole dim. A view.
 *
 * @throws ShapeError for an index outside, or more ranges than dims.
 * @example
 * const x = arange(12).reshape([3, 4])
 * await x.slice(1).toArray() // [4, 5, 6, 7]
 * await x.slice([0, 2], [null, null, -1]).toArray() // [[3, 2, 1, 0], [7, 6, 5, 4]]
 */
export function slice<D extends DType>(x: Tensor<D>, ...ranges: Range[]): Tensor<D> {
  checkTensor('slice', x)
  const own = ranges.map(range => (Array.isArray(range) ? ([...range] as unknown as Range) : range))
  return view(sliceGradient, x, { ranges: own, from: x.dims }, sliceLayout(x, own))
}

function sliceLayout(x: Tensor, ranges: readonly Range[]): Layout {
  if (ranges.length > x.rank) throw new ShapeError('slice', `${ranges.length} ranges for a tensor of rank ${x.rank}`)
  const shape: number[] = []
  const strides: number[] = []
  let offset = x.offset
  x.dims.forEach((n, d) => {
    const range = ranges[d] ?? null
    if (typeof range === 'number') {
      const i = range < 0 ? range + n : range
      if (!Number.isInteger(i) || i < 0 || i >= n)
        throw new ShapeError('slice', `index ${range} is outside axis ${d} of size ${n}`)
      offset += i * x.steps[d]
      return
    }
    const { start, length, step } = bounds(range, n)
    offset += start * x.steps[d]
    shape.push(length)
    strides.push(step * x.steps[d])
  })
  return { shape, strides, offset: sizeOf(shape) === 0 ? x.offset : offset }
}

/** Python's rules: negative positions count from the end, positions outside are moved to the edge. */
function bounds(range: Exclude<Range, number>, n: number): { start: number; length: number; step: number } {
  if (range !== null && !Array.isArray(range))
    throw new ShapeError('slice', `expected an index, [start, end, step] or null, got ${describe(range)}`)
  const [from = null, to = null, step = 1] = range ?? []
  for (const v of [from ?? 0, to ?? 0, step])
    if (!Number.isInteger(v)) throw new ShapeError('slice', `positions must be whole numbers, got ${describe(v)}`)
  if (step === 0) throw new ShapeError('slice', 'step must not be 0')
  const place = (p: number) => Math.min(Math.max(p < 0 ? p + n : p, step > 0 ? 0 : -1), step > 0 ? n : n - 1)
  const start = from === null ? (step > 0 ? 0 : n - 1) : place(from)
  const end = to === null ? (step > 0 ? n : -1) : place(to)
  return { start, length: Math.max(0, Math.ceil((end - start) / step)), step }
}

/** Pieces along `axis`: of the given size (the last may be smaller), or of the given sizes. Views. */
export function split<D extends DType>(x: Tensor<D>, sizes: number | readonly number[], axis = 0): Tensor<D>[] {
  checkTensor('split', x)
  const a = dimOf('split', axis, x.rank)
  const n = x.dims[a]
  if (typeof sizes === 'number' && !(Number.isInteger(sizes) && sizes >= 0 && (sizes > 0 || n === 0)))
    throw new ShapeError('split', `the size of a piece must be a whole number above 0, got ${sizes}`)
  const list =
    typeof sizes === 'number'
      ? Array.from({ length: Math.ceil(n / sizes) || 1 }, (_, i) => Math.min(sizes, n - i * sizes))
      : checkSizes('split', sizes, 'the size of a piece or a list of sizes')
  const total = list.reduce((sum, size) => sum + size, 0)
  if (total !== n) throw new ShapeError('split', `sizes ${format(list)} add up to ${total}, but axis ${a} has ${n}`)
  let start = 0
  return list.map(size => {
    const range: Range = [start, (start += size)]
    return slice(x, ...new Array<Range>(a).fill(null), range)
  })
}

const flipped = (shape: Shape, axes: readonly number[]): Range[] =>
  shape.map((_, d) => (axes.includes(d) ? [null, null, -1] : null))

/** The elements in reverse order along the axes. A view. */
export function flip<D extends DType>(x: Tensor<D>, ...axes: Numbers): Tensor<D> {
  checkTensor('flip', x)
  if (axes.length === 0) throw new ShapeError('flip', 'expected the axes to reverse', 'flip(0), flip(0, 1)')
  const list = differentAxes('flip', listOf(axes), x.rank)
  return slice(x, ...flipped(x.dims, list))
}
