/** Metrics of classifiers: `accuracy` for a tensor, `ConfusionMatrix` for everything that follows from counts. */
import { isFloating } from '../dtype.js'
import { ShapeError } from '../errors.js'
import { equal, greater } from '../ops/compare.js'
import { cast, checkTensor } from '../ops/define.js'
import { argmax, mean } from '../ops/reduce.js'
import { reshape } from '../ops/view.js'
import { noGrad, tidy } from '../scope.js'
import { format } from '../shape.js'
import type { Tensor } from '../tensor.js'
import { type ClassificationReport, ConfusionMatrix } from './confusion.js'

export { type ClassificationReport, type ClassScores, ConfusionMatrix, reportOf } from './confusion.js'

/**
 * The share of right predictions, as a float32 scalar. Scores [n, classes] count by their largest, scores [n] or [n, 1]
 * are probabilities of class 1 (above ½ counts); targets are classes (int32 or float), or of the shape of the scores.
 */
export function accuracy(predictions: Tensor, targets: Tensor): Tensor {
  checkTensor('accuracy', predictions, 'predictions')
  checkTensor('accuracy', targets, 'targets')
  return noGrad(() =>
    tidy(() => {
      const several = predictions.rank > 1 && predictions.shape[predictions.rank - 1] > 1
      const predicted = !isFloating(predictions.dtype)
        ? predictions
        : several
          ? argmax(predictions, -1)
          : cast(greater(predictions, 0.5), 'int32')
      const wanted =
        several && targets.rank === predictions.rank && targets.shape[targets.rank - 1] > 1
          ? argmax(targets, -1)
          : cast(targets, 'int32')
      if (predicted.size !== wanted.size)
        throw new ShapeError(
          'accuracy',
          `predictions ${format(predictions.shape)} and targets ${format(targets.shape)} do not fit`,
        )
      return mean(cast(equal(reshape(predicted, [-1]), reshape(wanted, [-1])), 'float32'))
    }),
  )
}

/** Counts predictions of one batch: precision, recall and F1 per class, and their means. */
export async function classificationReport(
  predictions: Tensor,
  targets: Tensor,
  classes: number,
): Promise<ClassificationReport> {
  const counts = new ConfusionMatrix(classes, { device: predictions.device })
  counts.update(predictions, targets)
  const report = await counts.report()
  counts.dispose()
  return report
}

/** Of what was taken for each class, the share that is. */
export async function precision(predictions: Tensor, targets: Tensor, classes: number): Promise<number[]> {
  return (await classificationReport(predictions, targets, classes)).classes.map(c => c.precision)
}
/** Of what is each class, the share that was found. */
export async function recall(predictions: Tensor, targets: Tensor, classes: number): Promise<number[]> {
  return (await classificationReport(predictions, targets, classes)).classes.map(c => c.recall)
}
/** The harmonic mean of precision and recall of each class. */
export async function f1(predictions: Tensor, targets: Tensor, classes: number): Promise<number[]> {
  return (await classificationReport(predictions, targets, classes)).classes.map(c => c.f1)
}
/** matrix[i][j]: how many samples of class i were taken for class j. */
export async function confusionMatrix(predictions: Tensor, targets: Tensor, classes: number): Promise<number[][]> {
  return (await classificationReport(predictions, targets, classes)).matrix
}
