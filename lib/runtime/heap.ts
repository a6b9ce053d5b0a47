import { type DType, dtypes } from '../dtype.js'
import { MemoryError } from '../errors.js'
import { Storage } from './storage.js'
import type { Stream } from './stream.js'

const slotLimit = 2 ** 24
/** A slot that was used so often is given up: handles are exact up to 2⁵³. */
const generationLimit = 2 ** 29
/** Storages of this many bytes are also watched through the addon: see `sweep`. */
const watchedBytes = 64 * 1024
/** V8 is told of outside memory in steps of this size. */
const reportStep = 4 * 1024 * 1024

interface Held {
  readonly handle: number
  readonly bytes: number
}

/** Handles and byte counts of one stream's buffers. Limits are kept here: Linux grants memory that it does not have. */
export class Heap {
  bytes = 0
  peak = 0
  tensors = 0
  limit: number
  private readonly stream: Stream
  private readonly freeSlots: number[] = []
  private readonly generations: number[] = [0]
  /** What is alive, by handle: its bytes, and what made it. */
  readonly held: Map<number, { readonly bytes: number; readonly source: string }> = new Map()
  private readonly registry: FinalizationRegistry<Held>
  private reported = 0

  constructor(stream: Stream, limit: number) {
    this.stream = stream
    this.limit = limit
    this.registry = new FinalizationRegistry(({ handle }) => this.collected(handle))
  }

  /** A new storage; its content is undefined until a command writes it. */
  allocate(op: string, dtype: DType, size: number): Storage {
    const storage = this.open(op, dtype, size)
    this.stream.command('alloc', op, storage.handle, storage.bytes)
    return storage
  }

  /** A handle without memory: the caller issues the command that provides it. */
  open(op: string, dtype: DType, size: number): Storage {
    const bytes = size * dtypes[dtype].bytes
    if (this.bytes + bytes > this.limit) this.stream.sweep()
    if (this.bytes + bytes > this.limit)
      throw new MemoryError(
        op,
        `${bytes} bytes more would exceed the limit of ${this.limit} (${this.bytes} in use)`,
        'dispose tensors, use tidy() or smaller batches, or raise the limit with setMemoryLimit()',
      )
    const slot = this.freeSlots.pop() ?? this.generations.push(0) - 1
    if (slot >= slotLimit)
      throw new MemoryError(op, `more than ${slotLimit} live tensors`, 'dispose tensors, or use tidy()')
    const handle = slot + this.generations[slot] * slotLimit
    const storage = new Storage(this.stream, dtype, size, handle)
    this.held.set(handle, { bytes, source: this.stream.sourceOf(op) })
    this.bytes += bytes
    this.tensors++
    if (this.bytes > this.peak) this.peak = this.bytes
    this.registry.register(storage, { handle, bytes }, storage)
    if (bytes >= watchedBytes) this.stream.watch(storage, handle)
    return storage
  }

  free(storage: Storage): void {
    this.registry.unregister(storage)
    this.collected(storage.handle)
  }

  /** Takes back a handle that no command has provided with memory. */
  abandon(storage: Storage): void {
    this.registry.unregister(storage)
    this.drop(storage.handle)
  }

  /** Frees by handle; the finalizer and the sweep may both report one. */
  collected(handle: number): void {
    if (this.drop(handle)) this.stream.command('free', 'free', handle)
  }

  private drop(handle: number): boolean {
    const bytes = this.held.get(handle)?.bytes
    if (bytes === undefined) return false
    this.held.delete(handle)
    this.bytes -= bytes
    this.tensors--
    const slot = handle % slotLimit
    if (++this.generations[slot] < generationLimit) this.freeSlots.push(slot)
    return true
  }

  /** The change to report to V8, in coarse steps; 0 mostly. */
  takeReport(): number {
    const change = this.bytes - this.reported
    if (Math.abs(change) < reportStep) return 0
    this.reported = this.bytes
    return change
  }
}
