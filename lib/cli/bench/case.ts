/** What a benchmark case is: name, shape, work, and how to make its inputs and run it once. */
import { zeros } from '../../creation.js'
import { rand, randint, randn } from '../../draws.js'
import { Generator } from '../../random.js'
import type { Device } from '../../runtime/device.js'
import { type Shape, sizeOf } from '../../shape.js'
import type { Tensor } from '../../tensor.js'

/** What one repetition does; it decides the unit of the rate, and which peak that is a share of. */
export type Work = { readonly flop: number } | { readonly bytes: number } | { readonly operations: number }

export interface Case {
  readonly name: string
  readonly shape: string
  readonly work: Work
  /** The js device would need seconds for each sample. */
  readonly nativeOnly?: boolean
  /** Makes the inputs; the result runs the case once, and leaves nothing behind. */
  prepare(inputs: Inputs): () => void | Promise<void>
}

/** Makes the inputs of a case, equal ones on each device, and disposes them in the end. */
export class Inputs {
  readonly device: Device
  readonly generator: Generator = new Generator(1)
  private readonly made: { dispose(): void }[] = []

  constructor(device: Device) {
    this.device = device
  }
  hold<T extends { dispose(): void }>(made: T): T {
    this.made.push(made)
    return made
  }
  /** Where random tensors are made and draw from. */
  get source(): { device: Device; generator: Generator } {
    return { device: this.device, generator: this.generator }
  }
  normal(...shape: number[]): Tensor {
    return this.hold<Tensor>(randn(shape, this.source))
  }
  /** Uniform in [0, 1). */
  positive(...shape: number[]): Tensor {
    return this.hold<Tensor>(rand(shape, this.source))
  }
  zeros(...shape: number[]): Tensor {
    return this.hold<Tensor>(zeros(shape, { device: this.device }))
  }
  /** Whole numbers from 0 to `limit` − 1. */
  below(limit: number, ...shape: number[]): Tensor {
    return this.hold<Tensor>(randint(shape, 0, limit, this.source))
  }
  dispose(): void {
    for (const made of this.made) made.dispose()
  }
}

/** Bytes that an op with float32 operands of these sizes must read and write. What it moves beyond them counts against it. */
export function moves(...operands: (number | Shape)[]): Work {
  return { bytes: 4 * operands.reduce((sum: number, o) => sum + (typeof o === 'number' ? o : sizeOf(o)), 0) }
}

/** Operations of an m × k by k × n product. */
export function flopOf(m: number, k: number, n: number): number {
  return 2 * m * k * n
}

export const million: number = 1 << 20
export const square: readonly number[] = [1024, 1024]
