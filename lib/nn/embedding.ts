import { zeros } from '../creation.js'
import { checkOptions } from '../errors.js'
import { embedding } from '../ops/embedding.js'
import type { Tensor } from '../tensor.js'
import { normal_ } from './init.js'
import type { LayerOptions } from './linear.js'
import { checkCount, Module } from './module.js'
import { Parameter } from './parameter.js'

/** A table of learned vectors. int32 indices […] → […, width]; weight: [count, width], starting from N(0, 1). */
export class Embedding extends Module {
  static override readonly name: string = 'Embedding'
  readonly count: number
  readonly width: number
  weight: Parameter

  constructor(count: number, width: number, options: LayerOptions = {}) {
    super()
    checkOptions('Embedding', options, ['dtype', 'device', 'generator'])
    this.count = checkCount('Embedding', 'count', count)
    this.width = checkCount('Embedding', 'width', width)
    const { generator, ...where } = options
    this.weight = Parameter.of(normal_(zeros([count, width], where), 0, 1, { generator }))
  }
  forward(index: Tensor): Tensor {
    return embedding(this.weight, index)
  }
  override toString(): string {
    return `Embedding(${this.count}, ${this.width})`
  }
}
