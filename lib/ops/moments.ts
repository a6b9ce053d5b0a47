/** Variance and standard deviation, composed of other ops.                                   cases: test/ops/moments.ts */
import type { DType } from '../dtype.js'
import { OptionError } from '../errors.js'
import type { Float, Into } from '../promotion.js'
import { sizeOf } from '../shape.js'
import type { Tensor } from '../tensor.js'
import { div, sub } from './binary.js'
import { equal, where } from './compare.js'
import { type Axes, type KeepDims, mean, plan, sum } from './reduce.js'
import { sqrt, square } from './unary.js'

export interface VarianceOptions extends KeepDims {
  /** The divisor is n − correction: 1 (default) for a sample, 0 for the whole population. */
  correction?: number
}

/** The mean squared distance from the mean over `axes`, in two passes, so that nothing cancels. */
export function variance<D extends DType>(x: Tensor<D>, axes?: Axes, options?: VarianceOptions): Tensor<Into<D, Float>>
export function variance(x: Tensor, axes?: Axes, options: VarianceOptions = {}): Tensor {
  const p = plan('variance', x, axes, options, ['keepDims', 'correction'])
  const { correction = 1 } = options
  if (typeof correction !== 'number')
    throw new OptionError('variance', `correction must be a number, got ${String(correction)}`)
  const n = sizeOf(x.dims) / Math.max(sizeOf(p.kept), 1)
  const centred = sub(x, mean(x, axes, { keepDims: true }))
  return div(sum(square(centred), axes, { keepDims: options.keepDims }), Math.max(n - correction, 0))
}

/** The square root of the variance over `axes`. Where it is 0, so is its gradient. */
export function std<D extends DType>(x: Tensor<D>, axes?: Axes, options?: VarianceOptions): Tensor<Into<D, Float>>
export function std(x: Tensor, axes?: Axes, options: VarianceOptions = {}): Tensor {
  const v = variance(x, axes, options)
  // √ has an infinite slope at 0, which would turn the 0 of the variance's gradient into NaN.
  const zero = equal(v, 0)
  return where(zero, 0, sqrt(where(zero, 1, v)))
}
