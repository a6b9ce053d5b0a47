/** What the records that wait in a stream do to a storage. */
import { commands, rows } from './kernels.js'
import type { Row } from './row.js'
import { type Storage, slotLimit } from './storage.js'

const kernels: Row[] = []
for (const row of Object.values(rows)) kernels[row.id] = row
/** Words of a record before its operands. */
const header = 5

/** Is anything computed by the records that wait? */
export function computes(words: Float64Array, length: number): boolean {
  for (let at = 0; at < length; at += words[at]) if (kernels[words[at + 1]]) return true
  return false
}

/**
 * The place of the record that uploads a storage, if that may run before all others; −1: it ran. Undefined: a record that
 * waits writes to the storage, or frees its slot for it.
 */
export function uploadOf({ handle, slot }: Storage, words: Float64Array, length: number): number | undefined {
  let upload = -1
  for (let at = 0; at < length; at += words[at]) {
    const id = words[at + 1]
    const first = words[at + header]
    if (kernels[id] ? writes(kernels[id], words, at + header, handle) : id === commands.alloc && first === handle)
      return
    if (id === commands.free && first % slotLimit === slot) return
    if (id === commands.upload && first === handle) upload = at
  }
  return upload
}

function writes({ parameters, strided }: Row, words: Float64Array, at: number, handle: number): boolean {
  for (let i = 0; i < parameters.length; i++) {
    const { use } = parameters[i]
    if (use === 'size' || use === 'real') at++
    else {
      if (words[at] === handle && use !== 'in' && use !== 'stridedIn') return true
      at += strided[i] ? 3 + 2 * words[at + 2] : 3
    }
  }
  return false
}
