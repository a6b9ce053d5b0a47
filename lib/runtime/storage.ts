import { type DType, dtypes } from '../dtype.js'
import type { Stream } from './stream.js'

/** How many buffers there may be at a time; their slots are numbered below it. */
export const slotLimit: number = 2 ** 24

/** A buffer on a device, shared by all views of it. */
export class Storage {
  readonly stream: Stream
  readonly dtype: DType
  /** Length in elements. */
  readonly size: number
  /** Its place in the heap, and how many had the place before it. */
  readonly slot: number
  readonly generation: number
  /** Counts the in-place changes; a value saved for backward must still have the version it was saved with. */
  version = 0
  /** The op that made the last in-place change. */
  writer = ''
  /** Tensors and saved values that use it; freed when none is left, or when it is collected. */
  private users = 1
  /** Its place among those that the garbage collector was not asked about yet; −1: it was. */
  young = -1

  constructor(stream: Stream, dtype: DType, size: number, slot: number, generation: number) {
    this.stream = stream
    this.dtype = dtype
    this.size = size
    this.slot = slot
    this.generation = generation
  }

  /** Slot + generation · 2²⁴: a stale handle is told from the slot's new owner. */
  get handle(): number {
    return this.slot + this.generation * slotLimit
  }

  get bytes(): number {
    return this.size * dtypes[this.dtype].bytes
  }

  get shared(): boolean {
    return this.users > 1
  }

  retain(): this {
    this.users++
    return this
  }

  release(): void {
    if (--this.users === 0) this.stream.heap.free(this)
  }

  /** Called by ops that change the content in place. */
  written(by: string): void {
    this.version++
    this.writer = by
  }
}
