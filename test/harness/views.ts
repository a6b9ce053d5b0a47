/** The same logical values in other layouts. */
import { full } from '../../lib/creation.js'
import { noGrad } from '../../lib/scope.js'
import type { Tensor } from '../../lib/tensor.js'

const backwards = (x: Tensor): number[] => [...x.shape.keys()].reverse()

function transposed(x: Tensor): Tensor {
  return x.permute(backwards(x)).clone().permute(backwards(x))
}

function reversed(x: Tensor): Tensor {
  const all = [...x.shape.keys()]
  return x.flip(all).clone().flip(all)
}

/** Every second element of a larger tensor, whose other elements are poison. */
function stepped(x: Tensor): Tensor {
  const poison = x.dtype === 'bool' ? 1 : x.dtype === 'int32' ? -12345 : Number.NaN
  const large = full(
    x.shape.map(n => 2 * n + 1),
    poison,
    { dtype: x.dtype, device: x.device },
  )
  const part = large.slice(...x.shape.map(() => [1, null, 2] as const))
  return noGrad(() => part.assign_(x))
}

/** All inputs in one other layout after the other. */
export function viewsOf(inputs: readonly Tensor[]): [kind: string, inputs: Tensor[]][] {
  const kinds = { transposed, reversed, stepped }
  return Object.entries(kinds).map(([kind, view]) => [kind, inputs.map(view)])
}
