/** Moving and converting data without arithmetic.         twin: native/kernels/movement.cc   cases: test/ops/movement.ts */
import { type AnyDType, checkDType, type DType, promote } from '../dtype.js'
import { checkOptions, describe, OptionError, ShapeError, StateError } from '../errors.js'
import type { Highest, Known } from '../promotion.js'
import type { Pieces, Strided } from '../runtime/js.js'
import { refuseRecorded, tidy } from '../scope.js'
import { axisOf, checkSizes, dimOf, format, listOf, type Numbers, overlaps, type Shape, sameShape } from '../shape.js'
import type { Tensor } from '../tensor.js'
import {
  aligned,
  apply,
  applyTo,
  checkTensor,
  checkTensors,
  cast as convert,
  copyInto,
  copyTo,
  isTensor,
  kernels,
  pair,
  type Rule,
  rule,
  type TensorLike,
  whole,
} from './define.js'
import { forEach, forRows, map1 } from './loops.js'
import { expand, type Range, reshape, slice, split, unsqueeze } from './view.js'

kernels({
  copy: (x, y) => move(x, y),
  assign: (x, y) => move(x, y),
  fill: (y, value) => {
    const step = y.strides.at(-1) ?? 0
    const v = y.data instanceof Uint8Array ? Number(value !== 0) : value
    return forRows([y], ([o], n) => {
      for (let j = 0; j < n; j++) y.data[o + j * step] = v
    })
  },
  arange: (y, start, step) =>
    forEach(y.length, i => {
      y[i] = start + i * step
    }),
  toFloat32: (x, y) => map1(x, y, v => v),
  toFloat64: (x, y) => map1(x, y, v => v),
  toInt32: (x, y) =>
    map1(x, y, v => (Number.isNaN(v) ? 0 : Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, Math.trunc(v))))),
  toBool: (x, y) => map1(x, y, v => (v === 0 ? 0 : 1)),
})

function move(x: Strided, y: Strided): Pieces {
  const from = x.strides.at(-1) ?? 0
  const to = y.strides.at(-1) ?? 0
  return forRows([x, y], ([ox, oy], n) => {
    for (let j = 0; j < n; j++) y.data[oy + j * to] = x.data[ox + j * from]
  })
}

// ---- copies ----------------------------------------------------------------------------------------------------------

const copyRule: Rule<null> = rule({
  name: 'copy',
  strided: true,
  output: ([x]) => ({ shape: x.dims }),
  run: (k, [x], y) => k.copy(...aligned([x, y])),
  grad: g => [g],
})

/** A copy with its own storage. */
export function clone<D extends DType, S extends Shape>(x: Tensor<D, S>): Tensor<D, S> {
  return apply(copyRule, [checkTensor('clone', x)], null) as Tensor<AnyDType, never>
}

/** The tensor itself if its elements lie in row-major order without gaps, else a copy that does. */
export function contiguous<D extends DType, S extends Shape>(x: Tensor<D, S>): Tensor<D, S> {
  return checkTensor('contiguous', x).isContiguous ? x : clone(x)
}

/** The tensor in another dtype: float → int32 truncates, NaN becomes 0; anything → bool is ≠ 0. Itself if it has it. */
export function cast<D extends DType, S extends Shape>(x: Tensor<AnyDType, S>, dtype: D): Tensor<D, S> {
  return convert(checkTensor('cast', x), checkDType('cast', dtype)) as Tensor<AnyDType, never>
}

interface Along {
  readonly axis: number
  readonly sizes: readonly number[]
}
const concatRule: Rule<Along> = rule({
  name: 'concat',
  strided: true,
  output: (inputs: readonly Tensor[], { axis }: Along) => ({
    shape: inputs[0].dims.map((dim, d) => (d === axis ? inputs.reduce((n, x) => n + x.dims[d], 0) : dim)),
  }),
  run: (_, inputs, y, { axis }) => {
    let start = 0
    for (const x of inputs) {
      copyInto(x, y, x.dims, y.steps, start * y.steps[axis])
      start += x.dims[axis]
    }
  },
  grad: (g, _, { axis, sizes }) => split(g, sizes, axis),
})

