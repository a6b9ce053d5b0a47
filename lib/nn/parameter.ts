import { leafOf } from '../autograd/graph.js'
import { type AnyDType, type DType, isFloating } from '../dtype.js'
import { checkOptions, GradientError } from '../errors.js'
import { checkTensor } from '../ops/define.js'
import { noGrad } from '../scope.js'
import type { Shape } from '../shape.js'
import { Tensor } from '../tensor.js'

/** A tensor on the storage of `from`; of a view that is not contiguous, on a copy. */
function dense<D extends DType, S extends Shape>(op: string, from: Tensor<D, S>): Tensor<D, S> {
  checkTensor(op, from)
  return noGrad(() => (from.isContiguous ? from.detach() : from.clone()))
}

/** A tensor that is trained. Modules find those in their fields. */
export class Parameter<D extends DType = AnyDType, S extends Shape = Shape> extends Tensor<D, S> {
  static override readonly name: string = 'Parameter'
  /** Shares the storage of `from`; of a view that is not contiguous it takes a copy. */
  constructor(from: Tensor<D, S>, options: { requiresGrad?: boolean | undefined } = {}) {
    checkOptions('Parameter', options, ['requiresGrad'])
    const own = dense('Parameter', from)
    const { requiresGrad = true } = options
    if (requiresGrad && !isFloating(own.dtype))
      throw new GradientError('Parameter', `only floating tensors are trained, got ${own.dtype}`, 'use a Buffer')
    super(own.storage.retain(), own.dims, own.steps, own.offset)
    own.dispose()
    this.requiresGrad_(requiresGrad)
  }

  override requiresGrad_(on: boolean = true): this {
    super.requiresGrad_(on)
    const leaf = leafOf(this)
    if (leaf) leaf.ofParameter = true
    return this
  }

  /** @internal A parameter of values that nobody else has: they are freed with it. */
  static of<D extends DType, S extends Shape>(from: Tensor<D, S>): Parameter<D, S> {
    const parameter = new Parameter(from)
    from.dispose()
    return parameter
  }
}

/** A tensor that belongs to a module's state but is not trained, such as running statistics. */
export class Buffer<D extends DType = AnyDType, S extends Shape = Shape> extends Tensor<D, S> {
  static override readonly name: string = 'Buffer'
  /** Shares the storage of `from`; of a view that is not contiguous it takes a copy. */
  constructor(from: Tensor<D, S>) {
    const own = dense('Buffer', from)
    super(own.storage.retain(), own.dims, own.steps, own.offset)
    own.dispose()
  }
}

/** Parameters that `Module.to` has replaced: an optimizer that still has one trains nothing. */
export const replaced: WeakSet<Tensor> = new WeakSet()
