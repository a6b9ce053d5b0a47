import type { DType } from '../dtype.js'
import { GradientError } from '../errors.js'
import { checkTensor, checkTensors, type Gradient, record } from '../ops/define.js'
import { defaultGenerator, Generator, withGenerator } from '../random.js'
import { checkFunction, isRecording, noGrad, refusePromise, withRecording } from '../scope.js'
import { format, sameShape } from '../shape.js'
import type { Tensor } from '../tensor.js'
import { backwardThrough } from './backward.js'

/**
 * Runs a function without keeping what its backward needs, and runs it again in backward: time for memory. Random
 * numbers drawn from the default generator are the same both times. Gradients of parameters that the function uses, besides
 * its arguments, go to their `.grad`; so use `backward`, not `gradients`. Chen et al. (2016).
 *
 * @throws GradientError if none of the arguments requires a gradient, since backward would not reach the function; in
 *   backward, if the repeated result has another shape, dtype or device.
 * @example
 * const block = new nn.Sequential(new nn.Linear(4, 64), new nn.Tanh(), new nn.Linear(64, 4))
 * const x = ones([2, 4], { requiresGrad: true })
 * checkpoint(block.forward.bind(block), x).sum().backward()
 */
export function checkpoint<D extends DType>(fn: (...inputs: Tensor[]) => Tensor<D>, ...inputs: Tensor[]): Tensor<D> {
  checkFunction('checkpoint', fn)
  checkTensors('checkpoint', inputs, 'argument')
  if (!inputs.some(x => x.edge))
    throw new GradientError(
      'checkpoint',
      'none of the arguments requires a gradient',
      'call requiresGrad_() on one, or call the function directly',
    )
  const before = defaultGenerator().state()
  const y = checkTensor(
    'checkpoint',
    noGrad(() => refusePromise('checkpoint', fn(...inputs))),
    'the result',
  )
  const fresh = y.detach() // y may be anybody's
  const { dims, dtype, device } = fresh
  const gradient: Gradient<null> = {
    name: 'checkpoint',
    saves: { inputs: inputs.map((_, i) => i) },
    grad: (g, saved) => {
      if (isRecording())
        throw new GradientError('checkpoint', 'gradients of its gradients are not kept', 'leave checkpoint out')
      const leaves = saved.inputs.map((x, i) => (inputs[i].edge ? x.detach().requiresGrad_() : x.detach()))
      const again = new Generator(0)
      again.setState(before)
      const repeated = withRecording(true, 'checkpoint', () => withGenerator(again, () => fn(...leaves)))
      checkTensor('checkpoint', repeated, 'the repeated result')
      if (!sameShape(repeated.dims, dims) || repeated.dtype !== dtype || repeated.device !== device)
        throw new GradientError(
          'checkpoint',
          `the function gave ${format(dims)} ${dtype} on ${device} at first, and ${format(repeated.dims)} ${repeated.dtype} on ${repeated.device} when it was repeated`,
          'it must do the same each time it is called',
        )
      return repeated.edge ? backwardThrough(repeated, g, leaves) : inputs.map(() => null)
    },
  }
  record(gradient, inputs, fresh, null)
  return fresh
}