/** Tensors one after the other along an axis; the other sizes must be equal. Beside others, [0] is nothing. */
export function concat<D extends DType>(tensors: readonly Tensor<D>[], axis = 0): Tensor<Known<D, Highest<D>>> {
  if (!Array.isArray(tensors) || tensors.length === 0)
    throw new ShapeError('concat', `expected a list of at least one tensor, got ${describe(tensors)}`)
  checkTensors('concat', tensors)
  // As in PyTorch, so that a list may start with zeros([0]).
  const some = (tensors as readonly Tensor[]).some(x => x.rank !== 1)
  const parts: readonly Tensor[] = some ? tensors.filter((x: Tensor) => x.rank !== 1 || x.size > 0) : tensors
  const { dims } = parts[0] as Tensor
  const a = dimOf('concat', axis, dims.length)
  for (const x of parts)
    if (x.rank !== dims.length || x.dims.some((dim, d) => d !== a && dim !== dims[d]))
      throw new ShapeError(
        'concat',
        `shapes must be equal except along axis ${a}, got ${format(dims)} and ${format(x.dims)}`,
      )
  const dtype = (tensors as readonly Tensor[]).reduce<DType>((d, x) => promote(d, x.dtype), 'bool')
  const p = { axis: a, sizes: parts.map(x => x.dims[a]) }
  const inputs = parts.map(x => convert(x, dtype))
  const y = apply(concatRule, inputs, p)
  inputs.forEach((x, i) => x !== parts[i] && x.dispose())
  return y
}

/** Tensors of one shape as slices of a new dim before `axis`. */
export function stack<D extends DType>(tensors: readonly Tensor<D>[], axis = 0): Tensor<Known<D, Highest<D>>> {
  if (!Array.isArray(tensors) || tensors.length === 0)
    throw new ShapeError('stack', `expected a list of at least one tensor, got ${describe(tensors)}`)
  checkTensors('stack', tensors)
  const { dims } = tensors[0] as Tensor
  const other = (tensors as readonly Tensor[]).find(x => !sameShape(x.dims, dims))
  if (other) throw new ShapeError('stack', `shapes must be equal, got ${format(dims)} and ${format(other.dims)}`)
  const a = axisOf('stack', axis, dims.length + 1)
  return concat(
    tensors.map(x => unsqueeze(x, a)),
    a,
  )
}

interface Padding {
  readonly pads: readonly (readonly [number, number])[]
  readonly value: number
}
const padRule: Rule<Padding> = rule({
  name: 'pad',
  strided: true,
  output: ([x], { pads }) => ({ shape: x.dims.map((dim, d) => dim + pads[d][0] + pads[d][1]) }),
  run: (k, [x], y, { pads, value }) => {
    k.fill(whole(y), value)
    const offset = pads.reduce((at, [before], d) => at + before * y.steps[d], 0)
    copyInto(x, y, x.dims, y.steps, offset)
  },
  grad: (g, _, { pads }) => [slice(g, ...pads.map(([before, after], d): Range => [before, g.dims[d] - after]))],
})

/** The pads of every dim. PyTorch's form is one list, [before, after] of the last dim, then of the one before it. */
function padsOf(x: Tensor, given: unknown): (readonly [number, number])[] {
  const list: unknown[] = Array.isArray(given) ? Array.from(given) : []
  const flat = list.length > 0 && list.length % 2 === 0 && list.every(v => typeof v === 'number')
  const pairs: unknown[] = flat
    ? x.dims.map((_, d) => [2 * (x.rank - 1 - d), 2 * (x.rank - 1 - d) + 1].map(i => list[i] ?? 0))
    : list
  const fits = Array.isArray(given) && pairs.length === x.rank && (!flat || list.length <= 2 * x.rank)
  if (!fits || !pairs.every(p => Array.isArray(p) && p.length === 2))
    throw new ShapeError('pad', `expected [before, after] for each of the ${x.rank} dims, got ${describe(given)}`)
  return (pairs as unknown[][]).map(([before, after], d) => {
    const [a, b] = [before as number, after as number]
    if (![a, b].every(Number.isSafeInteger) || Math.max(0, -a) + Math.max(0, -b) > x.dims[d])
      throw new ShapeError('pad', `cannot put ${describe(before)} and ${describe(after)} elements around ${x.dims[d]}`)
    return [a, b] as const
  })
}

