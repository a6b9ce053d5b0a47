/** Variance and standard deviation, computed by other ops.                                   cases: test/ops/moments.ts */
import { type DType, floatOf } from '../dtype.js'
import { describe, OptionError } from '../errors.js'
import type { Float, Into } from '../promotion.js'
import { noGrad, tidy } from '../scope.js'
import { sizeOf } from '../shape.js'
import type { Tensor } from '../tensor.js'
import { div, mul, sub } from './binary.js'
import { equal, where } from './compare.js'
import { cast, type Gradient, record, rule } from './define.js'
import { type Axes, type KeepDims, max, mean, optionsOf, type Plan, plan, sum } from './reduce.js'
import { abs, sqrt, square } from './unary.js'
import { reshape } from './view.js'

export interface VarianceOptions extends KeepDims {
  /** The divisor is n − correction: 1 (default) for a sample, 0 for the whole population. */
  correction?: number | undefined
}

const keepDims = { keepDims: true }

interface Spread extends Plan {
  /** What the sum of the squares is divided by. */
  readonly divisor: number
}

const distances = (x: Tensor, p: Spread): Tensor => sub(x, mean(x, p.axes, keepDims))

/** Computes from the values of `x` as floats, and records the result with its own gradient. */
function moment(
  gradient: Gradient<Spread>,
  x: Tensor,
  axes: Axes | VarianceOptions | undefined,
  more: VarianceOptions | undefined,
  compute: (x: Tensor, p: Spread) => Tensor,
): Tensor {
  const op = gradient.name
  const p = plan(op, x, axes, more, ['keepDims', 'correction'])
  const { correction = 1 } = optionsOf(axes, more) ?? {}
  if (typeof correction !== 'number' || Number.isNaN(correction))
    throw new OptionError(op, `correction must be a number, got ${describe(correction)}`)
  const n = sizeOf(p.axes.map(d => x.dims[d]))
  const spread = { ...p, divisor: Math.max(n - correction, 0) }
  const values = cast(x, floatOf(x.dtype))
  const y = tidy(() => noGrad(() => reshape(compute(values, spread), p.shape)))
  record(gradient, [values], y, spread)
  return y
}

// ∂v/∂x = 2(x − mean)/(n − correction)
const varianceGradient: Gradient<Spread> = rule({
  name: 'variance',
  saves: { inputs: [0] },
  grad: (g, { inputs: [x] }, p) => [mul(reshape(g, p.kept), div(distances(x, p), p.divisor / 2))],
})

/** The mean squared distance from the mean over `axes`, in two passes, so that nothing cancels. */
export function variance<D extends DType>(
  x: Tensor<D>,
  axes?: Axes | VarianceOptions,
  options?: VarianceOptions,
): Tensor<Into<D, Float>>
export function variance(x: Tensor, axes?: Axes | VarianceOptions, options?: VarianceOptions): Tensor {
  return moment(varianceGradient, x, axes, options, (x, p) =>
    div(sum(square(distances(x, p)), p.axes, keepDims), p.divisor),
  )
}

const not0 = (x: Tensor): Tensor => where(equal(x, 0), 1, x)

// ∂σ/∂x = (x − mean)/(σ(n − correction)), 0 where σ is 0
const stdGradient: Gradient<Spread> = rule({
  name: 'std',
  saves: { inputs: [0], output: true },
  grad: (g, { inputs: [x], y }, p) => {
    const deviation = reshape(y, p.kept)
    const slope = div(div(distances(x, p), not0(deviation)), p.divisor)
    return [where(equal(deviation, 0), 0, mul(reshape(g, p.kept), slope))]
  },
})

/** The square root of the variance over `axes`, also where that leaves the range. Where it is 0, so is its gradient. */
export function std<D extends DType>(
  x: Tensor<D>,
  axes?: Axes | VarianceOptions,
  options?: VarianceOptions,
): Tensor<Into<D, Float>>
export function std(x: Tensor, axes?: Axes | VarianceOptions, options?: VarianceOptions): Tensor {
  return moment(stdGradient, x, axes, options, (x, p) => {
    const d = distances(x, p)
    // The squares are taken in units of the largest distance.
    const unit = x.size === 0 ? 1 : not0(max(abs(d), p.axes, keepDims))
    return mul(sqrt(div(sum(square(div(d, unit)), p.axes, keepDims), p.divisor)), unit)
  })
}
