import { zeros } from '../creation.js'
import { checkOptions, describe, OptionError } from '../errors.js'
import { checkCount } from '../nn/module.js'
import { add } from '../ops/binary.js'
import { cast } from '../ops/define.js'
import { oneHot } from '../ops/embedding.js'
import { matmul } from '../ops/matmul.js'
import { assign_ } from '../ops/movement.js'
import { transpose } from '../ops/view.js'
import type { Device } from '../runtime/device.js'
import { inOp } from '../runtime/source.js'
import { keep, noGrad, tidy } from '../scope.js'
import type { Tensor } from '../tensor.js'
import { classesOf } from './classes.js'

/** Scores of one class. Those with nothing to count are 0. */
export interface ClassScores {
  /** Of what was taken for this class, the share that is. */
  readonly precision: number
  /** Of what is this class, the share that was found. */
  readonly recall: number
  /** The harmonic mean of both. */
  readonly f1: number
  /** How many samples are of this class. */
  readonly support: number
}

export interface ClassificationReport {
  /** matrix[i][j]: how many samples of class i were taken for class j. */
  readonly matrix: number[][]
  readonly accuracy: number
  readonly classes: ClassScores[]
  /** Means over the classes. */
  readonly macro: Omit<ClassScores, 'support'>
}

/** How many samples of each class (row) were taken for each (column): int32. */
export function countsOf(op: string, predictions: Tensor, targets: Tensor, classes: number): Tensor {
  checkCount(op, 'classes', classes)
  const [p, t] = classesOf(op, predictions, targets, classes)
  return inOp(op, () => cast(matmul(transpose(oneHot(t, classes)), oneHot(p, classes)), 'int32'))
}

/**
 * Counts predictions by true and predicted class. Counting happens on the device; `report()` reads the result.
 *
 * @example
 * const counts = new metrics.ConfusionMatrix(2)
 * counts.update(tensor([0, 1, 1], { dtype: 'int32' }), tensor([0, 1, 0], { dtype: 'int32' }))
 * const { matrix } = await counts.report() // [[1, 1], [0, 1]]
 */
export class ConfusionMatrix {
  readonly size: number
  private readonly counts: Tensor

  constructor(classes: number, options: { device?: Device | undefined } = {}) {
    checkOptions('ConfusionMatrix', options, ['device'])
    this.size = checkCount('ConfusionMatrix', 'classes', classes)
    this.counts = keep(zeros([classes, classes], { ...options, dtype: 'int32' }))
  }

  /**
   * Adds a batch of predictions and targets: class ids, scores, one-hot vectors or probabilities of class 1, as in
   * `accuracy`. A batch with a class outside the range is left out, and the next `report()` says so, once.
   */
  update(predictions: Tensor, targets: Tensor): void {
    // In place: what fails while it runs changes nothing.
    noGrad(() =>
      tidy(() => assign_(this.counts, add(this.counts, countsOf('ConfusionMatrix', predictions, targets, this.size)))),
    )
  }

  /** The counts, and the scores that follow from them. */
  async report(): Promise<ClassificationReport> {
    return reportOf((await this.counts.toArray()) as number[][])
  }

  dispose(): void {
    this.counts.dispose()
  }
}

const ratio = (a: number, b: number): number => (b === 0 ? 0 : a / b)

/** Scores from a matrix of counts, rows being the true classes. */
export function reportOf(matrix: number[][]): ClassificationReport {
  const isSquare = Array.isArray(matrix) && matrix.every(row => Array.isArray(row) && row.length === matrix.length)
  if (!isSquare)
    throw new OptionError(
      'reportOf',
      `expected a square matrix of counts, got ${describe(matrix)}`,
      'rows are true classes',
    )
  const columns = matrix.map((_, c) => matrix.reduce((sum, row) => sum + row[c], 0))
  const classes = matrix.map((row, c) => {
    const support = row.reduce((sum, n) => sum + n, 0)
    const precision = ratio(row[c], columns[c])
    const recall = ratio(row[c], support)
    return { precision, recall, f1: ratio(2 * precision * recall, precision + recall), support }
  })
  const total = classes.reduce((sum, c) => sum + c.support, 0)
  const correct = matrix.reduce((sum, row, c) => sum + row[c], 0)
  const mean = (of: 'precision' | 'recall' | 'f1') =>
    ratio(
      classes.reduce((sum, c) => sum + c[of], 0),
      classes.length,
    )
  return {
    matrix,
    accuracy: ratio(correct, total),
    classes,
    macro: { precision: mean('precision'), recall: mean('recall'), f1: mean('f1') },
  }
}
