/**
 * Losses: a prediction and a target to a number, or with `reduction: 'none'` to one per element or row. Formulas and
 * defaults as in PyTorch.
 */
import { isFloating } from './dtype.js'
import { checkOptions, OptionError, ShapeError } from './errors.js'
import { add, div, mul, sub } from './ops/binary.js'
import { equal, lessEqual, where } from './ops/compare.js'
import { cast, checkTensor, type Gradient, record, rule } from './ops/define.js'
import { checkIndex, gather, oneHot } from './ops/embedding.js'
import { bceWithLogitsElements, crossEntropyRows } from './ops/loss.js'
import { mean, sum } from './ops/reduce.js'
import { logSoftmax } from './ops/softmax.js'
import { abs, clamp, log, neg, softplus, square } from './ops/unary.js'
import { permute, reshape, unsqueeze } from './ops/view.js'
import { noGrad } from './scope.js'
import { format, sameShape } from './shape.js'
import type { Tensor } from './tensor.js'

export interface LossOptions {
  /** 'mean' (default) or 'sum' over all elements, or 'none'. */
  reduction?: 'mean' | 'sum' | 'none'
}

function reduced(op: string, elements: Tensor, { reduction = 'mean' }: LossOptions): Tensor {
  if (reduction === 'mean') return mean(elements)
  if (reduction === 'sum') return sum(elements)
  if (reduction === 'none') return elements
  throw new OptionError(op, `reduction must be 'mean', 'sum' or 'none', got '${String(reduction)}'`)
}

/** Broadcasting a target of another shape is nearly always a mistake, and a silent one. */
function checkPair(op: string, prediction: Tensor, target: Tensor): void {
  checkTensor(op, prediction, 'prediction')
  checkTensor(op, target, 'target')
  if (!sameShape(prediction.shape, target.shape))
    throw new ShapeError(
      op,
      `prediction and target must have equal shapes, got ${format(prediction.shape)} and ${format(target.shape)}`,
      'reshape the target',
    )
}

/** (x − t)² */
export function mse(prediction: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  checkOptions('mse', options, ['reduction'])
  checkPair('mse', prediction, target)
  return reduced('mse', square(sub(prediction, target)), options)
}

/** |x − t| */
export function l1(prediction: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  checkOptions('l1', options, ['reduction'])
  checkPair('l1', prediction, target)
  return reduced('l1', abs(sub(prediction, target)), options)
}

export interface HuberOptions extends LossOptions {
  /** Where the parabola becomes a line. Default: 1. */
  delta?: number
}
/** ½d² where |d| ≤ δ, else δ(|d| − ½δ), with d = x − t. Huber (1964). */
export function huber(prediction: Tensor, target: Tensor, options: HuberOptions = {}): Tensor {
  checkOptions('huber', options, ['reduction', 'delta'])
  checkPair('huber', prediction, target)
  const { delta = 1 } = options
  if (!(delta > 0)) throw new OptionError('huber', `delta must be above 0, got ${String(delta)}`)
  const distance = abs(sub(prediction, target))
  return reduced(
    'huber',
    where(lessEqual(distance, delta), mul(square(distance), 0.5), mul(sub(distance, delta / 2), delta)),
    options,
  )
}

export interface SmoothL1Options extends LossOptions {
  /** Where the parabola becomes a line. Default: 1. With 0 it is `l1`. */
  beta?: number
}
/** ½d²/β where |d| < β, else |d| − ½β, with d = x − t. Girshick (2015). */
export function smoothL1(prediction: Tensor, target: Tensor, options: SmoothL1Options = {}): Tensor {
  const { beta = 1, ...rest } = options
  if (beta === 0) return l1(prediction, target, rest)
  checkOptions('smoothL1', options, ['reduction', 'beta'])
  return div(huber(prediction, target, { ...rest, delta: beta }), beta)
}

