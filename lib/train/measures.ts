import { describe, OptionError } from '../errors.js'
import { noGrad } from '../scope.js'
import type { Tensor } from '../tensor.js'
import type { Measure } from './formulas.js'
import { checkNumber, checkSynchronous } from './given.js'
import { type LossName, lossNamed, type MetricName, metricNamed } from './names.js'

/** A metric by name, or a function of prediction and target. Functions go by their own name. */
export type MetricLike = MetricName | Measure

const form = '(prediction, target) → tensor, or a name'

/** The name of a value of validation. */
export const validationName = (name: string): string => `val${name.slice(0, 1).toUpperCase()}${name.slice(1)}`

/** Loss and metrics of a compiled model, by name, the loss first. */
export class Measures {
  private readonly loss: Measure
  private readonly lossName: string
  private readonly metrics: ReadonlyMap<string, Measure>

  constructor(loss: LossName | Measure, metrics: readonly MetricLike[] = []) {
    this.loss = typeof loss === 'string' ? lossNamed(loss) : checkSynchronous('compile', 'loss', loss, form)
    this.lossName = typeof loss === 'string' ? loss : loss.name || 'loss'
    if (!Array.isArray(metrics))
      throw new OptionError('compile', `metrics must be an array, got ${describe(metrics)}`, "metrics: ['accuracy']")
    const named = Array.from(metrics, (m: MetricLike, i): [string, Measure] =>
      typeof m === 'string'
        ? [m, metricNamed(m)]
        : [m?.name || `metric${i}`, checkSynchronous('compile', `metric ${i}`, m, form)],
    )
    this.metrics = new Map(named)
    const all = ['loss', ...named.map(([name]) => name)].flatMap(name => [name, validationName(name)])
    const twice = all.find((name, i) => all.indexOf(name) !== i)
    if (twice) throw new OptionError('compile', `two values would be called '${twice}'`, 'name the function otherwise')
  }

  /** The loss of a batch. */
  lossOf(prediction: Tensor, target: Tensor): Tensor {
    return checkNumber('loss', this.lossName, this.loss(prediction, target), prediction.device)
  }
  /** The metrics of a batch, in the order of their names. */
  metricsOf(prediction: Tensor, target: Tensor): Tensor[] {
    return noGrad(() =>
      [...this.metrics].map(([name, metric]) =>
        checkNumber('metric', name, metric(prediction, target), prediction.device).detach(),
      ),
    )
  }
  get names(): string[] {
    return ['loss', ...this.metrics.keys()]
  }
}
