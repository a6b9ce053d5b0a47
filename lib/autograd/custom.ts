import { checkOptions, describe, GradientError, OptionError } from '../errors.js'
import { checkTensor, checkTensors, type Gradient, record } from '../ops/define.js'
import { checkFunction, noGrad, refusePromise } from '../scope.js'
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
 * @throws GradientError in backward, if the gradients do not fit the inputs: their number, shapes, dtypes or devices.
 * @example
 * const straightThrough = customGrad({ forward: x => x.round(), backward: g => [g] })
 * const x = tensor([0.4, 1.6]).requiresGrad_()
 * straightThrough(x).sum().backward()
 * await x.grad.toArray() // [1, 1]
 */
export function customGrad(custom: CustomGradient): (...inputs: Tensor[]) => Tensor {
  if (custom === null || typeof custom !== 'object')
    throw new OptionError('customGrad', `expected { forward, backward }, got ${describe(custom)}`)
  checkOptions('customGrad', custom, ['name', 'forward', 'backward'])
  const { name = 'customGrad' } = custom
  checkFunction(`${name}: forward`, custom.forward)
  checkFunction(`${name}: backward`, custom.backward)
  return (...inputs) => {
    checkTensors(name, inputs, 'argument')
    const result = noGrad(() => refusePromise(name, custom.forward(...inputs)))
    const fresh = checkTensor(name, result, 'the result').detach() // it may be anybody's
    const gradient: Gradient<null> = {
      name,
      saves: { inputs: inputs.map((_, i) => i), output: true },
      grad: (g, saved, _, needs) =>
        checkGradients(name, refusePromise(name, custom.backward(g, saved)), saved.inputs, needs),
    }
    record(gradient, inputs, fresh, null)
    return fresh
  }
}

/** What a user's backward returned, if it fits the inputs. */
function checkGradients(
  name: string,
  all: unknown,
  inputs: readonly Tensor[],
  needs: readonly boolean[],
): (Tensor | null)[] {
  if (!Array.isArray(all) || all.length !== inputs.length)
    throw new GradientError(
      name,
      `backward must return ${inputs.length} gradients, one for each input, got ${describe(all)}`,
      'write g => [g]; null stands for no gradient',
    )
  return all.map((g: Tensor | null, i) => {
    if (g === null || !needs[i]) return null
    const wrong = misfit(checkTensor(name, refusePromise(name, g), `gradient ${i}`), inputs[i])
    if (wrong) throw new GradientError(name, `gradient ${i} must ${wrong}`, 'a gradient is like its input')
    return g
  })
}

function misfit(g: Tensor, x: Tensor): string | undefined {
  if (!sameShape(g.dims, x.dims)) return `have the shape ${format(x.dims)}, got ${format(g.dims)}`
  if (g.device !== x.device) return `be on ${x.device}, got one on ${g.device}`
  return g.dtype === x.dtype ? undefined : `be ${x.dtype}, got ${g.dtype}`
}
