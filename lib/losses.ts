/**
 * Losses: a prediction and a target to a number, or with `reduction: 'none'` to one per element or row. Formulas and
 * defaults as in PyTorch.
 */
import { tensorOf, type Values } from './creation.js'
import { type DType, floatOf, isFloating, promote } from './dtype.js'
import { checkOptions, DeviceError, describe, OptionError, ShapeError } from './errors.js'
import { add, div, mul, sub } from './ops/binary.js'
import { equal, less, where } from './ops/compare.js'
import { cast, checkTensor, type Gradient, isTensor, record, rule } from './ops/define.js'
import { checkIndex, gather, gatherAs, gatherRule } from './ops/embedding.js'
import { bceElements, bceWithLogitsElements, crossEntropyRows } from './ops/loss.js'
import { mean, sum } from './ops/reduce.js'
import { logSoftmax } from './ops/softmax.js'
import { abs, clamp, neg, softplus, square } from './ops/unary.js'
import { permute, reshape, squeeze, unsqueeze } from './ops/view.js'
import { noGrad } from './scope.js'
import { broadcast, format, sameShape } from './shape.js'
import type { Tensor } from './tensor.js'

export interface LossOptions {
  /** 'mean' (default) or 'sum' over all elements, or 'none'. */
  reduction?: 'mean' | 'sum' | 'none' | undefined
}

