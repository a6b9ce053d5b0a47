/** Results whose shape depends on values: they wait for the values, so they return promises.   cases: test/ops/select.ts */
import { newArray } from '../dtype.js'
import { ShapeError, StateError } from '../errors.js'
import { format, sameShape } from '../shape.js'
import { Tensor } from '../tensor.js'
import { apply, cast, checkTensor, empty } from './define.js'
import { indexSelect, nonzeroRule } from './embedding.js'
import { contiguous } from './movement.js'
import { expand, reshape, slice } from './view.js'

/** Issues the search for true values: their flat positions (padded), and how many there are. */
function search(op: string, mask: Tensor): { positions: Tensor; found: Tensor } {
  checkTensor(op, mask, 'mask')
  const found = empty(op, [1], 'int32', mask.storage.stream)
  const positions = apply(nonzeroRule, [reshape(contiguous(cast(mask, 'bool')), [mask.size])], { found })
  return { positions, found }
}

function maskFor(x: Tensor, mask: Tensor): Tensor {
  checkTensor('maskSelect', x)
  checkTensor('maskSelect', mask, 'mask')
  if (sameShape(x.shape, mask.shape)) return mask
  if (mask.rank > x.rank)
    throw new ShapeError('maskSelect', `mask ${format(mask.shape)} has more dims than ${format(x.shape)}`)
  return expand(mask, x.shape)
}

const pick = (x: Tensor, positions: Tensor, count: number): Tensor =>
  indexSelect(reshape(x, [x.size]), slice(positions, [0, count]))

/** The elements where the mask is true, in row-major order, in one dim. The mask broadcasts to `x`. */
export async function maskSelect(x: Tensor, mask: Tensor): Promise<Tensor> {
  const { positions, found } = search('maskSelect', maskFor(x, mask))
  return pick(x, positions, await found.item())
}
/** As `maskSelect`, but blocks until the mask is known. */
export function maskSelectSync(x: Tensor, mask: Tensor): Tensor {
  const { positions, found } = search('maskSelect', maskFor(x, mask))
  return pick(x, positions, found.itemSync())
}

/** The indices of the elements that are not 0, one row for each: int32 [count, rank]. */
export async function nonzero(x: Tensor): Promise<Tensor> {
  const { positions, found } = search('nonzero', x)
  const count = await found.item()
  return unravel(x, await slice(positions, [0, count]).data())
}
/** As `nonzero`, but blocks until the values are known. */
export function nonzeroSync(x: Tensor): Tensor {
  const { positions, found } = search('nonzero', x)
  return unravel(x, slice(positions, [0, found.itemSync()]).dataSync() as Int32Array)
}

function unravel(x: Tensor, positions: ArrayLike<number>): Tensor {
  const rows = newArray('int32', positions.length * x.rank)
  for (let i = 0; i < positions.length; i++) {
    let rest = positions[i]
    for (let d = x.rank - 1; d >= 0; d--) {
      rows[i * x.rank + d] = rest % x.shape[d]
      rest = Math.floor(rest / x.shape[d])
    }
  }
  return uploaded(x, rows, [positions.length, x.rank], 'int32')
}

/** The distinct values in ascending order, in one dim. NaN comes last, once. */
export async function unique(x: Tensor): Promise<Tensor> {
  checkTensor('unique', x)
  return distinct(x, await x.detach().data())
}
/** As `unique`, but blocks until the values are known. */
export function uniqueSync(x: Tensor): Tensor {
  checkTensor('unique', x)
  return distinct(x, x.detach().dataSync())
}

function distinct(x: Tensor, values: Float32Array | Float64Array | Int32Array | Uint8Array): Tensor {
  const sorted = values.slice().sort()
  const kept = sorted.filter(
    (v, i) => i === 0 || !(v === sorted[i - 1] || (Number.isNaN(v) && Number.isNaN(sorted[i - 1]))),
  )
  return uploaded(x, kept, [kept.length], x.dtype)
}

function uploaded(
  like: Tensor,
  values: Float32Array | Float64Array | Int32Array | Uint8Array,
  shape: number[],
  dtype: Tensor['dtype'],
): Tensor {
  const { stream } = like.storage
  if (shape.some(n => !Number.isSafeInteger(n))) throw new StateError('select', 'impossible size')
  const storage = stream.heap.open('select', dtype, values.length)
  stream.upload('select', storage, values)
  return new Tensor(storage, shape)
}
