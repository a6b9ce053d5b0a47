import { isFloating } from '../dtype.js'
import { mul } from '../ops/binary.js'
import { cast } from '../ops/define.js'
import { concat, stack } from '../ops/movement.js'
import { sum } from '../ops/reduce.js'
import { reshape } from '../ops/view.js'
import type { Stream } from '../runtime/stream.js'
import { keep, noGrad, tidy } from '../scope.js'
import type { Tensor } from '../tensor.js'

/** Rows that are added up at once. */
const width = 64

/**
 * Means over an epoch, weighted by batch size. They gather on the device and are read when somebody asks. Sums of sums, 64 at
 * a time, so that a long epoch of small batches is as exact as a short one of large ones.
 */
export class RunningMeans {
  /** Values times samples: of batches, of 64 batches, of 64 times 64. */
  private readonly levels: Tensor[][] = []
  private samples = 0
  private readonly names: readonly string[]
  private readonly stream: Stream
  private readonly user: number

  /** @param user On whose behalf values are gathered and read: see `Stream.onBehalf`. */
  constructor(names: readonly string[], stream: Stream, user: number) {
    this.names = names
    this.stream = stream
    this.user = user
  }

  /** Adds the values of one batch, single elements in the order of the names, and disposes them. */
  add(values: readonly Tensor[], samples: number): void {
    const dtype = isFloating(values[0].dtype) ? values[0].dtype : 'float32'
    try {
      this.gather(0, () => mul(concat(values.map(v => cast(reshape(v, [1]), dtype))), samples))
    } finally {
      for (const v of values) v.dispose()
    }
    this.samples += samples
  }

  private gather(level: number, make: () => Tensor): void {
    const row = this.stream.onBehalf(this.user, () => noGrad(() => keep(tidy(make))))
    const rows = (this.levels[level] ??= [])
    if (rows.push(row) < width) return
    this.gather(level + 1, () => sum(stack(rows), 0))
    for (const r of rows.splice(0)) r.dispose()
  }

  /** The means of the batches so far, of which there must be one. */
  async read(): Promise<Record<string, number>> {
    const values = await this.stream.onBehalf(this.user, () => {
      const totals = noGrad(() => tidy(() => sum(stack(this.levels.flat()), 0)))
      const read = totals.data()
      totals.dispose() // after the read, in the order of records
      return read
    })
    return Object.fromEntries(this.names.map((name, i) => [name, values[i] / this.samples]))
  }

  dispose(): void {
    for (const rows of this.levels) for (const r of rows.splice(0)) r.dispose()
  }
}