function reduced(op: string, elements: Tensor, { reduction = 'mean' }: LossOptions): Tensor {
  if (reduction === 'mean') return mean(elements)
  if (reduction === 'sum') return sum(elements)
  if (reduction === 'none') return elements
  throw new OptionError(op, `reduction must be 'mean', 'sum' or 'none', got ${describe(reduction)}`)
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

/** x − t in floats: whole numbers would wrap. */
function distance(op: string, prediction: Tensor, target: Tensor): Tensor {
  checkPair(op, prediction, target)
  const dtype = floatOf(promote(prediction.dtype, target.dtype))
  return sub(cast(prediction, dtype), cast(target, dtype))
}

function checkNumber(op: string, name: string, value: unknown, holds: (v: number) => boolean, text: string): void {
  if (typeof value !== 'number' || !holds(value))
    throw new OptionError(op, `${name} must be ${text}, got ${describe(value)}`)
}

/** (x − t)² */
export function mse(prediction: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  checkOptions('mse', options, ['reduction'])
  return reduced('mse', square(distance('mse', prediction, target)), options)
}

/** |x − t| */
export function l1(prediction: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  checkOptions('l1', options, ['reduction'])
  return reduced('l1', abs(distance('l1', prediction, target)), options)
}

interface Robust {
  /** Where the parabola becomes a line. */
  readonly limit: number
  /** The slope of the line. */
  readonly slope: number
}
const robustGradient: Gradient<Robust> = rule({
  name: 'robust',
  saves: { inputs: [0] },
  grad: (g, { inputs: [d] }, p) => [mul(g, inside(clamp(d, -p.limit, p.limit), p))],
})
const inside = (d: Tensor, { limit, slope }: Robust): Tensor => (limit === slope ? d : mul(div(d, limit), slope))

/** ½d²·slope/limit where |d| < limit, else slope·(|d| − ½limit). Its slope is finite at infinite distance. */
function robust(d: Tensor, p: Robust): Tensor {
  const y = noGrad(() => {
    const size = abs(d)
    return where(less(size, p.limit), mul(mul(d, 0.5), inside(d, p)), mul(sub(size, p.limit / 2), p.slope))
  })
  record(robustGradient, [d], y, p)
  return y
}

export interface HuberOptions extends LossOptions {
  /** Where the parabola becomes a line. Default: 1. */
  delta?: number | undefined
}
/** ½d² where |d| < δ, else δ(|d| − ½δ), with d = x − t. Huber (1964). */
export function huber(prediction: Tensor, target: Tensor, options: HuberOptions = {}): Tensor {
  checkOptions('huber', options, ['reduction', 'delta'])
  const { delta = 1 } = options
  checkNumber('huber', 'delta', delta, v => v > 0, 'a number above 0')
  const d = distance('huber', prediction, target)
  return reduced('huber', robust(d, { limit: delta, slope: delta }), options)
}

export interface SmoothL1Options extends LossOptions {
  /** Where the parabola becomes a line. Default: 1. With 0 it is `l1`. */
  beta?: number | undefined
}
/** ½d²/β where |d| < β, else |d| − ½β, with d = x − t. Girshick (2015). */
export function smoothL1(prediction: Tensor, target: Tensor, options: SmoothL1Options = {}): Tensor {
  checkOptions('smoothL1', options, ['reduction', 'beta'])
  const { beta = 1 } = options
  checkNumber('smoothL1', 'beta', beta, v => v >= 0, 'a number of at least 0')
  const d = distance('smoothL1', prediction, target)
  return reduced('smoothL1', beta === 0 ? abs(d) : robust(d, { limit: beta, slope: 1 }), options)
}

/**
 * −t·log p − (1 − t)·log(1 − p), for probabilities p in [0, 1], with logarithms cut off at −100 as in PyTorch. For logits
 * use `bceWithLogits`, which loses nothing.
 *
 * @throws ValueError when the result is read, if a probability or a target is outside [0, 1].
 */
export function bce(probability: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  checkOptions('bce', options, ['reduction'])
  checkPair('bce', probability, target)
  return reduced('bce', bceElements(probability, target), options)
}

export interface BceWithLogitsOptions extends LossOptions {
  /** Weight of the positive class, broadcast to the target. Default: 1. */
  posWeight?: Tensor | number | ArrayLike<number> | undefined
}
/** Binary cross-entropy of σ(x), computed from the logits x without overflow. */
export function bceWithLogits(logits: Tensor, target: Tensor, options: BceWithLogitsOptions = {}): Tensor {
  checkOptions('bceWithLogits', options, ['reduction', 'posWeight'])
  checkPair('bceWithLogits', logits, target)
  const posWeight = weightsOf('bceWithLogits', 'posWeight', options.posWeight, logits)
  if (posWeight === undefined) return reduced('bceWithLogits', bceWithLogitsElements(logits, target), options)
  if (!sameShape(broadcast('bceWithLogits', posWeight.dims, target.dims), target.dims))
    throw new ShapeError(
      'bceWithLogits',
      `posWeight must broadcast to the target's shape ${format(target.dims)}, got ${format(posWeight.dims)}`,
    )
  // (1 − t)·x + (1 + (w − 1)·t)·log(1 + e⁻ˣ)
  const weight = add(mul(sub(posWeight, 1), target), 1)
  return reduced('bceWithLogits', add(mul(sub(1, target), logits), mul(weight, softplus(neg(logits)))), options)
}

export interface NllOptions extends LossOptions {
  /** Rows with this target count nothing. Default: −100. */
  ignoreIndex?: number | undefined
  /** A weight for each class: [classes]. */
  weight?: Tensor | ArrayLike<number> | undefined
}
export interface CrossEntropyOptions extends NllOptions {
  /** Share of the target that is spread over all classes. Default: 0. Szegedy et al. (2016). */
  labelSmoothing?: number | undefined
}

/** Weights as a tensor of the dtype and on the device of the prediction. They have no gradient. */
function weightsOf(op: string, name: string, given: unknown, like: Tensor): Tensor | undefined {
  if (given === undefined) return undefined
  const dtype = floatOf(like.dtype)
  if (!isTensor(given)) {
    if (typeof given === 'number' || Array.isArray(given) || ArrayBuffer.isView(given))
      return tensorOf(`${op}(${name})`, given as Values, { dtype, device: like.device })
    throw new OptionError(op, `${name} must be numbers or a tensor, got ${describe(given)}`)
  }
  if (given.requiresGrad) throw new OptionError(op, `${name} has no gradient, got one that requires it`, 'use detach()')
  if (given.device !== like.device)
    throw new DeviceError(
      op,
      `${name} is on ${given.device}, the prediction on ${like.device}`,
      `use to('${like.device}')`,
    )
  return cast(given, dtype)
}

function classWeights(op: string, given: unknown, like: Tensor, classes: number): Tensor | undefined {
  const weight = weightsOf(op, 'weight', given, like)
  if (weight === undefined || sameShape(weight.dims, [classes])) return weight
  throw new ShapeError(op, `weight must hold a number for each of ${classes} classes, got shape ${format(weight.dims)}`)
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

function targetRows(op: string, target: Tensor, shape: readonly number[], ignoreIndex: number): Tensor {
  checkIndex(op, target)
  checkNumber(op, 'ignoreIndex', ignoreIndex, Number.isInteger, 'a whole number')
  if (!sameShape(target.shape, shape))
    throw new ShapeError(op, `targets must have the shape ${format(shape)}, got ${format(target.shape)}`)
  return reshape(target, [-1])
}

/** The rows' losses brought to the asked form; a weighted mean divides by the weights that count. */
function finished(
  op: string,
  losses: Tensor,
  target: Tensor,
  weight: Tensor | undefined,
  ignoreIndex: number,
  shape: readonly number[],
  options: LossOptions,
): Tensor {
  const { reduction = 'mean' } = options
  if (reduction === 'none') return reshape(losses, shape)
  if (reduction !== 'mean') return reduced(op, losses, options)
  return div(sum(losses), sum(rowWeights(target, weight, ignoreIndex, losses.dtype)))
}

/** The weight of each row: that of its class, 0 where it is ignored. */
function rowWeights(target: Tensor, weight: Tensor | undefined, ignoreIndex: number, dtype: DType): Tensor {
  const ignored = equal(target, ignoreIndex)
  return cast(where(ignored, 0, weight ? gather(weight, where(ignored, 0, target), 0) : 1), dtype)
}

const nllRule = { ...gatherRule, name: 'nll' }
/**
 * −log p[t], from log-probabilities with classes on axis 1.
 *
 * @throws IndexError when the result is read, if a target is not a class.
 */
export function nll(logProbabilities: Tensor, target: Tensor, options: NllOptions = {}): Tensor {
  checkOptions('nll', options, ['reduction', 'ignoreIndex', 'weight'])
  checkTensor('nll', logProbabilities, 'log-probabilities')
  const { ignoreIndex = -100 } = options
  const { rows, shape } = rowsOf('nll', logProbabilities)
  const weight = classWeights('nll', options.weight, rows, rows.dims[1])
  const t = targetRows('nll', target, shape, ignoreIndex)
  const ignored = equal(t, ignoreIndex)
  const picked = squeeze(gatherAs(nllRule, cast(rows, floatOf(rows.dtype)), unsqueeze(where(ignored, 0, t), 1), 1), 1)
  const weighted = weight ? mul(picked, rowWeights(t, weight, ignoreIndex, picked.dtype)) : picked
  return finished('nll', where(ignored, 0, neg(weighted)), t, weight, ignoreIndex, shape, options)
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
  const { ignoreIndex = -100, labelSmoothing = 0 } = options
  checkNumber('crossEntropy', 'labelSmoothing', labelSmoothing, v => v >= 0 && v <= 1, 'from 0 to 1')
  const { rows, shape } = rowsOf('crossEntropy', logits)
  const weight = classWeights('crossEntropy', options.weight, rows, rows.dims[1])
  if (isFloating(target.dtype)) {
    if (options.ignoreIndex !== undefined)
      throw new OptionError(
        'crossEntropy',
        'ignoreIndex means nothing to targets that are probabilities',
        'leave it out',
      )
    return fromProbabilities(logits, rows, shape, target, labelSmoothing, weight, options)
  }
  const t = targetRows('crossEntropy', target, shape, ignoreIndex)
  const losses = crossEntropyRows(rows, t, ignoreIndex, labelSmoothing, weight)
  return finished('crossEntropy', losses, t, weight, ignoreIndex, shape, options)
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
  weight: Tensor | undefined,
  options: CrossEntropyOptions,
): Tensor {
  if (!sameShape(target.shape, logits.shape))
    throw new ShapeError(
      'crossEntropy',
      `probabilities must have the shape of the logits ${format(logits.shape)}, got ${format(target.shape)}`,
      'class indices must be int32',
    )
  const losses = spread(rows, rowsOf('crossEntropy', target).rows, smoothing, weight)
  return options.reduction === 'none' ? reshape(losses, shape) : reduced('crossEntropy', losses, options)
}
