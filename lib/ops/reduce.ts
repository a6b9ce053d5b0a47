/** Reductions over any axes.                               twin: native/kernels/reduce.cc   cases: test/ops/reduce.ts */
import { type Buf, type DType, floatOf, promote } from '../dtype.js'
import { checkOptions, describe, OptionError, ShapeError } from '../errors.js'
import type { Float, Into, Numeric } from '../promotion.js'
import { complete, type JsKernels, type Pieces, type Strided } from '../runtime/js.js'
import type { Operand } from '../runtime/stream.js'
import { type Allowed, type Arguments, absolute, allowedUlp, sumError, ulp } from '../runtime/tolerance.js'
import { noGrad } from '../scope.js'
import { axesOf, coalesce, format, type Shape, type Slices, sizeOf, slicesOf } from '../shape.js'
import type { Tensor } from '../tensor.js'
import { add, div, mul, sub } from './binary.js'
import { equal, isNaN, logicalOr, where } from './compare.js'
import {
  apply,
  applyTo,
  cast,
  checkTensor,
  copyTo,
  empty,
  isTensor,
  kernels,
  type Rule,
  rule,
  type Saved,
} from './define.js'
import { forOutputs, forSlices, plusOf } from './loops.js'
import { pad } from './movement.js'
import { clamp, exp, log } from './unary.js'
import { flip, reshape, slice } from './view.js'

/** One axis, several, or all of them (undefined or null). Negative ones count from the end. */
export type Axes = number | readonly number[] | null
export interface KeepDims {
  /** Leaves the reduced dims in the shape, as 1. Default: false. */
  keepDims?: boolean | undefined
}

/** Where a reduction goes: the reduced axes, and the result with and without them. */
export interface Plan {
  readonly axes: readonly number[]
  readonly shape: Shape
  readonly kept: Shape
}

const axesFirst = 'the axes are the first argument: sum(0), sum([0, 1])'
const words = {
  ...{ dim: axesFirst, dims: axesFirst, axis: axesFirst, axes: axesFirst },
  ...{ unbiased: 'correction: 1 or 0', ddof: 'correction' },
}

/** @internal Options may stand in the place of the axes: `sum({ keepDims: true })`. */
export function optionsOf<O extends KeepDims>(axes: Axes | O | undefined, options: O | undefined): O | undefined {
  return options === undefined && isOptions(axes) ? axes : options
}
const isOptions = <O extends KeepDims>(axes: Axes | O | undefined): axes is O =>
  typeof axes === 'object' && axes !== null && !Array.isArray(axes) && !isTensor(axes)

/** @internal Checks the arguments of a reduction. */
export function plan(
  op: string,
  x: Tensor,
  axes: Axes | KeepDims | undefined,
  more: KeepDims | undefined,
  known: readonly string[] = ['keepDims'],
): Plan {
  checkTensor(op, x)
  const options = optionsOf(axes, more)
  checkOptions(op, options, known, words)
  const keepDims = options?.keepDims ?? false
  if (typeof keepDims !== 'boolean')
    throw new OptionError(op, `keepDims must be true or false, got ${describe(keepDims)}`)
  if (isTensor(axes))
    throw new ShapeError(op, 'axes must be numbers, got a Tensor', 'of two tensors: maximum(), minimum()')
  const list = axesOf(op, options === axes ? undefined : axes, x.rank)
  const kept = x.dims.map((dim, d) => (list.includes(d) ? 1 : dim))
  return { axes: list, kept, shape: keepDims ? kept : x.dims.filter((_, d) => !list.includes(d)) }
}

/** The operand with kept dims first and reduced dims last, each part with as few dims as possible; and the number kept. */
function arranged(x: Tensor, axes: readonly number[]): [Operand, number] {
  const pick = (wanted: boolean) => x.dims.flatMap((_, d) => (axes.includes(d) === wanted ? [d] : []))
  const merged = (dims: readonly number[]) =>
    coalesce(
      dims.map(d => x.dims[d]),
      [dims.map(d => x.steps[d])],
    )
  const [kept, reduced] = [merged(pick(false)), merged(pick(true))]
  const dims = [...kept.dims, ...reduced.dims]
  if (dims.length > 6) return written(x, pick(false), pick(true))
  return [
    { storage: x.storage, offset: x.offset, dims, steps: [...kept.strides[0], ...reduced.strides[0]] },
    kept.dims.length,
  ]
}

/** More dims than a kernel takes: the operand is written out as a matrix. */
function written(x: Tensor, kept: readonly number[], reduced: readonly number[]): [Operand, number] {
  const order = [...kept, ...reduced]
  const view = noGrad(() => x.permute(order))
  const y = empty('contiguous', view.dims, x.dtype, x.storage.stream)
  copyTo(view, y)
  view.dispose()
  const dims = [sizeOf(kept.map(d => x.dims[d])), sizeOf(reduced.map(d => x.dims[d]))]
  return [{ storage: y.storage, offset: 0, dims, steps: [dims[1], 1] }, 1]
}