// As PyTorch: logarithms are cut off at −100, and the slope's denominator at 1e−12, so p = 0 and p = 1 stay finite.
const bceGradient: Gradient<null> = rule({
  name: 'bce',
  saves: { inputs: [0, 1] },
  grad: (g, { inputs: [p, t] }, _, [, needsTarget]) => [
    mul(g, div(sub(p, t), clamp(mul(p, sub(1, p)), 1e-12))),
    needsTarget ? mul(g, sub(log(sub(1, p)), log(p))) : null,
  ],
})

/** −t·log p − (1 − t)·log(1 − p), for probabilities p in [0, 1]. For logits use `bceWithLogits`, which loses nothing. */
export function bce(probability: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  checkOptions('bce', options, ['reduction'])
  checkPair('bce', probability, target)
  const t = cast(target, probability.dtype)
  const elements = noGrad(() => {
    const right = mul(t, clamp(log(probability), -100))
    const wrong = mul(sub(1, t), clamp(log(sub(1, probability)), -100))
    return neg(add(right, wrong))
  })
  record(bceGradient, [probability, t], elements, null)
  return reduced('bce', elements, options)
}

export interface BceWithLogitsOptions extends LossOptions {
  /** Weight of the positive class, broadcast to the target. Default: 1. */
  posWeight?: Tensor | number
}
/** Binary cross-entropy of σ(x), computed from the logits x without overflow. */
export function bceWithLogits(logits: Tensor, target: Tensor, options: BceWithLogitsOptions = {}): Tensor {
  checkOptions('bceWithLogits', options, ['reduction', 'posWeight'])
  checkPair('bceWithLogits', logits, target)
  const { posWeight } = options
  if (posWeight === undefined) return reduced('bceWithLogits', bceWithLogitsElements(logits, target), options)
  // (1 − t)·x + (1 + (w − 1)·t)·log(1 + e⁻ˣ)
  const weight = add(mul(typeof posWeight === 'number' ? posWeight - 1 : sub(posWeight, 1), target), 1)
  return reduced('bceWithLogits', add(mul(sub(1, target), logits), mul(weight, softplus(neg(logits)))), options)
}

export interface NllOptions extends LossOptions {
  /** Rows with this target count nothing. Default: −100. */
  ignoreIndex?: number
  /** A weight for each class. */
  weight?: Tensor
}
export interface CrossEntropyOptions extends NllOptions {
  /** Share of the target that is spread over all classes. Default: 0. Szegedy et al. (2016). */
  labelSmoothing?: number
}

/** Logits or log-probabilities with classes on axis 1 (or 0, for one row) as rows [n, classes]. */
function rowsOf(op: string, x: Tensor): { rows: Tensor; shape: readonly number[] } {
  if (x.rank === 0) throw new ShapeError(op, 'expected classes on axis 1, got a scalar')
  if (x.rank === 1) return { rows: unsqueeze(x, 0), shape: [] }
  const order = [0, ...x.shape.map((_, d) => d).slice(2), 1]
  return {
    rows: x.rank === 2 ? x : reshape(permute(x, order), [-1, x.shape[1]]),
    shape: [x.shape[0], ...x.shape.slice(2)],
  }
}

function targetRows(op: string, target: Tensor, shape: readonly number[]): Tensor {
  checkIndex(op, target)
  if (!sameShape(target.shape, shape))
    throw new ShapeError(op, `targets must have the shape ${format(shape)}, got ${format(target.shape)}`)
  return reshape(target, [-1])
}

/** The rows' losses brought to the asked form; a weighted mean divides by the weights that count. */
function finished(op: string, losses: Tensor, counts: Tensor, shape: readonly number[], options: LossOptions): Tensor {
  const { reduction = 'mean' } = options
  if (reduction === 'none') return reshape(losses, shape)
  return reduction === 'mean' ? div(sum(losses), sum(counts)) : reduced(op, losses, options)
}

