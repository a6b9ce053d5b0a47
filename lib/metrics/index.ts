/** Metrics of classifiers: `accuracy` for a tensor, `ConfusionMatrix` for everything that follows from counts. */
import { equal } from '../ops/compare.js'
import { cast } from '../ops/define.js'
import { mean } from '../ops/reduce.js'
import { noGrad, tidy } from '../scope.js'
import type { Tensor } from '../tensor.js'
import { classesOf } from './classes.js'
import { type ClassificationReport, countsOf, reportOf } from './confusion.js'

export { type ClassificationReport, type ClassScores, ConfusionMatrix, reportOf } from './confusion.js'

/**
 * The share of right predictions, as a float32 scalar. Predictions are scores [n, classes], of which the largest counts;
 * probabilities of class 1, [n] or [n, 1], of which those above ½ count; or class ids as int32. Targets are class ids of
 * any dtype, or one-hot vectors. All metrics accept these.
 *
 * @throws ShapeError if they do not fit together.
 * @example
 * const scores = tensor([[0.9, 0.1], [0.2, 0.8]])
 * await metrics.accuracy(scores, tensor([0, 0])).item() // 0.5
 */
export function accuracy(predictions: Tensor, targets: Tensor): Tensor<'float32'> {
  return noGrad(() => tidy(() => mean(cast(equal(...classesOf('accuracy', predictions, targets)), 'float32'))))
}

async function reported(op: string, predictions: Tensor, targets: Tensor, classes: number) {
  const counts = noGrad(() => tidy(() => countsOf(op, predictions, targets, classes)))
  const read = counts.toArray()
  counts.dispose() // after the read, in the order of records
  return reportOf((await read) as number[][])
}

/**
 * Counts predictions of one batch: precision, recall and F1 per class, and their means.
 *
 * @throws IndexError if a class is outside the range, found when the counts are read.
 */
export async function classificationReport(
  predictions: Tensor,
  targets: Tensor,
  classes: number,
): Promise<ClassificationReport> {
  return reported('classificationReport', predictions, targets, classes)
}

/** Of what was taken for each class, the share that is. */
export async function precision(predictions: Tensor, targets: Tensor, classes: number): Promise<number[]> {
  return (await reported('precision', predictions, targets, classes)).classes.map(c => c.precision)
}
/** Of what is each class, the share that was found. */
export async function recall(predictions: Tensor, targets: Tensor, classes: number): Promise<number[]> {
  return (await reported('recall', predictions, targets, classes)).classes.map(c => c.recall)
}
/** The harmonic mean of precision and recall of each class. */
export async function f1(predictions: Tensor, targets: Tensor, classes: number): Promise<number[]> {
  return (await reported('f1', predictions, targets, classes)).classes.map(c => c.f1)
}
/** matrix[i][j]: how many samples of class i were taken for class j. */
export async function confusionMatrix(predictions: Tensor, targets: Tensor, classes: number): Promise<number[][]> {
  return (await reported('confusionMatrix', predictions, targets, classes)).matrix
}
