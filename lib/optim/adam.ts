import { describe, OptionError } from '../errors.js'
import { adamStep } from '../ops/step.js'
import type { Tensor } from '../tensor.js'
import type { ParameterList } from './groups.js'
import { Optimizer } from './optimizer.js'
import type { State } from './trials.js'

export interface AdamOptions {
  /** Step size. Default: 0.001. */
  learningRate: number
  /** Decay rates of the two moments. Default: [0.9, 0.999]. */
  betas: readonly [number, number]
  /** Added to the root of the second moment. Default: 1e-8. */
  epsilon: number
  /** Adam: adds weightDecay·w to the gradient, default 0. AdamW: shrinks w by learningRate·weightDecay, default 0.01. */
  weightDecay: number
  /** Divides by the largest second moment so far. Default: false. Reddi et al. (2018). */
  amsgrad: boolean
  /** Adds epsilon before the bias is corrected, as Keras does, instead of after it. Default: false. */
  rawEpsilon: boolean
}

const defaults: AdamOptions = {
  learningRate: 1e-3,
  betas: [0.9, 0.999],
  epsilon: 1e-8,
  weightDecay: 0,
  amsgrad: false,
  rawEpsilon: false,
}

/** w −= learningRate·m̂/(√v̂ + ε), with bias-corrected moments of the gradient. Kingma & Ba (2015). */
export class Adam extends Optimizer<AdamOptions> {
  static override readonly name: string = 'Adam'
  protected readonly decoupled: boolean = false

  /** @internal */
  protected static readonly defaults: AdamOptions = defaults

  constructor(parameters: ParameterList<AdamOptions>, options: Partial<AdamOptions> = {}) {
    super(parameters, options, new.target.defaults)
  }
  protected override check({ learningRate, betas, epsilon, weightDecay, amsgrad, rawEpsilon }: AdamOptions): void {
    this.checkNumber('learningRate', learningRate, 0)
    if (!Array.isArray(betas) || betas.length !== 2)
      throw new OptionError(this.constructor.name, `betas must be two numbers, got ${describe(betas)}`)
    this.checkNumber('betas[0]', betas[0], 0, 1)
    this.checkNumber('betas[1]', betas[1], 0, 1)
    this.checkNumber('epsilon', epsilon, 0)
    this.checkNumber('weightDecay', weightDecay, 0)
    this.checkFlag('amsgrad', amsgrad)
    this.checkFlag('rawEpsilon', rawEpsilon)
  }
  protected override readonly slots = {
    m: (): boolean => true,
    v: (): boolean => true,
    peak: ({ amsgrad }: AdamOptions): boolean => amsgrad,
  }
  protected override update(p: Tensor, g: Tensor, { m, v, peak, time }: State, options: AdamOptions): void {
    adamStep(p, g, m, v, peak, time, options, this.decoupled)
  }
}

/** Adam with decay that acts on the weights themselves. Loshchilov & Hutter (2019). */
export class AdamW extends Adam {
  static override readonly name: string = 'AdamW'
  /** @internal */
  protected static override readonly defaults: AdamOptions = { ...defaults, weightDecay: 0.01 }
  protected override readonly decoupled = true
}