type Fold = 'prod' | 'max' | 'min' | 'argmax' | 'argmin' | 'any' | 'all'

interface Reduction {
  readonly name: string
  readonly kernel: 'sum' | Fold
  readonly result?: DType
  readonly saves?: Rule<Plan>['saves']
  grad?(g: Tensor, saved: Saved, p: Plan): Tensor
  readonly noGrad?: string
}

function reduction({ name, kernel, result, saves, grad, noGrad }: Reduction): Rule<Plan> {
  return rule({
    name,
    strided: true,
    output: (_, p) => ({ shape: p.shape, dtype: result }),
    run: (k, [x], y, p) => {
      const [view, kept] = arranged(x, p.axes)
      if (kernel === 'sum') k.sum(view, y, kept, name === 'mean' ? sizeOf(x.dims) / sizeOf(y.dims) : 1)
      else k[kernel](view, y, kept)
    },
    saves,
    grad: grad && ((g, saved, p) => [grad(g, saved, p)]),
    noGrad,
  })
}

/** A gradient of the reduced shape, with the reduced dims put back as 1. */
const restored = (g: Tensor, p: Plan): Tensor => reshape(g, p.kept)

function notEmpty(op: string, x: Tensor, p: Plan): void {
  if (p.axes.some(d => x.dims[d] === 0))
    throw new ShapeError(
      op,
      `shape ${format(x.dims)} has no elements along the reduced axes`,
      'the result would be undefined',
    )
}

// ---- sums and products -----------------------------------------------------------------------------------------------

kernels(
  {
    sum: (x, y, kept, divisor) => {
      const plus = plusOf(y)
      let s = 0
      return forOutputs(x, kept, {
        start: () => {
          s = 0
        },
        visit: v => {
          s = plus(s, v)
        },
        end: o => {
          y[o] = s / divisor
        },
      })
    },
    prod: (x, y, kept) => {
      const times = y instanceof Int32Array ? Math.imul : (a: number, b: number) => a * b
      let p = 1
      return forOutputs(x, kept, {
        start: () => {
          p = 1
        },
        visit: v => {
          p = times(p, v)
        },
        end: o => {
          y[o] = p
        },
      })
    },
  },
  { sum: sumTolerance, prod: ulp(1) }, // a product is computed in float64, then rounded
)

function reducedCount(x: Strided, kept: number): number {
  return sizeOf(x.dims.slice(kept))
}

function sumTolerance(call: Arguments): Allowed {
  const [x, kept, divisor] = [call.strided('x'), call.number('kept'), call.number('divisor')]
  if (x.data instanceof Int32Array) return () => 0
  const totals = new Float64Array(sizeOf(x.dims.slice(0, kept)))
  complete(call.kernels.sum(absolute(x), totals, kept, divisor))
  const count = reducedCount(x, kept)
  return (i, v) => allowedUlp(1, v) + sumError(count, totals[i])
}

// Every addend has the gradient of the sum.
const sumRule: Rule<Plan> = reduction({ name: 'sum', kernel: 'sum', grad: (g, _, p) => restored(g, p) })
/** The sum over `axes`; int32 wraps, bool counts. */
export function sum<D extends DType>(
  x: Tensor<D>,
  axes?: Axes | KeepDims,
  options?: KeepDims,
): Tensor<Into<D, Numeric>> {
  const p = plan('sum', x, axes, options)
  return applyTo(sumRule, [x], [cast(x, promote(x.dtype, 'int32'))], p)
}

const meanRule: Rule<Plan> = reduction({
  name: 'mean',
  kernel: 'sum',
  saves: { inputs: [0] },
  grad: (g, { inputs: [x] }, p) => div(restored(g, p), sizeOf(x.dims) / sizeOf(p.kept)),
})
/** The arithmetic mean over `axes`. Of nothing: NaN. */
export function mean<D extends DType>(
  x: Tensor<D>,
  axes?: Axes | KeepDims,
  options?: KeepDims,
): Tensor<Into<D, Float>> {
  const p = plan('mean', x, axes, options)
  return applyTo(meanRule, [x], [cast(x, floatOf(x.dtype))], p)
}

