import { OptionError } from '../errors.js'
import { sgdStep } from '../ops/step.js'
import type { Tensor } from '../tensor.js'
import type { ParameterList } from './groups.js'
import { Optimizer } from './optimizer.js'
import type { State } from './trials.js'

export interface SGDOptions {
  /** Step size. Required: no default suits. */
  learningRate: number
  /** Share of the last change that is kept. Default: 0. Polyak (1964). */
  momentum: number
  /** Share of the gradient that momentum leaves out. Default: 0. */
  dampening: number
  /** Adds weightDecay·w to the gradient. Default: 0. */
  weightDecay: number
  /** Looks ahead along the momentum. Default: false. Nesterov (1983); Sutskever et al. (2013). */
  nesterov: boolean
}

/**
 * Stochastic gradient descent: v = μv + (1 − dampening)·g, w −= learningRate·v. As in PyTorch, the first v is g.
 *
 * @example
 * const w = ones([2]).requiresGrad_()
 * const optimizer = new optim.SGD([w], { learningRate: 0.5 })
 * w.sum().backward()
 * optimizer.step()
 * await w.toArray() // [0.5, 0.5]
 */
export class SGD extends Optimizer<SGDOptions> {
  static override readonly name: string = 'SGD'
  constructor(parameters: ParameterList<SGDOptions>, options: Partial<SGDOptions> & { learningRate: number }) {
    super(parameters, options, {
      learningRate: undefined as never,
      momentum: 0,
      dampening: 0,
      weightDecay: 0,
      nesterov: false,
    })
  }
  protected override check({ learningRate, momentum, dampening, weightDecay, nesterov }: SGDOptions): void {
    this.checkNumber('learningRate', learningRate, 0)
    this.checkNumber('momentum', momentum, 0)
    this.checkNumber('dampening', dampening, 0)
    this.checkNumber('weightDecay', weightDecay, 0)
    this.checkFlag('nesterov', nesterov)
    if (nesterov && (momentum === 0 || dampening !== 0))
      throw new OptionError('SGD', 'nesterov needs momentum and no dampening')
  }
  protected override readonly slots = { velocity: ({ momentum }: SGDOptions): boolean => momentum !== 0 }
  protected override update(p: Tensor, g: Tensor, { velocity, time }: State, options: SGDOptions): void {
    sgdStep(p, g, velocity, time, options)
  }
}
