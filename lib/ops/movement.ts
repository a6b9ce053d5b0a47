/** Views, and moving data without arithmetic.             twin: native/kernels/movement.cc   cases: test/ops/movement.ts */
import { type Buf, checkDType, type DType, promote } from '../dtype.js'
import { checkOptions, describe, ShapeError } from '../errors.js'
import type { Strided } from '../runtime/js.js'
import { refuseRecorded } from '../scope.js'
import {
  axisOf,
  broadcastStrides,
  checkShape,
  format,
  isContiguous,
  type Shape,
  sameShape,
  sizeOf,
  stridesOf,
} from '../shape.js'
import { Tensor } from '../tensor.js'
import {
  aligned,
  apply,
  checkTensor,
  cast as convert,
  copyTo,
  type Gradient,
  isTensor,
  kernels,
  pair,
  type Rule,
  record,
  rule,
  type TensorLike,
  whole,
} from './define.js'
import { forRows } from './loops.js'

kernels({
  copy: (x, y) => move(x, y),
  assign: (x, y) => move(x, y),
  fill: (y, value) => {
    const step = y.strides.at(-1) ?? 0
    const v = y.data instanceof Uint8Array ? Number(value !== 0) : value
    forRows([y], ([o], n) => {
      for (let j = 0; j < n; j++) y.data[o + j * step] = v
    })
  },
  arange: (y, start, step) => {
    for (let i = 0; i < y.length; i++) y[i] = start + i * step
  },
  toFloat32: (x, y) => convertAll(x, y, v => v),
  toFloat64: (x, y) => convertAll(x, y, v => v),
  toInt32: (x, y) =>
    convertAll(x, y, v => (Number.isNaN(v) ? 0 : Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, Math.trunc(v))))),
  toBool: (x, y) => convertAll(x, y, v => (v === 0 ? 0 : 1)),
})

function move(x: Strided, y: Strided): void {
  const from = x.strides.at(-1) ?? 0
  const to = y.strides.at(-1) ?? 0
  forRows([x, y], ([ox, oy], n) => {
    for (let j = 0; j < n; j++) y.data[oy + j * to] = x.data[ox + j * from]
  })
}

function convertAll(x: Strided, y: Buf, f: (v: number) => number): void {
  const step = x.strides.at(-1) ?? 0
  let at = 0
  forRows([x], ([o], n) => {
    for (let j = 0; j < n; j++) y[at++] = f(x.data[o + j * step])
  })
}

// ---- views -----------------------------------------------------------------------------------------------------------

interface Layout {
  readonly shape: Shape
  readonly strides: readonly number[]
  readonly offset: number
}

