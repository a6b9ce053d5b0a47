import { tensor } from '../creation.js'
import { describe, OptionError, ShapeError } from '../errors.js'
import { isTensor } from '../ops/define.js'
import { indexSelect } from '../ops/embedding.js'
import { noGrad } from '../scope.js'
import type { Tensor } from '../tensor.js'

/** A collection of samples. `batch` gives the tensors of the named ones, stacked along axis 0. */
export interface Dataset {
  readonly length: number
  batch(indices: Int32Array): Tensor[] | Promise<Tensor[]>
}

/**
 * Samples held in tensors: sample i is row i of each of them.
 *
 * @throws ShapeError if the numbers of rows differ; OptionError if there are none.
 * @example
 * const digits = new data.TensorDataset(ones([100, 4]), zeros([100]))
 * digits.length // 100
 */
export class TensorDataset implements Dataset {
  readonly tensors: readonly Tensor[]
  readonly length: number

  constructor(...tensors: Tensor[]) {
    if (tensors.length === 0 || !tensors.every(isTensor)) {
      const wrong = tensors.find(t => !isTensor(t))
      throw new OptionError(
        'TensorDataset',
        `expected tensors, got ${describe(wrong)}`,
        'new TensorDataset(x, y), of tensor(…)',
      )
    }
    const counts = tensors.map(t => t.shape[0])
    if (counts.some(n => n === undefined || n !== counts[0]))
      throw new ShapeError(
        'TensorDataset',
        `tensors must have equally many rows, got ${counts.map(n => n ?? 'a scalar').join(' and ')}`,
      )
    if (counts[0] === 0)
      throw new OptionError(
        'TensorDataset',
        'the dataset is empty, expected at least one sample',
        'check where the samples come from',
      )
    this.tensors = Object.freeze(tensors)
    this.length = counts[0]
  }

  batch(indices: Int32Array): Tensor[] {
    return noGrad(() => {
      const index = tensor(indices, { device: this.tensors[0].device })
      const rows = this.tensors.map(t => indexSelect(t, index, 0))
      index.dispose()
      return rows
    })
  }
}
