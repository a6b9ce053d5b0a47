/** Variance and standard deviation, composed of other ops.                                   cases: test/ops/moments.ts */
import type { DType } from '../dtype.js'
import { describe, OptionError } from '../errors.js'
import type { Float, Into } from '../promotion.js'
import { sizeOf } from '../shape.js'
import type { Tensor } from '../tensor.js'
import { div, mul, sub } from './binary.js'
import { equal, where } from './compare.js'
import { type Axes, type KeepDims, max, mean, optionsOf, type Plan, plan, sum } from './reduce.js'
import { abs, sqrt, square } from './unary.js'
import { reshape } from './view.js'

export interface VarianceOptions extends KeepDims {
  /** The divisor is n − correction: 1 (default) for a sample, 0 for the whole population. */
  correction?: number
}

const keepDims = { keepDims: true }

/** The distances from the mean, and what the sum of their squares is divided by. */
function centred(
  op: string,
  x: Tensor,
  axes: Axes | VarianceOptions | undefined,
  more: VarianceOptions | undefined,
): { distances: Tensor; divisor: number; p: Plan } {
  const p = plan(op, x, axes, more, ['keepDims', 'correction'])
  const { correction = 1 } = optionsOf(axes, more) ?? {}
  if (typeof correction !== 'number' || Number.isNaN(correction))
    throw new OptionError(op, `correction must be a number, got ${describe(correction)}`)
  const n = sizeOf(p.axes.map(d => x.dims[d]))
  return { distances: sub(x, mean(x, p.axes, keepDims)), divisor: Math.max(n - correction, 0), p }
}

/** The mean squared distance from the mean over `axes`, in two passes, so that nothing cancels. */
export function variance<D extends DType>(
  x: Tensor<D>,
  axes?: Axes | VarianceOptions,
  options?: VarianceOptions,
): Tensor<Into<D, Float>>
export function variance(x: Tensor, axes?: Axes | VarianceOptions, options?: VarianceOptions): Tensor {
  const { distances, divisor, p } = centred('variance', x, axes, options)
  return reshape(div(sum(square(distances), p.axes, keepDims), divisor), p.shape)
}

function largest(distances: Tensor, p: Plan): Tensor {
  const found = max(abs(distances), p.axes, keepDims).detach()
  return where(equal(found, 0), 1, found)
}

/** The square root of the variance over `axes`, also where that leaves the range. Where it is 0, so is its gradient. */
export function std<D extends DType>(
  x: Tensor<D>,
  axes?: Axes | VarianceOptions,
  options?: VarianceOptions,
): Tensor<Into<D, Float>>
export function std(x: Tensor, axes?: Axes | VarianceOptions, options?: VarianceOptions): Tensor {
  const { distances, divisor, p } = centred('std', x, axes, options)
  // The squares are taken in units of the largest distance.
  const unit = x.size === 0 ? 1 : largest(distances, p)
  const v = div(sum(square(div(distances, unit)), p.axes, keepDims), divisor)
  // √ has an infinite slope at 0, which would turn the 0 of the variance's gradient into NaN.
  const zero = equal(v, 0)
  return reshape(mul(where(zero, 0, sqrt(where(zero, 1, v))), unit), p.shape)
}
