import { checkOptions, describe, OptionError } from '../errors.js'
import { checkTensor } from '../ops/define.js'
import { dropout } from '../ops/random.js'
import type { Generator } from '../random.js'
import type { Tensor } from '../tensor.js'
import { Module } from './module.js'

/** In training, sets elements to 0 with probability `p` and scales the others by 1/(1 − p); in evaluation, nothing. */
export class Dropout extends Module {
  static override readonly name: string = 'Dropout'
  readonly p: number
  private readonly generator: Generator | undefined

  constructor(p = 0.5, options: { generator?: Generator | undefined } = {}) {
    super()
    checkOptions('Dropout', options, ['generator'])
    if (typeof p !== 'number' || !(p >= 0 && p <= 1))
      throw new OptionError('Dropout', `p must be from 0 to 1, got ${describe(p)}`)
    this.p = p
    this.generator = options.generator
  }
  forward(x: Tensor): Tensor {
    return this.training ? dropout(x, this.p, { generator: this.generator }) : checkTensor('Dropout', x)
  }
  override toString(): string {
    return `Dropout(${this.p})`
  }
}
