/** What Keras names by strings: losses, metrics, optimizers, activations, with Keras's formulas and defaults. */
import { OptionError } from '../errors.js'
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
import { Adam, AdamW, type Optimizer, SGD } from '../optim/index.js'
import type { Tensor } from '../tensor.js'

/** A loss or metric: prediction and target to a number, the mean over the batch. */
export type Measure = (prediction: Tensor, target: Tensor) => Tensor

/** Keras keeps probabilities this far from 0 and 1. */
const epsilon = 1e-7
const probability = (p: Tensor): Tensor => clamp(p, epsilon, 1 - epsilon)

/** Targets in the dtype and, where the count of elements agrees, in the shape of the prediction. */
const likePrediction = (p: Tensor, t: Tensor): Tensor => cast(t.size === p.size ? reshape(t, p.shape) : t, p.dtype)

/** −mean(t·log p + (1 − t)·log(1 − p)), p within [1e−7, 1 − 1e−7]. */
function binaryCrossentropy(prediction: Tensor, target: Tensor): Tensor {
  const p = probability(prediction)
  const t = likePrediction(prediction, target)
  return neg(mean(add(mul(t, log(p)), mul(sub(1, t), log(sub(1, p))))))
}

/** −mean Σ t·log p, the probabilities of each row brought to the sum 1 first. */
function categoricalCrossentropy(prediction: Tensor, target: Tensor): Tensor {
  const p = probability(div(prediction, sum(prediction, -1, { keepDims: true })))
  return neg(mean(sum(mul(likePrediction(prediction, target), log(p)), -1)))
}

/** The same for targets that are class indices. */
function sparseCategoricalCrossentropy(prediction: Tensor, target: Tensor): Tensor {
  const p = probability(div(prediction, sum(prediction, -1, { keepDims: true })))
  const index = unsqueeze(cast(reshape(target, prediction.shape.slice(0, -1)), 'int32'), -1)
  return neg(mean(log(gather(p, index, -1))))
}

const lossesByName: Record<string, Measure> = {
  meanSquaredError: (p, t) => losses.mse(p, likePrediction(p, t)),
  meanAbsoluteError: (p, t) => losses.l1(p, likePrediction(p, t)),
  huber: (p, t) => losses.huber(p, likePrediction(p, t)),
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
/** Optimizers with Keras's defaults. */
const optimizersByName: Record<string, (parameters: Tensor[]) => Optimizer<never>> = {
  sgd: p => new SGD(p, { learningRate: 0.01 }) as unknown as Optimizer<never>,
  adam: p => new Adam(p, { epsilon: 1e-7, rawEpsilon: true }) as unknown as Optimizer<never>,
  adamw: p => new AdamW(p, { epsilon: 1e-7, rawEpsilon: true, weightDecay: 0.004 }) as unknown as Optimizer<never>,
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

function find<T>(kind: string, table: Record<string, T>, name: string): T {
  if (Object.hasOwn(table, name)) return table[name]
  const near = Object.keys(table).find(known => known.toLowerCase() === name.toLowerCase().replaceAll('_', ''))
  throw new OptionError(
    'compile',
    `unknown ${kind} '${name}'`,
    near ? `did you mean '${near}'?` : `known: ${Object.keys(table).join(', ')}`,
  )
}

export const lossNamed = (name: string): Measure => find('loss', lossesByName, name)
export const metricNamed = (name: string): Measure => find('metric', metricsByName, name)
export const optimizerNamed = (name: string): ((parameters: Tensor[]) => Optimizer<never>) =>
  find('optimizer', optimizersByName, name)
export const activationNamed = (name: string): Module | null => find('activation', activationsByName, name)()
