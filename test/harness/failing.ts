import { type Device, MemoryError } from '../../lib/index.js'
import { streamOf } from '../../lib/runtime/device.js'

/** Runs a function in which the n-th (from 0) and all later attempts to make a tensor's memory throw. */
export function withoutMemoryFrom<T>(n: number, device: Device, body: () => T): T {
  const heap = streamOf(device).heap
  const { allocate, upload } = heap
  let left = n
  const check = (): void => {
    if (left-- <= 0) throw new MemoryError('test', 'no more memory')
  }
  heap.allocate = (...given) => {
    check()
    return allocate.apply(heap, given)
  }
  heap.upload = (...given) => {
    check()
    return upload.apply(heap, given)
  }
  try {
    return body()
  } finally {
    Object.assign(heap, { allocate, upload })
  }
}
