/** Losses with Keras's formulas, which differ from PyTorch's: they take probabilities, and clip them. */
import { isFloating } from '../dtype.js'
import { ShapeError } from '../errors.js'
import * as losses from '../losses.js'
import { add, div, mul, sub } from '../ops/binary.js'
import { equal, where } from '../ops/compare.js'
import { cast } from '../ops/define.js'
import { gather } from '../ops/embedding.js'
import { mean, sum } from '../ops/reduce.js'
import { clamp, log, neg } from '../ops/unary.js'
import { reshape, unsqueeze } from '../ops/view.js'
import { inOp } from '../runtime/source.js'
import { format, type Shape, sameShape } from '../shape.js'
import type { Tensor } from '../tensor.js'

/** A loss or metric: prediction and target to a number, the mean over the batch. */
export type Measure = (prediction: Tensor, target: Tensor) => Tensor

/** Keras keeps probabilities this far from 0 and 1. */
const epsilon = 1e-7
const probability = (p: Tensor): Tensor => clamp(p, epsilon, 1 - epsilon)

/** A shape as far as Keras tells shapes apart: a last dim of 1 may be missing. */
export const trimmed = (shape: Shape): Shape => (shape.at(-1) === 1 ? shape.slice(0, -1) : shape)

/** Targets in the dtype of the prediction, and in its shape. */
function likePrediction(op: string, p: Tensor, t: Tensor, hint?: string): Tensor {
  if (!sameShape(p.shape, t.shape) && !sameShape(trimmed(p.shape), trimmed(t.shape)))
    throw new ShapeError(
      op,
      `targets must have the shape ${format(p.shape)} of the prediction, got ${format(t.shape)}`,
      hint,
    )
  return cast(reshape(t, p.shape), p.dtype)
}

/** The probabilities of each row, brought to the sum 1. */
function distribution(op: string, p: Tensor): Tensor {
  if (p.rank === 0 || p.shape[p.rank - 1] === 1)
    throw new ShapeError(
      op,
      `predictions must be probabilities [n, classes], got ${format(p.shape)}`,
      'for one probability per sample use binaryCrossentropy',
    )
  return probability(div(p, sum(p, -1, { keepDims: true })))
}

/** −mean(t·log p + (1 − t)·log(1 − p)), p within [1e−7, 1 − 1e−7]. */
function binaryCrossentropy(prediction: Tensor, target: Tensor): Tensor {
  const hint = 'for class ids and several classes use sparseCategoricalCrossentropy'
  const t = likePrediction('binaryCrossentropy', prediction, target, hint)
  const p = probability(prediction)
  return neg(mean(add(mul(t, log(p)), mul(sub(1, t), log(sub(1, p))))))
}

/** −mean Σ t·log p, the probabilities of each row brought to the sum 1 first. */
function categoricalCrossentropy(prediction: Tensor, target: Tensor): Tensor {
  const p = distribution('categoricalCrossentropy', prediction)
  const hint = 'for class ids use sparseCategoricalCrossentropy'
  const t = likePrediction('categoricalCrossentropy', prediction, target, hint)
  return neg(mean(sum(mul(t, log(p)), -1)))
}

/** Plain numbers arrive as floats. What is not whole is no class, rather than cut off: −1 is out of range. */
function classIds(t: Tensor): Tensor {
  const ids = cast(t, 'int32')
  return isFloating(t.dtype) ? where(equal(ids, t), ids, -1) : ids
}

/** The same for targets that are class ids. */
function sparseCategoricalCrossentropy(prediction: Tensor, target: Tensor): Tensor {
  const name = 'sparseCategoricalCrossentropy'
  const p = distribution(name, prediction)
  const ids = prediction.shape.slice(0, -1)
  if (!sameShape(trimmed(target.shape), trimmed(ids)))
    throw new ShapeError(
      name,
      `targets must be class ids of shape ${format(ids)}, got ${format(target.shape)}`,
      sameShape(prediction.shape, target.shape) ? 'for one-hot targets use categoricalCrossentropy' : undefined,
    )
  const index = unsqueeze(classIds(reshape(target, ids)), -1)
  return neg(mean(log(inOp(name, () => gather(p, index, -1)))))
}

export type LossKey =
  | 'meanSquaredError'
  | 'meanAbsoluteError'
  | 'huber'
  | 'binaryCrossentropy'
  | 'categoricalCrossentropy'
  | 'sparseCategoricalCrossentropy'

/** By Keras's names. */
export const formulas: Readonly<Record<LossKey, Measure>> = {
  meanSquaredError: (p, t) => losses.mse(p, likePrediction('meanSquaredError', p, t)),
  meanAbsoluteError: (p, t) => losses.l1(p, likePrediction('meanAbsoluteError', p, t)),
  huber: (p, t) => losses.huber(p, likePrediction('huber', p, t)),
  binaryCrossentropy,
  categoricalCrossentropy,
  sparseCategoricalCrossentropy,
}
