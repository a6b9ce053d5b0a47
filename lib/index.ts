/**
 * Gradus: tensors, gradients, layers and training for Node.js.
 *
 * @packageDocumentation
 */
import { type BackwardOptions, backward } from './autograd/backward.js'
import { moveTo } from './creation.js'
import type { DType } from './dtype.js'
import { answer } from './familiar.js'
import { jsKernels } from './ops/define.js'
import * as ops from './ops/index.js'
import { concat, stack } from './ops/movement.js'
import type { Highest, Known, Promote } from './promotion.js'
import { type Device, installJsKernels } from './runtime/device.js'
import { Tensor } from './tensor.js'
import { methods, properties } from './words.js'

installJsKernels(jsKernels)

for (const [name, op] of Object.entries(ops))
  Object.defineProperty(Tensor.prototype, name, {
    value(this: Tensor, ...rest: unknown[]) {
      return (op as (x: Tensor, ...rest: unknown[]) => unknown)(this, ...rest)
    },
    writable: true,
    configurable: true,
  })
answer(Tensor.prototype, methods, properties)

declare module './tensor.js' {
  interface Tensor<D, S> {
    /** Computes the gradients of everything this tensor depends on, and adds them to `.grad`. See `backward`. */
    backward(options?: BackwardOptions | Tensor): void
    /** A copy on another device, or this tensor if it is there. Blocks until the values are known. Gradients go back. */
    to(device: Device): Tensor<D, S>
    /** This tensor and others, one after the other along `axis`. See `concat`. */
    concat<B extends DType>(
      others: Tensor<B> | readonly Tensor<B>[],
      axis?: number,
    ): Tensor<Promote<D, Known<B, Highest<B>>>>
    /** This tensor and others as slices of a new dim before `axis`. See `stack`. */
    stack<B extends DType>(
      others: Tensor<B> | readonly Tensor<B>[],
      axis?: number,
    ): Tensor<Promote<D, Known<B, Highest<B>>>>
  }
}
Tensor.prototype.backward = function (options) {
  backward(this, options)
}
Tensor.prototype.to = function (device) {
  return moveTo(this, device)
}
Tensor.prototype.concat = function (others, axis) {
  return concat([this, ...[others].flat()], axis)
}
Tensor.prototype.stack = function (others, axis) {
  return stack([this, ...[others].flat()], axis)
}

export type { AnyArray } from './anyArray.js'
export { type BackwardOptions, backward, type GradOptions, grad, gradients, valueAndGrad } from './autograd/backward.js'
export { checkpoint } from './autograd/checkpoint.js'
export { type CustomGradient, customGrad } from './autograd/custom.js'
export { type GradcheckElement, type GradcheckOptions, type GradcheckReport, gradcheck } from './autograd/gradcheck.js'
export {
  arange,
  type CreateOptions,
  eye,
  full,
  linspace,
  ones,
  onesLike,
  type TensorOptions,
  tensor,
  type Values,
  zeros,
  zerosLike,
} from './creation.js'
export * as data from './data/index.js'
export { normal, type RandomOptions, rand, randint, randn, uniform } from './draws.js'
export type { AnyDType, ArrayOf, DType } from './dtype.js'
export {
  DeviceError,
  DTypeError,
  FormatError,
  GradientError,
  GradusError,
  IndexError,
  MemoryError,
  OptionError,
  ShapeError,
  StateError,
  ValueError,
} from './errors.js'
export * as layers from './layers.js'
export { type LockstepOptions, type LockstepReport, lockstep } from './lockstep.js'
export * as losses from './losses.js'
export {
  type LiveTensors,
  liveTensors,
  type MemoryReport,
  memory,
  setMemoryLimit,
  synchronize,
  synchronizeSync,
} from './memory.js'
export * as metrics from './metrics/index.js'
export * as nn from './nn/index.js'
export type { Binary } from './ops/binary.js'
export type { Compare } from './ops/compare.js'
export type { TensorLike } from './ops/define.js'
export * from './ops/index.js'
export type { VarianceOptions } from './ops/moments.js'
export { concat, stack } from './ops/movement.js'
export type { DropoutOptions } from './ops/random.js'
export type { ArgReduce, Axes, KeepDims, Reduce } from './ops/reduce.js'
export type { Bound, Clamp, SameShape } from './ops/unary.js'
export type { Range } from './ops/view.js'
export * as optim from './optim/index.js'
export type * as promotion from './promotion.js'
export { defaultGenerator, Generator, seed } from './random.js'
export { type SystemReport, systemReport, version } from './report.js'
export { type Device, defaultDevice, setDevice } from './runtime/device.js'
export { keep, noGrad, tidy } from './scope.js'
export type { Numbers, Shape } from './shape.js'
export { type Nested, Tensor } from './tensor.js'
export type { Measure } from './train/formulas.js'
export type { LayerSpec } from './train/layers.js'
export { activation, dense } from './train/layers.js'
export type { MetricLike } from './train/measures.js'
export { Model, type ModelOptions, sequential } from './train/model.js'
export type { ActivationName, LossName, MetricName, OptimizerName } from './train/names.js'
export type { NamedOptimizer, OptimizerLike } from './train/optimizers.js'
export type { CompileOptions, EvaluateOptions, FitOptions, History, Signal } from './train/options.js'
export type { ProgressStream, Verbosity } from './train/progress.js'
export type { Data } from './train/samples.js'
