/** What Keras names by strings: losses, metrics, optimizers, activations, with Keras's formulas and defaults. */
import { OptionError, ShapeError } from '../errors.js'
import * as losses from '../losses.js'
import { accuracy } from '../metrics/index.js'
import * as nn from '../nn/index.js'
import type { Module } from '../nn/module.js'
import { add, div, mul, sub } from '../ops/binary.js'
import { cast } from '../ops/define.js'
import { gather } from '../ops/embedding.js'
import { mean, sum } from '../ops/reduce.js'
import { clamp, log, neg } from '../ops/unary.js'
import { reshape, unsqueeze } from '../ops/view.js'
import { Adam, AdamW, type AnyOptimizer, SGD } from '../optim/index.js'
import { format, type Shape, sameShape } from '../shape.js'
import type { Tensor } from '../tensor.js'

/** A loss or metric: prediction and target to a number, the mean over the batch. */
export type Measure = (prediction: Tensor, target: Tensor) => Tensor

/** Keras keeps probabilities this far from 0 and 1. */
const epsilon = 1e-7
const probability = (p: Tensor): Tensor => clamp(p, epsilon, 1 - epsilon)

/** Targets in the dtype of the prediction, and in its shape, from which it may differ by a last dim of 1, as in Keras. */
function likePrediction(op: string, p: Tensor, t: Tensor, hint?: string): Tensor {
  const trimmed = (shape: Shape): Shape => (shape.at(-1) === 1 ? shape.slice(0, -1) : shape)
  if (!sameShape(p.shape, t.shape) && !sameShape(trimmed(p.shape), trimmed(t.shape)))
    throw new ShapeError(
      op,
      `targets must have the shape ${format(p.shape)} of the prediction, got ${format(t.shape)}`,
      hint,
    )
  return cast(reshape(t, p.shape), p.dtype)
}

/** −mean(t·log p + (1 − t)·log(1 − p)), p within [1e−7, 1 − 1e−7]. */
function binaryCrossentropy(prediction: Tensor, target: Tensor): Tensor {
  const p = probability(prediction)
  const t = likePrediction('binaryCrossentropy', prediction, target)
  return neg(mean(add(mul(t, log(p)), mul(sub(1, t), log(sub(1, p))))))
}

/** −mean Σ t·log p, the probabilities of each row brought to the sum 1 first. */
function categoricalCrossentropy(prediction: Tensor, target: Tensor): Tensor {
  const p = probability(div(prediction, sum(prediction, -1, { keepDims: true })))
  const hint = 'for class indices use sparseCategoricalCrossentropy'
  const t = likePrediction('categoricalCrossentropy', prediction, target, hint)
  return neg(mean(sum(mul(t, log(p)), -1)))
}

/** The same for targets that are class indices. */
function sparseCategoricalCrossentropy(prediction: Tensor, target: Tensor): Tensor {
  const p = probability(div(prediction, sum(prediction, -1, { keepDims: true })))
  const index = unsqueeze(cast(reshape(target, prediction.shape.slice(0, -1)), 'int32'), -1)
  return neg(mean(log(gather(p, index, -1))))
}

const lossesByName: Record<string, Measure> = {
  meanSquaredError: (p, t) => losses.mse(p, likePrediction('meanSquaredError', p, t)),
  meanAbsoluteError: (p, t) => losses.l1(p, likePrediction('meanAbsoluteError', p, t)),
  huber: (p, t) => losses.huber(p, likePrediction('huber', p, t)),
  binaryCrossentropy,
  categoricalCrossentropy,
  sparseCategoricalCrossentropy,
}
const metricsByName: Record<string, Measure> = {
  accuracy,
  meanSquaredError: lossesByName['meanSquaredError'],
  meanAbsoluteError: lossesByName['meanAbsoluteError'],
  binaryCrossentropy,
}
type MakeOptimizer = (parameters: Tensor[], options: object) => AnyOptimizer
/** Optimizers with Keras's defaults; they check further options themselves. */
const optimizersByName: Record<string, MakeOptimizer> = {
  sgd: (p, options) => new SGD(p, { learningRate: 0.01, ...options }),
  adam: (p, options) => new Adam(p, { epsilon: 1e-7, rawEpsilon: true, ...options }),
  adamw: (p, options) => new AdamW(p, { epsilon: 1e-7, rawEpsilon: true, weightDecay: 0.004, ...options }),
}
const activationsByName: Record<string, () => Module | null> = {
  linear: () => null,
  relu: () => new nn.ReLU(),
  sigmoid: () => new nn.Sigmoid(),
  tanh: () => new nn.Tanh(),
  softmax: () => new nn.Softmax(),
  elu: () => new nn.ELU(),
  gelu: () => new nn.GELU(),
  silu: () => new nn.SiLU(),
  softplus: () => new nn.Softplus(),
  leakyRelu: () => new nn.LeakyReLU(0.2),
}

function find<T>(op: string, kind: string, table: Record<string, T>, name: string): T {
  if (Object.hasOwn(table, name)) return table[name]
  const near = Object.keys(table).find(known => known.toLowerCase() === name.toLowerCase().replaceAll('_', ''))
  throw new OptionError(
    op,
    `unknown ${kind} '${name}'`,
    near ? `did you mean '${near}'?` : `known: ${Object.keys(table).join(', ')}`,
  )
}

export const lossNamed = (name: string): Measure => find('compile', 'loss', lossesByName, name)
export const metricNamed = (name: string): Measure => find('compile', 'metric', metricsByName, name)
export const optimizerNamed = (name: string): MakeOptimizer => find('compile', 'optimizer', optimizersByName, name)
export const activationNamed = (op: string, name: string): Module | null =>
  find(op, 'activation', activationsByName, name)()