kernels(
  {
    // The product of the others is that of those before times that of those after.
    prodGrad: (g, x, dx, outer, n, inner) => {
      const before = new Float64Array(n)
      return forSlices(outer, n, inner, (first, slice) => {
        const at = (k: number) => first + k * inner
        let product = 1
        for (let k = 0; k < n; k++) {
          before[k] = product
          product *= x[at(k)]
        }
        let after = 1
        for (let k = n - 1; k >= 0; k--) {
          dx[at(k)] = g[slice] * before[k] * after
          after *= x[at(k)]
        }
      })
    },
  },
  { prodGrad: ulp(1) },
) // in float64, divided by one factor; then one rounding
/** Products of all elements before each, in log n steps. */
function before(x: Tensor, axis: number): Tensor {
  const n = x.dims[axis]
  const shifted = (t: Tensor, by: number): Tensor =>
    pad(
      slice(t, ...x.dims.map((_, d) => (d === axis ? ([0, n - by] as const) : null))),
      x.dims.map((_, d) => [d === axis ? by : 0, 0] as const),
      { value: 1 },
    )
  let products = shifted(x, Math.min(1, n))
  for (let by = 1; by < n; by *= 2) products = mul(products, shifted(products, by))
  return products
}

// ∂∏x/∂xₖ is the product of the others, also where some are 0.
const prodGradRule: Rule<Slices> = rule({
  name: 'prodGrad',
  output: ([, x]) => ({ shape: x.dims }),
  run: (k, [g, x], dx, { outer, n, inner }) => k.prodGrad(g, x, dx, outer, n, inner),
  definition: ([g, x], { axis }) => mul(mul(g, before(x, axis)), flip(before(flip(x, axis), axis), axis)),
})
const prodRule: Rule<Plan> = reduction({
  name: 'prod',
  kernel: 'prod',
  saves: { inputs: [0] },
  grad: (g, { inputs: [x] }, p) => {
    if (p.axes.length === 1) return apply(prodGradRule, [restored(g, p), x], slicesOf('prod', x.dims, p.axes[0]))
    // Several axes are moved to the end and seen as one.
    const order = [...x.dims.keys()].filter(d => !p.axes.includes(d)).concat(p.axes)
    const rest = x.dims.filter((_, d) => !p.axes.includes(d))
    const flat = reshape(x.permute(order), [...rest, sizeOf(p.axes.map(d => x.dims[d]))])
    const dx = apply(prodGradRule, [reshape(g, [...rest, 1]), flat], slicesOf('prod', flat.dims, -1))
    return reshape(
      dx,
      order.map(d => x.dims[d]),
    ).permute(order.map((_, d) => order.indexOf(d)))
  },
})
/** The product over `axes`. Its gradient is right also where factors are 0. */
export function prod<D extends DType>(
  x: Tensor<D>,
  axes?: Axes | KeepDims,
  options?: KeepDims,
): Tensor<Into<D, Numeric>> {
  const p = plan('prod', x, axes, options)
  return applyTo(prodRule, [x], [cast(x, promote(x.dtype, 'int32'))], p)
}

// ---- truth -----------------------------------------------------------------------------------------------------------

/** Is one of the values true (or false)? */
function search(x: Strided, y: Buf, kept: number, settles: boolean): Pieces {
  let found = false
  return forOutputs(x, kept, {
    start: () => {
      found = false
    },
    visit: v => {
      if (Boolean(v) === settles) found = true
    },
    end: o => {
      y[o] = Number(found === settles)
    },
  })
}

kernels({
  any: (x, y, kept) => search(x, y, kept, true),
  all: (x, y, kept) => search(x, y, kept, false),
})
const truth = 'the result is a truth value'
const anyRule: Rule<Plan> = reduction({ name: 'any', kernel: 'any', noGrad: truth })
const allRule: Rule<Plan> = reduction({ name: 'all', kernel: 'all', noGrad: truth })
/** Is some value over `axes` true (not 0)? */
export function any(x: Tensor, axes?: Axes | KeepDims, options?: KeepDims): Tensor<'bool'> {
  const p = plan('any', x, axes, options)
  return applyTo(anyRule, [x], [cast(x, 'bool')], p)
}
/** Is every value over `axes` true (not 0)? */
export function all(x: Tensor, axes?: Axes | KeepDims, options?: KeepDims): Tensor<'bool'> {
  const p = plan('all', x, axes, options)
  return applyTo(allRule, [x], [cast(x, 'bool')], p)
}

// ---- extremes --------------------------------------------------------------------------------------------------------

function extreme(better: (a: number, b: number) => boolean): JsKernels['max'] {
  return (x, y, kept) => {
    let best: number | undefined
    return forOutputs(x, kept, {
      start: () => {
        best = undefined
      },
      visit: v => {
        if (best === undefined || better(v, best) || Number.isNaN(v)) best = v
      },
      end: o => {
        if (best !== undefined) y[o] = best
      },
    })
  }
}
function argExtreme(better: (a: number, b: number) => boolean): JsKernels['argmax'] {
  return (x, y, kept) => {
    let best: number | undefined
    let i = 0
    let found = 0
    return forOutputs(x, kept, {
      start: () => {
        best = undefined
        i = 0
      },
      visit: v => {
        if (best === undefined || better(v, best) || (Number.isNaN(v) && !Number.isNaN(best))) {
          best = v
          found = i
        }
        i++
      },
      end: o => {
        y[o] = found
      },
    })
  }
}
const larger = (a: number, b: number): boolean => a > b
const smaller = (a: number, b: number): boolean => a < b
kernels({ max: extreme(larger), min: extreme(smaller), argmax: argExtreme(larger), argmin: argExtreme(smaller) })

