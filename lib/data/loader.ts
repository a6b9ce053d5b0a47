import { setImmediate } from 'node:timers/promises'
import { checkOptions, describe, OptionError } from '../errors.js'
import { checkCount } from '../nn/module.js'
import { isTensor } from '../ops/define.js'
import { defaultGenerator, type Generator, generatorOr } from '../random.js'
import { openStreams } from '../runtime/device.js'
import type { Tensor } from '../tensor.js'
import type { Dataset } from './dataset.js'

export interface LoaderOptions {
  /** Samples per batch. Default: 32. */
  batchSize?: number | undefined
  /** A new random order in each pass. Default: false. */
  shuffle?: boolean | undefined
  /** Where the order comes from. Default: the default generator. */
  generator?: Generator | undefined
  /** Leaves out a last batch that is smaller than the others. Default: false. */
  dropLast?: boolean | undefined
}

/** Steps that may be under way while the next batch is made. */
const ahead = 2

/**
 * Goes over a dataset in batches. `for await` is where a full queue waits: at most two steps are under way, so neither
 * memory nor the event loop suffers. A batch is disposed when the next one is asked for; what a graph saved lives on.
 *
 * @example
 * const loader = new data.Loader(new data.TensorDataset(ones([10, 2])), { batchSize: 4 })
 * for await (const [x] of loader) x.shape[0] // 4, 4, 2
 */
export class Loader implements AsyncIterable<Tensor[]> {
  readonly dataset: Dataset
  readonly batchSize: number
  private readonly options: LoaderOptions

  constructor(dataset: Dataset, options: LoaderOptions = {}) {
    checkOptions('Loader', options, ['batchSize', 'shuffle', 'generator', 'dropLast'])
    if (typeof dataset?.batch !== 'function' || !Number.isSafeInteger(dataset.length))
      throw new OptionError(
        'Loader',
        'expected a dataset with length and batch()',
        'wrap tensors in new TensorDataset(…)',
      )
    if (dataset.length === 0)
      throw new OptionError(
        'Loader',
        'the dataset is empty, expected at least one sample',
        'check where the samples come from',
      )
    this.dataset = dataset
    this.batchSize = checkCount('Loader', 'batchSize', options.batchSize ?? 32)
    if (options.generator) generatorOr('Loader', options.generator)
    this.options = { ...options }
    if (this.length === 0)
      throw new OptionError(
        'Loader',
        `no batch of ${this.batchSize} in ${dataset.length} samples`,
        'use smaller batches, or keep the last one',
      )
  }

  /** Batches per pass. */
  get length(): number {
    const batches = this.dataset.length / this.batchSize
    return this.options.dropLast ? Math.floor(batches) : Math.ceil(batches)
  }

  private order(): Int32Array {
    const { shuffle, generator } = this.options
    return shuffle
      ? (generator ?? defaultGenerator()).permutation(this.dataset.length)
      : Int32Array.from({ length: this.dataset.length }, (_, i) => i)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Tensor[]> {
    const order = this.order()
    const marks: Promise<unknown>[] = []
    for (let i = 0; i < this.length; i++) {
      if (marks.length >= ahead) await turnAfter(marks.shift())
      const batch = checkBatch(await this.dataset.batch(order.subarray(i * this.batchSize, (i + 1) * this.batchSize)))
      try {
        yield batch
      } finally {
        for (const t of batch) t.disposeBy('the loader')
      }
      const mark = finished()
      mark.catch(() => {}) // should it fail, that is met where it is awaited, if anybody still does
      marks.push(mark)
    }
    await turnAfter(Promise.all(marks))
  }
}

/** The tensors that a dataset of the user gives. */
function checkBatch(batch: unknown): Tensor[] {
  if (Array.isArray(batch) && batch.every(isTensor)) return batch
  throw new OptionError(
    'Loader',
    `batch() of the dataset must give an array of tensors, got ${describe(batch)}`,
    'for example: batch: indices => [x.indexSelect(tensor(indices))]',
  )
}

/** Waits, and then lets timers and requests have their turn: work that is done at once would keep the loop to itself. */
async function turnAfter(work: Promise<unknown> | undefined): Promise<void> {
  await work
  await setImmediate()
}

/** Resolves when all work issued so far is done; frees what was collected in the meantime. Failures wait for a read. */
async function finished(): Promise<void> {
  for (const stream of openStreams()) {
    await stream.mark('nothing')
    stream.heap.report()
  }
}
