import { describe, OptionError } from '../errors.js'
import { flatten } from '../ops/view.js'
import { inLayer } from '../runtime/source.js'
import type { Tensor } from '../tensor.js'
import { Module } from './module.js'

/**
 * Layers one after the other.
 *
 * @example
 * const net = new nn.Sequential(new nn.Linear(4, 8), new nn.ReLU(), new nn.Linear(8, 1))
 * net.forward(ones([2, 4])).shape // [2, 1]
 */
export class Sequential extends Module {
  readonly layers: Module[]

  constructor(...layers: Module[]) {
    super()
    const wrong = layers.find(layer => !(layer instanceof Module))
    if (wrong !== undefined)
      throw new OptionError(
        'Sequential',
        `expected modules, got ${describe(wrong)}`,
        'pass layers one by one, not as an array',
      )
    this.layers = layers
  }
  forward(x: Tensor): Tensor {
    return this.layers.reduce((value, layer, i) => inLayer(String(i), () => layer.forward(value)), x)
  }
}

/** Merges the dims from `start` (1 unless given: all but the batch) to `end` (the last). */
export class Flatten extends Module {
  readonly start: number
  readonly end: number
  constructor(start = 1, end = -1) {
    super()
    this.start = start
    this.end = end
  }
  forward(x: Tensor): Tensor {
    return x.rank <= this.start ? x : flatten(x, this.start, this.end)
  }
}