/** With `pads[d] = [before, after]` elements of `value` (0 unless given) put around dim d; negative ones are cut off. */
export function pad<D extends DType>(
  x: Tensor<D>,
  pads: readonly (readonly [number, number])[] | readonly number[],
  options: { value?: number | undefined } = {},
): Tensor<D> {
  checkTensor('pad', x)
  checkOptions('pad', options, ['value'])
  const all = padsOf(x, pads)
  const { value = 0 } = options
  if (typeof value !== 'number') throw new OptionError('pad', `value must be a number, got ${describe(value)}`)
  const kept = all.some(([before, after]) => before < 0 || after < 0)
    ? slice(x, ...all.map(([before, after], d): Range => [Math.max(0, -before), x.dims[d] + Math.min(0, after)]))
    : x
  return applyTo(padRule, [x], [kept], { pads: all.map(p => p.map(v => Math.max(0, v)) as [number, number]), value })
}

/** A result that is still a view of its input, as a copy. */
const own = (x: Tensor, y: Tensor): Tensor => (y.storage === x.storage ? clone(y) : y)

/** The whole tensor repeated counts[d] times along dim d; extra counts are new leading dims. */
export function tile<D extends DType>(x: Tensor<D>, ...counts: Numbers): Tensor<D> {
  checkTensor('tile', x)
  const given = checkSizes('tile', listOf(counts))
  const rank = Math.max(given.length, x.rank)
  const full = [...new Array<number>(rank - given.length).fill(1), ...given]
  const base: number[] = [...new Array<number>(rank - x.rank).fill(1), ...x.dims]
  // [a, b] → [1, a, 1, b] → [ca, a, cb, b] → [ca·a, cb·b]
  const spread = expand(
    reshape(
      x,
      base.flatMap(dim => [1, dim]),
    ),
    base.flatMap((dim, d) => [full[d], dim]),
  )
  return own(
    x,
    reshape(
      spread,
      base.map((dim, d) => dim * full[d]),
    ),
  )
}

/** Each element repeated `count` times along `axis`, as NumPy's repeat (PyTorch's `repeat` is `tile`). */
export function repeat<D extends DType>(x: Tensor<D>, count: number, axis: number): Tensor<D> {
  checkTensor('repeat', x)
  if (axis === undefined) throw new ShapeError('repeat', 'expected a count and an axis', "PyTorch's repeat is tile()")
  checkSizes('repeat', [count])
  const a = dimOf('repeat', axis, x.rank)
  const shape = [...x.dims.slice(0, a + 1), count, ...x.dims.slice(a + 1)]
  return own(
    x,
    reshape(
      expand(unsqueeze(x, a + 1), shape),
      x.dims.map((dim, d) => (d === a ? dim * count : dim)),
    ),
  )
}

// ---- in place --------------------------------------------------------------------------------------------------------

/**
 * Replaces the values of a tensor (or of the part that a view shows), broadcast and converted. Returns it.
 *
 * @throws GradientError while recording, if the tensor requires a gradient.
 */
export function assign_<D extends DType>(x: Tensor<D>, value: TensorLike): Tensor<D> {
  checkTensor('assign_', x)
  refuseRecorded('assign_', x)
  if (overlaps(x.dims, x.steps))
    throw new StateError('assign_', 'elements of an expanded view share memory', 'change a clone() of it')
  if (isTensor(value)) refuseRecorded('assign_', value, 'a value that requires a gradient would lose it')
  tidy(() => {
    const [, given] = pair('assign_', x, value)
    const source = convert(given, x.dtype)
    const from = isTensor(value) && source.storage === x.storage ? clone(source) : source
    const view = sameShape(from.dims, x.dims) ? from : expand(from, x.dims)
    x.storage.stream.as('assign_', () => copyTo(view.detach(), x, 'assign'))
  })
  x.storage.written('assign_')
  return x
}
