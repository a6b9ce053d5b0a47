import { type CreateOptions, zeros } from '../creation.js'
import { checkOptions, ShapeError } from '../errors.js'
import { add } from '../ops/binary.js'
import { checkTensor } from '../ops/define.js'
import { matmul } from '../ops/matmul.js'
import { transpose } from '../ops/view.js'
import type { Generator } from '../random.js'
import { format } from '../shape.js'
import type { Tensor } from '../tensor.js'
import { kaimingUniform_, uniform_ } from './init.js'
import { checkCount, Module } from './module.js'
import { Parameter } from './parameter.js'

export interface LayerOptions extends Omit<CreateOptions, 'requiresGrad'> {
  /** Where the initial values come from. Default: the default generator. */
  generator?: Generator | undefined
}
export interface LinearOptions extends LayerOptions {
  /** Adds a learned vector. Default: true. */
  bias?: boolean | undefined
}

/**
 * y = x·Wᵀ + b. x: [… in] → y: [… out]; weight: [out, in], bias: [out]. Both start uniform in ±1/√in, as in PyTorch.
 *
 * @throws ShapeError in forward, if the last dim of x is not `inputs`.
 * @example
 * const layer = new nn.Linear(3, 2)
 * layer.forward(ones([5, 3])).shape // [5, 2]
 */
export class Linear extends Module {
  static override readonly name: string = 'Linear'
  readonly inputs: number
  readonly outputs: number
  weight: Parameter
  bias: Parameter | null

  constructor(inputs: number, outputs: number, options: LinearOptions = {}) {
    super()
    checkOptions('Linear', options, ['bias', 'dtype', 'device', 'generator'])
    this.inputs = checkCount('Linear', 'inputs', inputs)
    this.outputs = checkCount('Linear', 'outputs', outputs)
    const { bias = true, generator, ...where } = options
    this.weight = Parameter.of(kaimingUniform_(zeros([outputs, inputs], where), { slope: Math.sqrt(5), generator }))
    const bound = 1 / Math.sqrt(inputs)
    this.bias = bias ? Parameter.of(uniform_(zeros([outputs], where), -bound, bound, { generator })) : null
  }

  forward(x: Tensor): Tensor {
    checkTensor('Linear', x)
    if (x.rank === 0 || x.shape[x.rank - 1] !== this.inputs)
      throw new ShapeError(
        'Linear',
        `expected [… ${this.inputs}], got ${format(x.shape)}`,
        'the last dim must be the number of inputs',
      )
    const turned = transpose(this.weight)
    const y = matmul(x, turned)
    turned.dispose()
    if (!this.bias) return y
    const sum = add(y, this.bias)
    y.dispose()
    return sum
  }
  override toString(): string {
    return `Linear(${this.inputs}, ${this.outputs}${this.bias ? '' : ', no bias'})`
  }
}