// Equal extremes share the gradient evenly, and so do NaN.
const shared = (g: Tensor, { inputs: [x], y }: Saved, p: Plan): Tensor => {
  const ties = logicalOr(equal(x, restored(y, p)), isNaN(x))
  return where(ties, div(restored(g, p), sum(ties, p.axes, { keepDims: true })), 0)
}
const saves = { inputs: [0], output: true }
const maxRule: Rule<Plan> = reduction({ name: 'max', kernel: 'max', saves, grad: shared })
const minRule: Rule<Plan> = reduction({ name: 'min', kernel: 'min', saves, grad: shared })
const index = 'the result is an index'
const argmaxRule: Rule<Plan> = reduction({ name: 'argmax', kernel: 'argmax', result: 'int32', noGrad: index })
const argminRule: Rule<Plan> = reduction({ name: 'argmin', kernel: 'argmin', result: 'int32', noGrad: index })

/** `truths`: what it is for truth values. */
function extremum(r: Rule<Plan>, truths?: Rule<Plan>) {
  return (x: Tensor, axes?: Axes | KeepDims, options?: KeepDims): Tensor => {
    const p = plan(r.name, x, axes, options)
    notEmpty(r.name, x, p)
    if (truths && x.dtype === 'bool') return apply(truths, [x], p)
    return applyTo(r, [x], [cast(x, promote(x.dtype, 'int32'))], p)
  }
}
/** An index is along one axis. */
function along(r: Rule<Plan>): ArgReduce {
  const run = extremum(r)
  return (x, axis, options) => {
    if (Array.isArray(axis)) throw new ShapeError(r.name, `axis must be one axis, got ${format(axis)}`, 'reshape first')
    return run(x, axis, options)
  }
}
/** The index of an extreme value, along one axis or in the flattened tensor. */
export type ArgReduce = (x: Tensor, axis?: number | null | KeepDims, options?: KeepDims) => Tensor<'int32'>
/** A reduction over axes that keeps the dtype. */
export type Reduce = <D extends DType>(x: Tensor<D>, axes?: Axes | KeepDims, options?: KeepDims) => Tensor<D>

/** The largest value over `axes`; NaN if there is one. Ties share the gradient. */
export const max: Reduce = extremum(maxRule, anyRule)
/** The smallest value over `axes`; NaN if there is one. Ties share the gradient. */
export const min: Reduce = extremum(minRule, allRule)
/** The index of the first largest value along an axis, or in the flattened tensor: int32. NaN counts as largest. */
export const argmax: ArgReduce = along(argmaxRule)
/** The index of the first smallest value along an axis, or in the flattened tensor: int32. NaN counts as smallest. */
export const argmin: ArgReduce = along(argminRule)

// ---- compositions ----------------------------------------------------------------------------------------------------

const largest = (dtype: DType): number => (dtype === 'float64' ? Number.MAX_VALUE : (2 - 2 ** -23) * 2 ** 127)

/** log Σ exp x over `axes`, without overflow. */
export function logSumExp<D extends DType>(
  x: Tensor<D>,
  axes?: Axes | KeepDims,
  options?: KeepDims,
): Tensor<Into<D, Float>>
export function logSumExp(x: Tensor, axes?: Axes | KeepDims, options?: KeepDims): Tensor {
  const p = plan('logSumExp', x, axes, options)
  const y = cast(x, floatOf(x.dtype))
  if (p.axes.some(d => x.dims[d] === 0)) return log(sum(exp(y), axes, options)) // −∞: there is no largest value
  // A finite one: ∞ − ∞ would be NaN, and what is finite is nothing beside ∞.
  const shift = clamp(max(y, p.axes, { keepDims: true }).detach(), -largest(y.dtype), largest(y.dtype))
  return reshape(add(log(sum(exp(sub(y, shift)), p.axes, { keepDims: true })), shift), p.shape)
}

/** @internal Sums a gradient down to the shape that was broadcast. */
export function sumTo(g: Tensor, shape: Shape): Tensor {
  const lead = g.rank - shape.length
  const axes = g.dims.flatMap((dim, d) => (d < lead || (shape[d - lead] === 1 && dim !== 1) ? [d] : []))
  return axes.length === 0 ? g : reshape(sum(g, axes, { keepDims: true }), shape)
}
