import { describe, OptionError } from '../errors.js'
import { checkTensor } from '../ops/define.js'
import { flatten } from '../ops/view.js'
import { inLayer } from '../runtime/source.js'
import { refusePromise } from '../scope.js'
import type { Tensor } from '../tensor.js'
import { Module } from './module.js'

/**
 * Layers one after the other, given one by one or as a list. They are `net[0]`, `net[1]` and so on, and can be replaced
 * there; state dicts name them `0.weight`.
 *
 * @example
 * const net = new nn.Sequential(new nn.Linear(4, 8), new nn.ReLU(), new nn.Linear(8, 1))
 * net.forward(ones([2, 4])).shape // [2, 1]
 * net.length // 3
 */
export class Sequential extends Module {
  [place: number]: Module
  static override readonly name: string = 'Sequential'

  constructor(layers: readonly Module[])
  constructor(...layers: Module[])
  constructor(...given: (Module | readonly Module[])[]) {
    super()
    const layers = (given.length === 1 && Array.isArray(given[0]) ? given[0] : given) as readonly Module[]
    for (let i = 0; i < layers.length; i++) this[i] = checkLayer(layers[i])
  }

  /** How many layers there are. */
  get length(): number {
    let n = 0
    while (this[n] !== undefined) n++
    return n
  }
  /** The layer at a place; from the end, if that is negative. */
  at(place: number): Module | undefined {
    if (!Number.isInteger(place)) throw new OptionError('at', `expected a whole number, got ${describe(place)}`)
    return this[place < 0 ? this.length + place : place]
  }
  *[Symbol.iterator](): IterableIterator<Module> {
    for (let i = 0; this[i] !== undefined; i++) yield this[i]
  }
  /** Adds a layer at the end. Returns this. */
  append(layer: Module): this {
    this[this.length] = checkLayer(layer)
    return this
  }

  forward(x: Tensor): Tensor {
    let value = checkTensor('Sequential', x)
    for (let i = 0; this[i] !== undefined; i++) {
      const layer = this[i]
      const input = value
      value = refusePromise(
        'Sequential',
        inLayer(String(i), () => layer.forward(input)),
      )
    }
    return value
  }
}

function checkLayer(layer: unknown): Module {
  if (layer instanceof Module) return layer
  const like = typeof layer === 'function' ? 'for functions write a Module with a forward' : 'such as new nn.ReLU()'
  throw new OptionError('Sequential', `expected modules, got ${describe(layer)}`, like)
}

/** Merges the dims from `start` (1 unless given: all but the batch) to `end` (the last). */
export class Flatten extends Module {
  static override readonly name: string = 'Flatten'
  readonly start: number
  readonly end: number
  constructor(start = 1, end = -1) {
    super()
    this.start = start
    this.end = end
  }
  forward(x: Tensor): Tensor {
    return checkTensor('Flatten', x).rank <= this.start ? x : flatten(x, this.start, this.end)
  }
}
