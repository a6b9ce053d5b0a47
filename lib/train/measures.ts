import { zeros } from '../creation.js'
import { describe, OptionError } from '../errors.js'
import { add, div, mul } from '../ops/binary.js'
import { checkTensor } from '../ops/define.js'
import { concat } from '../ops/movement.js'
import { reshape } from '../ops/view.js'
import type { Device } from '../runtime/device.js'
import { keep, noGrad, tidy } from '../scope.js'
import type { Tensor } from '../tensor.js'
import { lossNamed, type Measure, metricNamed } from './named.js'

/** A metric by name, or a function of prediction and target. Functions go by their own name. */
export type MetricLike = string | Measure

/** Loss and metrics of a compiled model, by name, the loss first. */
export class Measures {
  readonly loss: Measure
  readonly metrics: ReadonlyMap<string, Measure>

  constructor(loss: string | Measure, metrics: readonly MetricLike[] = []) {
    this.loss = typeof loss === 'string' ? lossNamed(loss) : checkFunction('loss', loss)
    if (!Array.isArray(metrics)) throw new OptionError('compile', `metrics must be an array, got ${describe(metrics)}`)
    const named = metrics.map((m, i): [string, Measure] =>
      typeof m === 'string' ? [m, metricNamed(m)] : [m.name || `metric${i}`, checkFunction('a metric', m)],
    )
    this.metrics = new Map(named)
    const twice = ['loss', ...this.metrics.keys()].find(
      name => named.filter(([n]) => n === name).length > Number(name !== 'loss'),
    )
    if (twice) throw new OptionError('compile', `two values would be called '${twice}'`, 'name the function otherwise')
  }
  /** The metrics of a batch, in the order of their names. */
  metricsOf(prediction: Tensor, target: Tensor): Tensor[] {
    return noGrad(() =>
      [...this.metrics].map(([name, metric]) => checkTensor('metric', metric(prediction, target), name).detach()),
    )
  }
  get names(): string[] {
    return ['loss', ...this.metrics.keys()]
  }
}

function checkFunction(what: string, fn: unknown): Measure {
  if (typeof fn === 'function') return fn as Measure
  throw new OptionError(
    'compile',
    `${what} must be a name or a function (prediction, target) → number, got ${describe(fn)}`,
  )
}

/** Means over an epoch, weighted by batch size. They gather on the device and are read when somebody asks. */
export class RunningMeans {
  private totals: Tensor
  private samples = 0
  private readonly names: readonly string[]
  private readonly user: number

  /** @param user On whose behalf values are gathered and read: see `Stream.onBehalf`. */
  constructor(names: readonly string[], device: Device, user: number) {
    this.names = names
    this.user = user
    this.totals = keep(zeros([names.length], { device }) as Tensor)
  }

  /** Adds the values of one batch, scalars in the order of the names, and disposes them. */
  add(values: readonly Tensor[], samples: number): void {
    try {
      this.onBehalf(() =>
        noGrad(() => {
          const next = tidy(() => add(this.totals, mul(concat(values.map(v => reshape(v, [1]))), samples)))
          this.totals.dispose()
          this.totals = keep(next)
        }),
      )
    } finally {
      for (const v of values) v.dispose()
    }
    this.samples += samples
  }

  async read(): Promise<Record<string, number>> {
    const values = await this.onBehalf(() => {
      const means = div(this.totals, Math.max(this.samples, 1))
      const read = means.data()
      means.dispose() // after the read, in the order of records
      return read
    })
    return Object.fromEntries(this.names.map((name, i) => [name, values[i]]))
  }

  private onBehalf<T>(fn: () => T): T {
    return this.totals.storage.stream.onBehalf(this.user, fn)
  }

  dispose(): void {
    this.totals.dispose()
  }
}