/** Another look at the same storage, recorded with its gradient. */
function view<P>(gradient: Gradient<P>, x: Tensor, p: P, { shape, strides, offset }: Layout): Tensor {
  const y = new Tensor(x.storage.retain(), shape, strides, offset)
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
export function reshape<const S extends Shape>(x: Tensor, shape: S): Tensor<S> {
  checkTensor('reshape', x)
  const to = resolve(x, shape)
  const base = x.isContiguous ? x : contiguous(x)
  return view(
    reshapeGradient,
    base,
    { from: x.shape },
    { shape: to, strides: stridesOf(to), offset: base.offset },
  ) as unknown as Tensor<S>
}

function resolve(x: Tensor, shape: Shape): Shape {
  const open = Array.isArray(shape) ? shape.indexOf(-1) : -1
  const rest = checkShape('reshape', open < 0 ? shape : shape.filter((_, d) => d !== open))
  const known = sizeOf(rest)
  if (open < 0) {
    if (known === x.size) return [...rest]
  } else if (known > 0 && x.size % known === 0) return shape.map((dim, d) => (d === open ? x.size / known : dim))
  throw new ShapeError(
    'reshape',
    `cannot see ${format(x.shape)} (${x.size} elements) as ${format(shape)}`,
    'the number of elements must stay the same',
  )
}

/** All elements in one dim; or the dims from `start` to `end` (inclusive) merged. */
export function flatten(x: Tensor, start = 0, end = -1): Tensor {
  checkTensor('flatten', x)
  if (x.rank === 0) return reshape(x, [1])
  const [a, b] = [axisOf('flatten', start, x.rank), axisOf('flatten', end, x.rank)]
  return reshape(x, [...x.shape.slice(0, a), sizeOf(x.shape.slice(a, b + 1)), ...x.shape.slice(b + 1)])
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
export function permute(x: Tensor, order: readonly number[]): Tensor {
  checkTensor('permute', x)
  const full = order.map(axis => axisOf('permute', axis, x.rank))
  if (full.length !== x.rank || new Set(full).size < x.rank)
    throw new ShapeError('permute', `order must name each of the ${x.rank} axes once, got ${format(order)}`)
  return view(
    permuteGradient,
    x,
    { order: full },
    { shape: full.map(d => x.shape[d]), strides: full.map(d => x.strides[d]), offset: x.offset },
  )
}

/** Two axes exchanged, the last two unless given. A view. */
export function transpose(x: Tensor, a = -2, b = -1): Tensor {
  checkTensor('transpose', x)
  if (x.rank < 2 && a === -2 && b === -1)
    throw new ShapeError('transpose', `expected at least 2 dims, got shape ${format(x.shape)}`)
  const [i, j] = [axisOf('transpose', a, x.rank), axisOf('transpose', b, x.rank)]
  return permute(
    x,
    x.shape.map((_, d) => (d === i ? j : d === j ? i : d)),
  )
}

const expandGradient: Gradient<null> = rule({ name: 'expand', grad: g => [g] }) // the walker sums over the repeated dims

/** Dims of size 1 repeated without a copy, and new leading dims. A view. */
export function expand(x: Tensor, shape: Shape): Tensor {
  checkTensor('expand', x)
  const to = checkShape(
    'expand',
    shape.map((dim, d) => (dim === -1 ? (x.shape[d - shape.length + x.rank] ?? -1) : dim)),
  )
  const lead = to.length - x.rank
  if (lead < 0 || x.shape.some((dim, d) => dim !== 1 && dim !== to[d + lead]))
    throw new ShapeError(
      'expand',
      `shape ${format(x.shape)} cannot be expanded to ${format(shape)}`,
      'only dims of size 1 can',
    )
  return view(expandGradient, x, null, {
    shape: to,
    strides: broadcastStrides(x.shape, x.strides, to),
    offset: x.offset,
  })
}

/** Without the dims of size 1, or without those named, which must have size 1. A view. */
export function squeeze(x: Tensor, axes?: number | readonly number[]): Tensor {
  checkTensor('squeeze', x)
  const named =
    axes === undefined ? undefined : (typeof axes === 'number' ? [axes] : axes).map(a => axisOf('squeeze', a, x.rank))
  const wrong = named?.find(d => x.shape[d] !== 1)
  if (wrong !== undefined)
    throw new ShapeError('squeeze', `axis ${wrong} has size ${x.shape[wrong]}, not 1, in shape ${format(x.shape)}`)
  return reshape(
    x,
    x.shape.filter((dim, d) => (named ? !named.includes(d) : dim !== 1)),
  )
}

/** With a dim of size 1 put in before `axis`. A view. */
export function unsqueeze(x: Tensor, axis: number): Tensor {
  checkTensor('unsqueeze', x)
  const at = axisOf('unsqueeze', axis, x.rank + 1)
  return reshape(x, [...x.shape.slice(0, at), 1, ...x.shape.slice(at)])
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
export function slice(x: Tensor, ...ranges: Range[]): Tensor {
  checkTensor('slice', x)
  return view(sliceGradient, x, { ranges, from: x.shape }, sliceLayout(x, ranges))
}

function sliceLayout(x: Tensor, ranges: readonly Range[]): Layout {
  if (ranges.length > x.rank) throw new ShapeError('slice', `${ranges.length} ranges for a tensor of rank ${x.rank}`)
  const shape: number[] = []
  const strides: number[] = []
  let offset = x.offset
  x.shape.forEach((n, d) => {
    const range = ranges[d] ?? null
    if (typeof range === 'number') {
      const i = range < 0 ? range + n : range
      if (!Number.isInteger(i) || i < 0 || i >= n)
        throw new ShapeError('slice', `index ${range} is outside axis ${d} of size ${n}`)
      offset += i * x.strides[d]
      return
    }
    const { start, length, step } = bounds(range, n)
    offset += start * x.strides[d]
    shape.push(length)
    strides.push(step * x.strides[d])
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
export function split(x: Tensor, sizes: number | readonly number[], axis = 0): Tensor[] {
  checkTensor('split', x)
  const a = axisOf('split', axis, x.rank)
  const n = x.shape[a]
  if (typeof sizes === 'number' && !(Number.isInteger(sizes) && sizes > 0))
    throw new ShapeError('split', `the size of a piece must be a whole number above 0, got ${sizes}`)
  const list =
    typeof sizes === 'number'
      ? Array.from({ length: Math.max(1, Math.ceil(n / sizes)) }, (_, i) => Math.min(sizes, n - i * sizes))
      : checkShape('split', sizes)
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
export function flip(x: Tensor, axes: number | readonly number[]): Tensor {
  checkTensor('flip', x)
  const list = (typeof axes === 'number' ? [axes] : axes).map(a => axisOf('flip', a, x.rank))
  return slice(x, ...flipped(x.shape, list))
}

/** Copies into a window of a fresh result. */
function copyInto(x: Tensor, y: Tensor, shape: Shape, strides: readonly number[], offset: number): void {
  const window = new Tensor(y.storage.retain(), shape, strides, offset)
  copyTo(x, window)
  window.dispose()
}

// ---- copies ----------------------------------------------------------------------------------------------------------

const copyRule: Rule<null> = rule({
  name: 'copy',
  strided: true,
  output: ([x]) => ({ shape: x.shape }),
  run: (k, [x], y) => k.copy(...aligned([x, y])),
  grad: g => [g],
})

/** A copy with its own storage. */
export function clone<S extends Shape>(x: Tensor<S>): Tensor<S> {
  return apply(copyRule, [checkTensor('clone', x)], null) as Tensor<S>
}

/** The tensor itself if its elements lie in row-major order without gaps, else a copy that does. */
export function contiguous<S extends Shape>(x: Tensor<S>): Tensor<S> {
  return isContiguous(x.shape, x.strides) ? x : clone(x)
}

/** The tensor in another dtype: float → int32 truncates, NaN becomes 0; anything → bool is ≠ 0. Itself if it has it. */
export function cast<S extends Shape>(x: Tensor<S>, dtype: DType): Tensor<S> {
  return convert(checkTensor('cast', x), checkDType('cast', dtype)) as Tensor<S>
}

interface Along {
  readonly axis: number
  readonly sizes: readonly number[]
}
const concatRule: Rule<Along> = rule({
  name: 'concat',
  strided: true,
  output: (inputs: readonly Tensor[], { axis }: Along) => ({
    shape: inputs[0].shape.map((dim, d) => (d === axis ? inputs.reduce((n, x) => n + x.shape[d], 0) : dim)),
  }),
  run: (_, inputs, y, { axis }) => {
    let start = 0
    for (const x of inputs) {
      copyInto(x, y, x.shape, y.strides, start * y.strides[axis])
      start += x.shape[axis]
    }
  },
  grad: (g, _, { axis, sizes }) => split(g, sizes, axis),
})

/** Tensors one after the other along an axis; the other sizes must be equal. */
export function concat(tensors: readonly Tensor[], axis = 0): Tensor {
  if (!Array.isArray(tensors) || tensors.length === 0)
    throw new ShapeError('concat', `expected a list of at least one tensor, got ${describe(tensors)}`)
  tensors.forEach((x, i) => checkTensor('concat', x, `input ${i}`))
  const a = axisOf('concat', axis, tensors[0].rank)
  for (const x of tensors as readonly Tensor[])
    if (x.rank !== tensors[0].rank || x.shape.some((dim, d) => d !== a && dim !== tensors[0].shape[d]))
      throw new ShapeError(
        'concat',
        `shapes must be equal except along axis ${a}, got ${tensors.map(t => format(t.shape)).join(' and ')}`,
      )
  const inputs = common('concat', tensors)
  const p = { axis: a, sizes: inputs.map(x => x.shape[a]) }
  return apply(concatRule, inputs, p)
}

/** Brings tensors to one dtype. */
function common(op: string, tensors: readonly Tensor[]): Tensor[] {
  const dtype = tensors.reduce<DType>((d, x) => promote(d, x.dtype), tensors[0].dtype)
  return tensors.map(x => convert(checkTensor(op, x), dtype))
}

/** Tensors of one shape as slices of a new dim before `axis`. */
export function stack(tensors: readonly Tensor[], axis = 0): Tensor {
  if (!Array.isArray(tensors) || tensors.length === 0)
    throw new ShapeError('stack', `expected a list of at least one tensor, got ${describe(tensors)}`)
  tensors.forEach((x, i) => checkTensor('stack', x, `input ${i}`))
  if (tensors.some(x => !sameShape(x.shape, tensors[0].shape)))
    throw new ShapeError('stack', `shapes must be equal, got ${tensors.map(t => format(t.shape)).join(' and ')}`)
  return concat(
    tensors.map(x => unsqueeze(x, axis)),
    axisOf('stack', axis, tensors[0].rank + 1),
  )
}

interface Padding {
  readonly pads: readonly (readonly [number, number])[]
  readonly value: number
}
const padRule: Rule<Padding> = rule({
  name: 'pad',
  strided: true,
  output: ([x], { pads }) => ({ shape: x.shape.map((dim, d) => dim + pads[d][0] + pads[d][1]) }),
  run: (k, [x], y, { pads, value }) => {
    k.fill(whole(y), value)
    const offset = pads.reduce((at, [before], d) => at + before * y.strides[d], 0)
    copyInto(x, y, x.shape, y.strides, x.size ? offset : 0)
  },
  grad: (g, _, { pads }) => [slice(g, ...pads.map(([before, after], d): Range => [before, g.shape[d] - after]))],
})

/** With `pads[d] = [before, after]` elements of `value` (0 unless given) put around dim d. */
export function pad(x: Tensor, pads: readonly (readonly [number, number])[], options: { value?: number } = {}): Tensor {
  checkTensor('pad', x)
  checkOptions('pad', options, ['value'])
  if (!Array.isArray(pads) || pads.length !== x.rank || pads.some(p => !Array.isArray(p) || p.length !== 2))
    throw new ShapeError('pad', `expected [before, after] for each of the ${x.rank} dims, got ${JSON.stringify(pads)}`)
  checkShape('pad', pads.flat())
  return apply(padRule, [x], { pads, value: options.value ?? 0 })
}

/** The whole tensor repeated counts[d] times along dim d; extra counts are new leading dims. */
export function tile(x: Tensor, counts: number | readonly number[]): Tensor {
  checkTensor('tile', x)
  const given = checkShape('tile', typeof counts === 'number' ? [counts] : counts)
  const rank = Math.max(given.length, x.rank)
  const full = [...new Array<number>(rank - given.length).fill(1), ...given]
  const base: number[] = [...new Array<number>(rank - x.rank).fill(1), ...x.shape]
  // [a, b] → [1, a, 1, b] → [ca, a, cb, b] → [ca·a, cb·b]
  const spread = expand(
    reshape(
      x,
      base.flatMap(dim => [1, dim]),
    ),
    base.flatMap((dim, d) => [full[d], dim]),
  )
  return reshape(
    spread,
    base.map((dim, d) => dim * full[d]),
  )
}

/** Each element repeated `count` times along `axis`, as NumPy's repeat. */
export function repeat(x: Tensor, count: number, axis: number): Tensor {
  checkTensor('repeat', x)
  checkShape('repeat', [count])
  const a = axisOf('repeat', axis, x.rank)
  const shape = [...x.shape.slice(0, a + 1), count, ...x.shape.slice(a + 1)]
  return reshape(
    expand(unsqueeze(x, a + 1), shape),
    x.shape.map((dim, d) => (d === a ? dim * count : dim)),
  )
}

// ---- in place --------------------------------------------------------------------------------------------------------

/**
 * Replaces the values of a tensor (or of the part that a view shows), broadcast and converted. Returns it.
 *
 * @throws GradientError while recording, if the tensor requires a gradient.
 */
export function assign_(x: Tensor, value: TensorLike): Tensor {
  checkTensor('assign_', x)
  refuseRecorded('assign_', x)
  const [, given] = pair('assign_', x, value)
  const source = convert(given, x.dtype)
  const from = isTensor(value) && source.storage === x.storage ? clone(source) : source
  const view = sameShape(from.shape, x.shape) ? from : expand(from, x.shape)
  x.storage.stream.as('assign_', () => copyTo(view.detach(), x, 'assign'))
  x.storage.written('assign_')
  return x
}
