import { full, zeros } from '../creation.js'
import { isFloating } from '../dtype.js'
import { add, mul } from '../ops/binary.js'
import { cast } from '../ops/define.js'
import { assign_, concat } from '../ops/movement.js'
import { reshape } from '../ops/view.js'
import type { Stream } from '../runtime/stream.js'
import { keep, noGrad, tidy } from '../scope.js'
import type { Tensor } from '../tensor.js'

/** Means over an epoch, weighted by batch size. They gather on the device and are read when somebody asks. */
export class RunningMeans {
  /** Sums of values times samples, and last the samples: a batch that fails is left out of both. */
  private totals: Tensor | undefined
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
    const { device } = this.stream
    const dtype = isFloating(values[0].dtype) ? values[0].dtype : 'float32'
    const gather = (): void => {
      this.totals ??= keep(zeros([values.length + 1], { device, dtype }))
      const row = [...values.map(v => cast(reshape(v, [1]), dtype)), full([1], 1, { device, dtype })]
      assign_(this.totals, add(this.totals, mul(concat(row), samples)))
    }
    try {
      this.stream.onBehalf(this.user, () => noGrad(() => tidy(gather)))
    } finally {
      for (const v of values) v.dispose()
    }
  }

  async read(): Promise<Record<string, number>> {
    const totals = await this.stream.onBehalf(this.user, async () => this.totals?.data())
    const samples = totals?.at(-1) || 1
    return Object.fromEntries(this.names.map((name, i) => [name, (totals?.[i] ?? 0) / samples]))
  }

  dispose(): void {
    this.totals?.dispose()
  }
}
