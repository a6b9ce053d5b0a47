/** What Keras names by strings: losses, metrics, optimizers, activations, with Keras's formulas and defaults. */
import { describe, didYouMean, OptionError, plainName } from '../errors.js'
import { accuracy } from '../metrics/index.js'
import * as nn from '../nn/index.js'
import type { Module } from '../nn/module.js'
import { Adam, AdamW, type AnyOptimizer, SGD } from '../optim/index.js'
import type { Tensor } from '../tensor.js'
import { formulas, type LossKey, type Measure } from './formulas.js'

/** meanSquaredError → mean_squared_error. */
type SnakeCase<S extends string> = S extends `${infer First}${infer Rest}`
  ? `${First extends Lowercase<First> ? First : `_${Lowercase<First>}`}${SnakeCase<Rest>}`
  : S
/** A name as it stands here, as Keras writes it, and as Keras calls the class. */
type Spelled<Name extends string> = Name | SnakeCase<Name> | Capitalize<Name>

type OptimizerKey = 'sgd' | 'adam' | 'adamw'
type MetricKey = 'accuracy' | LossKey
type ActivationKey =
  | 'linear'
  | 'relu'
  | 'sigmoid'
  | 'tanh'
  | 'softmax'
  | 'logSoftmax'
  | 'elu'
  | 'gelu'
  | 'silu'
  | 'softplus'
  | 'leakyRelu'
type ShortLoss = 'mse' | 'mae'

/** The name of an optimizer: 'adam', 'Adam'. */
export type OptimizerName = Spelled<OptimizerKey> | 'SGD' | 'AdamW'
/** The name of a loss: 'meanSquaredError', 'mean_squared_error', 'mse'. */
export type LossName = Spelled<LossKey> | ShortLoss | Uppercase<ShortLoss>
/** The name of a metric: 'accuracy', 'acc', or a loss. */
export type MetricName = Spelled<MetricKey> | 'acc' | ShortLoss | Uppercase<ShortLoss>
/** The name of an activation: 'relu', 'leakyRelu', 'leaky_relu'. */
export type ActivationName = Spelled<ActivationKey> | 'swish'

const metrics: Record<MetricKey, Measure> = { accuracy, ...formulas }

type MakeOptimizer = (parameters: Tensor[], options: object) => AnyOptimizer
/** Optimizers with Keras's defaults; they check further options themselves. */
const optimizers: Record<OptimizerKey, MakeOptimizer> = {
  sgd: (p, options) => new SGD(p, { learningRate: 0.01, ...options }),
  adam: (p, options) => new Adam(p, { epsilon: 1e-7, rawEpsilon: true, ...options }),
  adamw: (p, options) => new AdamW(p, { epsilon: 1e-7, rawEpsilon: true, weightDecay: 0.004, ...options }),
}
const activations: Record<ActivationKey, () => Module | null> = {
  linear: () => null,
  relu: () => new nn.ReLU(),
  sigmoid: () => new nn.Sigmoid(),
  tanh: () => new nn.Tanh(),
  softmax: () => new nn.Softmax(),
  logSoftmax: () => new nn.LogSoftmax(),
  elu: () => new nn.ELU(),
  gelu: () => new nn.GELU(),
  silu: () => new nn.SiLU(),
  softplus: () => new nn.Softplus(),
  leakyRelu: () => new nn.LeakyReLU(0.2),
}
const shortLosses: Record<ShortLoss, LossKey> = { mse: 'meanSquaredError', mae: 'meanAbsoluteError' }

/** Things by name, by other names, and Keras's names of what is not here. */
class Names<T> {
  private readonly kind: string
  private readonly known: readonly string[]
  private readonly entries: ReadonlyMap<string, T>
  private readonly missing: ReadonlySet<string>
  private readonly more: string

  constructor(
    kind: string,
    table: Readonly<Record<string, T>>,
    others: Readonly<Record<string, string>>,
    missing: string,
    more = '',
  ) {
    this.kind = kind
    this.known = Object.keys(table)
    const entries = new Map(Object.entries(table).map(([name, value]) => [plainName(name), value]))
    for (const [other, name] of Object.entries(others)) entries.set(other, table[name])
    this.entries = entries
    this.missing = new Set(missing.split(' '))
    this.more = more
  }

  /** @throws OptionError that says which was meant, or which there are. */
  find(op: string, name: unknown): T {
    const plain = typeof name === 'string' ? plainName(name) : ''
    const found = this.entries.get(plain)
    if (found !== undefined) return found
    const all = `there are ${this.known.join(', ')}${this.more}`
    if (this.missing.has(plain)) throw new OptionError(op, `${this.kind} ${describe(name)} does not exist yet`, all)
    throw new OptionError(
      op,
      `unknown ${this.kind} ${describe(name)}`,
      plain === 'crossentropy' || plain === 'ce' ? crossentropies : didYouMean(plain, this.known),
    )
  }
}

const crossentropies =
  'sparseCategoricalCrossentropy is for class ids, categoricalCrossentropy for one-hot targets, binaryCrossentropy for one probability per sample'
const missingLosses =
  'hinge squaredhinge categoricalhinge kldivergence kld kldiv poisson cosinesimilarity logcosh meanabsolutepercentageerror mape meansquaredlogarithmicerror msle ctc dice tversky binaryfocalcrossentropy categoricalfocalcrossentropy'
const missingMetrics = `${missingLosses} precision recall auc f1 f1score fbetascore topkcategoricalaccuracy binaryaccuracy categoricalaccuracy sparsecategoricalaccuracy rootmeansquarederror rmse r2score meaniou iou`

const lossNames = new Names<Measure>('loss', formulas, shortLosses, missingLosses)
const metricNames = new Names<Measure>(
  'metric',
  metrics,
  { acc: 'accuracy', ...shortLosses },
  missingMetrics,
  '; metrics.classificationReport(await model.predict(x), y, classes) has precision, recall and F1',
)
const optimizerNames = new Names<MakeOptimizer>(
  'optimizer',
  optimizers,
  {},
  'rmsprop adagrad adadelta adamax nadam ftrl lion lamb adafactor muon rprop lbfgs radam asgd',
)
const activationNames = new Names<() => Module | null>(
  'activation',
  activations,
  { swish: 'silu' },
  'selu exponential hardsigmoid hardsilu hardswish hardtanh softsign mish relu6 celu glu threshold tanhshrink softshrink hardshrink sparsemax prelu',
)

export const lossNamed = (name: LossName): Measure => lossNames.find('compile', name)
export const metricNamed = (name: MetricName): Measure => metricNames.find('compile', name)
export const optimizerNamed = (name: unknown): MakeOptimizer => optimizerNames.find('compile', name)
export const activationNamed = (op: string, name: ActivationName): Module | null => activationNames.find(op, name)()