/** The weight of each row: that of its class, 0 where it is ignored. */
function rowWeights(target: Tensor, like: Tensor, ignoreIndex: number, weight: Tensor | undefined): Tensor {
  const ignored = equal(target, ignoreIndex)
  const own = weight ? gather(weight, where(ignored, 0, target), 0) : 1
  return cast(where(ignored, 0, own), like.dtype)
}

/** −log p[t], from log-probabilities with classes on axis 1. */
export function nll(logProbabilities: Tensor, target: Tensor, options: NllOptions = {}): Tensor {
  checkOptions('nll', options, ['reduction', 'ignoreIndex', 'weight'])
  checkTensor('nll', logProbabilities, 'log-probabilities')
  const { ignoreIndex = -100, weight } = options
  const { rows, shape } = rowsOf('nll', logProbabilities)
  const t = targetRows('nll', target, shape)
  const weights = rowWeights(t, rows, ignoreIndex, weight)
  const picked = reshape(gather(rows, unsqueeze(where(equal(t, ignoreIndex), 0, t), 1), 1), [-1])
  return finished('nll', neg(mul(where(equal(t, ignoreIndex), 0, picked), weights)), weights, shape, options)
}

/**
 * Cross-entropy of softmax(logits), with classes on axis 1: [n, classes, …]. Targets are int32 class indices [n, …], or
 * probabilities of the logits' shape (one-hot, for example).
 *
 * @throws IndexError when the result is read, if a target is not a class.
 * @example
 * const loss = losses.crossEntropy(tensor([[2, 1], [0, 3]]), tensor([0, 1], { dtype: 'int32' }))
 * await loss.item() // 0.1809…
 */
export function crossEntropy(logits: Tensor, target: Tensor, options: CrossEntropyOptions = {}): Tensor {
  checkOptions('crossEntropy', options, ['reduction', 'ignoreIndex', 'labelSmoothing', 'weight'])
  checkTensor('crossEntropy', logits, 'logits')
  checkTensor('crossEntropy', target, 'target')
  const { ignoreIndex = -100, labelSmoothing = 0, weight } = options
  if (!(labelSmoothing >= 0 && labelSmoothing <= 1))
    throw new OptionError('crossEntropy', `labelSmoothing must be from 0 to 1, got ${String(labelSmoothing)}`)
  const { rows, shape } = rowsOf('crossEntropy', logits)
  if (isFloating(target.dtype)) return fromProbabilities(logits, rows, shape, target, labelSmoothing, options)
  const t = targetRows('crossEntropy', target, shape)
  const weights = rowWeights(t, rows, ignoreIndex, weight)
  const losses = weight
    ? mul(
        spread(rows, oneHot(where(equal(t, ignoreIndex), 0, t), rows.shape[1]), labelSmoothing, weight),
        cast(where(equal(t, ignoreIndex), 0, 1), rows.dtype),
      )
    : crossEntropyRows(rows, t, ignoreIndex, labelSmoothing)
  return finished('crossEntropy', losses, weights, shape, options)
}

/** −Σ w·((1 − s)·q + s/C)·log softmax x, per row, for a distribution q. */
function spread(x: Tensor, q: Tensor, smoothing: number, weight: Tensor | undefined): Tensor {
  const wanted = add(mul(cast(q, x.dtype), 1 - smoothing), smoothing / x.shape[1])
  return neg(sum(mul(weight ? mul(wanted, weight) : wanted, logSoftmax(x, 1)), 1))
}

function fromProbabilities(
  logits: Tensor,
  rows: Tensor,
  shape: readonly number[],
  target: Tensor,
  smoothing: number,
  options: CrossEntropyOptions,
): Tensor {
  if (!sameShape(target.shape, logits.shape))
    throw new ShapeError(
      'crossEntropy',
      `probabilities must have the shape of the logits ${format(logits.shape)}, got ${format(target.shape)}`,
      'class indices must be int32',
    )
  const losses = spread(rows, rowsOf('crossEntropy', target).rows, smoothing, options.weight)
  return options.reduction === 'none' ? reshape(losses, shape) : reduced('crossEntropy', losses, options)
}
