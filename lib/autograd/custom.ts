import { GradientError } from '../errors.js'
import { checkTensor, type Gradient, record } from '../ops/define.js'
import { noGrad, refusePromise } from '../scope.js'
import { format, sameShape } from '../shape.js'
import type { Tensor } from '../tensor.js'

/** A forward function, and how gradients go back through it. */
export interface CustomGradient {
  readonly name?: string
  /** Computes the value. Not recorded. */
  forward(...inputs: Tensor[]): Tensor
  /** The gradient of each input (null: none) from that of the output. `y` is the output. */
  backward(g: Tensor, saved: { readonly inputs: readonly Tensor[]; readonly y: Tensor }): readonly (Tensor | null)[]
}

/**
 * An operation with a gradient of your own.
 *
 * @throws GradientError in backward, if the number or the shapes of the gradients do not fit.
 * @example
 * const straightThrough = customGrad({ forward: x => x.round(), backward: g => [g] })
 * const x = tensor([0.4, 1.6]).requiresGrad_()
 * straightThrough(x).sum().backward()
 * await x.grad.toArray() // [1, 1]
 */
export function customGrad({
  name = 'customGrad',
  forward,
  backward,
}: CustomGradient): (...inputs: Tensor[]) => Tensor {
  return (...inputs) => {
    inputs.forEach((x, i) => checkTensor(name, x, `argument ${i}`))
    const result = noGrad(() => refusePromise(name, forward(...inputs)))
    const y = checkTensor(name, result, 'result')
    const fresh = y.detach() // y may be anybody's
    const gradient: Gradient<null> = {
      name,
      saves: { inputs: inputs.map((_, i) => i), output: true },
      grad: (g, saved) => {
        const all = backward(g, saved)
        if (!Array.isArray(all) || all.length !== inputs.length)
          throw new GradientError(name, `backward must return ${inputs.length} gradients, one for each input`)
        all.forEach((gi: Tensor | null, i) => {
          if (gi && !sameShape(gi.shape, inputs[i].shape))
            throw new GradientError(
              name,
              `gradient ${i} must have the shape ${format(inputs[i].shape)}, got ${format(gi.shape)}`,
            )
        })
        return [...all]
      },
    }
    record(gradient, inputs, fresh, null)
    return fresh
  }
}
