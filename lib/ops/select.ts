/** Results whose shape depends on values: they wait for the values, so they return promises.   cases: test/ops/select.ts */
import { type Buf, type DType, newArray } from '../dtype.js'
import type { Stream } from '../runtime/stream.js'
import { keep, tidy } from '../scope.js'
import { broadcast, type Shape, sameShape } from '../shape.js'
import type { Tensor } from '../tensor.js'
import { apply, cast, checkTensor, empty, uploaded } from './define.js'
import { indexSelect, nonzeroRule } from './embedding.js'
import { clone, contiguous } from './movement.js'
import { expand, reshape, slice } from './view.js'

/** Issues the search for true values: their flat positions (padded), and how many there are. */
function search(op: string, mask: Tensor): { positions: Tensor<'int32'>; found: Tensor<'int32'> } {
  checkTensor(op, mask, 'mask')
  return tidy(() => {
    const found = empty(op, [1], 'int32', mask.storage.stream)
    const positions = apply(nonzeroRule, [reshape(contiguous(cast(mask, 'bool')), [mask.size])], { found })
    return { positions, found }
  })
}

/** Tensor and mask in their common shape. */
function matched(x: Tensor, mask: Tensor): [Tensor, Tensor] {
  checkTensor('maskSelect', x)
  checkTensor('maskSelect', mask, 'mask')
  const shape = broadcast('maskSelect', x.dims, mask.dims)
  const to = (t: Tensor): Tensor => (sameShape(t.dims, shape) ? t : expand(t, shape))
  return [to(x), to(mask)]
}

const pick = (x: Tensor, positions: Tensor, count: number): Tensor =>
  indexSelect(reshape(x, [x.size]), slice(positions, [0, count]))

/** Runs asynchronous work on tensors of its own: scopes do not free them before it ends, and then nothing is left. */
async function holding<T>(tensors: readonly Tensor[], work: () => Promise<T>): Promise<T> {
  for (const t of tensors) keep(t)
  try {
    return await work()
  } finally {
    for (const t of tensors) t.dispose()
  }
}

/** The elements where the mask is true, in row-major order, in one dim. The two broadcast. */
export async function maskSelect<D extends DType>(x: Tensor<D>, mask: Tensor): Promise<Tensor<D>> {
  const [source, chosen] = matched(x, mask)
  const { positions, found } = search('maskSelect', chosen)
  const now = clone(source) // the values at the call, whatever happens to x until the mask is known
  return holding([positions, found, now], async () => pick(now, positions, await found.item()))
}
/** As `maskSelect`, but blocks until the mask is known. */
export function maskSelectSync<D extends DType>(x: Tensor<D>, mask: Tensor): Tensor<D> {
  const [source, chosen] = matched(x, mask)
  const { positions, found } = search('maskSelect', chosen)
  return pick(source, positions, found.itemSync())
}

/** The indices of the elements that are not 0, one row for each: int32 [count, rank]. */
export async function nonzero(x: Tensor): Promise<Tensor<'int32'>> {
  const { positions, found } = search('nonzero', x)
  const { stream } = x.storage
  return holding([positions, found], async () => {
    const all = await positions.data()
    return unravel(stream, x.dims, all.subarray(0, await found.item()))
  })
}
/** As `nonzero`, but blocks until the values are known. */
export function nonzeroSync(x: Tensor): Tensor<'int32'> {
  const { positions, found } = search('nonzero', x)
  const all = positions.dataSync()
  return unravel(x.storage.stream, x.dims, all.subarray(0, found.itemSync()))
}

/** Flat positions as rows of indices. */
function unravel(stream: Stream, shape: Shape, positions: Int32Array): Tensor {
  const rank = shape.length
  const rows = newArray('int32', positions.length * rank)
  for (let i = 0; i < positions.length; i++) {
    let rest = positions[i]
    for (let d = rank - 1; d >= 0; d--) {
      rows[i * rank + d] = rest % shape[d]
      rest = Math.floor(rest / shape[d])
    }
  }
  return uploaded('nonzero', rows, [positions.length, rank], 'int32', stream)
}

/** The distinct values in ascending order, in one dim. NaN comes last, each for itself: it equals nothing. */
export async function unique<D extends DType>(x: Tensor<D>): Promise<Tensor<D>> {
  checkTensor('unique', x)
  const { stream, dtype } = x.storage
  return distinct(stream, dtype, await x.detach().data())
}
/** As `unique`, but blocks until the values are known. */
export function uniqueSync<D extends DType>(x: Tensor<D>): Tensor<D> {
  checkTensor('unique', x)
  return distinct(x.storage.stream, x.dtype, x.detach().dataSync())
}

function distinct(stream: Stream, dtype: DType, values: Buf): Tensor {
  const sorted = values.slice().sort()
  const kept = sorted.filter((v, i) => i === 0 || v !== sorted[i - 1])
  return uploaded('unique', kept, [kept.length], dtype, stream)
}
