import { type Buf, type DType, dtypes } from '../dtype.js'
import { MemoryError } from '../errors.js'
import type { Accounts, Watch } from './account.js'
import { commands } from './kernels.js'
import { sourceText } from './source.js'
import { Storage, slotLimit } from './storage.js'
import type { Stream } from './stream.js'
import { userUnit } from './tickets.js'

/** A slot that was used so often is given up: handles are exact up to 2⁵³. */
const generationLimit = 2 ** 29
/** Storages of this many bytes are also watched through weak references: finalizers never run in a loop without a turn. */
const watchedBytes = 64 * 1024
/** What the heap holds is told in steps of this size. */
export const reportStep: number = 4 * 1024 * 1024
/** Collected storages are looked for after so many bytes of growth, or so many storages. */
const sweepStep = 16 * 1024 * 1024
const sweepCount = 4096

/**
 * Handles and byte counts of one stream's buffers. Limits are kept here: Linux grants memory that it does not have.
 *
 * A record and the heap's own entries are one change: after `begin` nothing is called that could throw between the two, not
 * even for a full stack.
 */
export class Heap {
  bytes = 0
  peak = 0
  tensors = 0
  private readonly stream: Stream
  private readonly accounts: Accounts
  private readonly outside: boolean
  private readonly watched: Watch
  private readonly registry: FinalizationRegistry<number>
  private readonly freeSlots: number[] = []
  /** By slot: the generation that it has, or will have next; the bytes of what is alive, else −1; and what made that. */
  private readonly generations: number[] = [0]
  private readonly sizes: number[] = [-1]
  private readonly sources: number[] = [0]
  /** What is alive and the garbage collector was not asked about yet: most storages are freed before it matters. */
  private readonly young: Storage[] = []
  /** Bytes that may be held here, as far as was known at the last report; and what was reported. */
  ceiling = 0
  private reported = 0
  /** The most that was held since nothing was queued: what is queued may come to hold so much. */
  private crest = 0
  private swept = 0
  /** Storages that are watched since the last sweep: also those freed meanwhile, until a sweep lets go of them. */
  private added = 0
  private sweeping = false

  constructor(stream: Stream, accounts: Accounts) {
    this.stream = stream
    this.accounts = accounts
    this.outside = stream.device === 'js'
    this.watched = accounts.watch()
    this.registry = new FinalizationRegistry(handle => this.collected(handle))
    this.report(true)
  }

  get limit(): number {
    return this.accounts.reserve(0, this.outside).limit
  }
  set limit(bytes: number) {
    this.accounts.limitTo(bytes, this.outside)
  }

  // ---- opening and freeing -------------------------------------------------------------------------------------------

  /** A new storage; its content is undefined until a command writes it. */
  allocate(op: string, dtype: DType, size: number): Storage {
    const { stream } = this
    const bytes = size * dtypes[dtype].bytes
    this.ensure(op, bytes)
    const at = stream.begin(commands.alloc, op)
    const storage = this.next(op, dtype, size)
    stream.words[at] = storage.handle
    stream.words[at + 1] = bytes
    this.opened(storage, bytes, at + 2, 50)
    stream.flush()
    return storage
  }

  /** A new storage with the values of `data`; or with its very memory, if `take` gives it up: nobody else may use that. */
  upload(op: string, dtype: DType, data: Buf, take?: () => Buf): Storage {
    const { stream } = this
    const bytes = data.byteLength
    this.ensure(op, bytes)
    // The copy is there from now on, beside all that the queue holds before its turn comes.
    if (stream.makeWay(bytes, this.ceiling - this.crest)) this.crest = this.bytes
    const at = stream.begin(commands.upload, op)
    const storage = this.next(op, dtype, data.length)
    stream.words[at] = storage.handle
    stream.words[at + 1] = stream.stage(op, take ? take() : data, take !== undefined)
    this.opened(storage, bytes, at + 2, bytes)
    stream.flush()
    return storage
  }

  private next(op: string, dtype: DType, size: number): Storage {
    const slot = this.freeSlots.length > 0 ? this.freeSlots[this.freeSlots.length - 1] : this.sizes.length
    if (slot >= slotLimit)
      throw new MemoryError(op, `more than ${slotLimit} live tensors`, 'dispose tensors, or use tidy()')
    return new Storage(this.stream, dtype, size, slot, this.generations[slot] ?? 0)
  }

  /** Ends the record that provides a storage, and enters it. */
  private opened(storage: Storage, bytes: number, end: number, cost: number): void {
    const { stream } = this
    const { slot } = storage
    if (slot === this.sizes.length) this.generations[slot] = 0
    else this.freeSlots.length--
    this.sizes[slot] = bytes
    this.sources[slot] = stream.words[stream.length + 3] % userUnit
    this.bytes += bytes
    this.tensors++
    if (this.bytes > this.crest) this.crest = this.bytes
    if (this.bytes > this.peak) this.peak = this.bytes
    storage.young = this.young.length
    this.young[storage.young] = storage
    stream.words[stream.length] = end - stream.length
    stream.length = end
    stream.cost += cost
  }

  free(storage: Storage): void {
    if (!this.drop(storage.slot, storage.generation)) return
    const { young } = storage // now: dropping may have swept
    if (young < 0) this.registry.unregister(storage)
    else {
      const last = this.young[this.young.length - 1]
      this.young[young] = last
      last.young = young
      this.young.length--
    }
    this.stream.flush()
  }

  /** Frees by handle; the finalizer and the sweep may both report one. */
  collected(handle: number): void {
    const slot = handle % slotLimit
    if (this.drop(slot, (handle - slot) / slotLimit)) this.stream.flush()
  }

  /** Issues the record that frees a slot, and takes the slot back; false: that was done before. */
  private drop(slot: number, generation: number): boolean {
    const { stream } = this
    // Begun first: that may hand over, and what is handed over may be swept.
    const at = stream.isClosed ? -1 : stream.begin(commands.free, 'free')
    if (this.generations[slot] !== generation || this.sizes[slot] < 0) return false
    this.generations[slot] = generation + 1
    this.bytes -= this.sizes[slot]
    this.tensors--
    this.sizes[slot] = -1
    if (generation + 1 < generationLimit) this.freeSlots[this.freeSlots.length] = slot
    if (at < 0) return true
    stream.words[at] = slot + generation * slotLimit
    stream.words[stream.length] = at + 1 - stream.length
    stream.length = at + 1
    stream.cost += 50
    return true
  }

  // ---- what the garbage collector tells ------------------------------------------------------------------------------

  /** From now on the garbage collector tells of all that are alive: in turns of the event loop; at each sweep, if large, or `all`. */
  watch(all = false): void {
    for (let storage = this.young.at(-1); storage; storage = this.young.at(-1)) {
      this.registry.register(storage, storage.handle, storage)
      if (all || storage.bytes >= watchedBytes) {
        this.watched.add(storage, storage.handle)
        this.added++
      }
      storage.young = -1
      this.young.length--
    }
  }

  /** Frees the buffers of collected storages, which also works in a loop that never yields to finalizers. */
  sweep(): void {
    if (this.sweeping) return // freeing hands over, which may come by here
    this.sweeping = true
    try {
      this.added = 0
      for (const handle of this.watched.sweep()) this.collected(handle)
      this.watch(true)
      this.swept = this.bytes
    } finally {
      this.sweeping = false
    }
  }

  /** Says what is held, in coarse steps, learns what may be, and sweeps if much has come since. */
  report(exact = false): void {
    const change = this.bytes - this.reported
    if (exact || Math.abs(change) >= reportStep) {
      const { held, limit, heldByAll, limitOfAll } = this.accounts.reserve(change, this.outside)
      this.reported += change
      this.ceiling = Math.min(limit - (held - this.reported), limitOfAll - (heldByAll - this.reported))
    }
    const grown = this.bytes - this.swept > sweepStep || this.young.length > sweepCount
    if (grown || this.added > sweepCount) this.sweep()
  }

  /** Throws if so many bytes more would exceed the limit. Before much is taken, what others took is asked for. */
  private ensure(op: string, bytes: number): void {
    if (bytes >= reportStep) this.report(true)
    if (this.bytes + bytes > this.ceiling) this.makeRoom(op, bytes)
  }

  /** At the limit: frees what was dropped, asking V8 for it, before an allocation fails. */
  private makeRoom(op: string, bytes: number): void {
    const { stream } = this
    const fits = (): boolean => {
      stream.handOver()
      this.report(true)
      return this.bytes + bytes <= this.ceiling
    }
    if (fits()) return
    this.sweep()
    if (fits()) return
    let asked = false
    // Twice: V8 may first end a collection that it began before the last tensors were dropped.
    for (let i = 0; i < 2 && bytes <= this.limit; i++) {
      asked = this.accounts.collect()
      this.sweep()
      if (fits()) return
    }
    const { limit, heldByAll } = this.accounts.reserve(0, this.outside)
    throw new MemoryError(
      op,
      `${bytes} bytes more would exceed the limit of ${limit} (${heldByAll} in use)`,
      asked || bytes > limit
        ? 'dispose tensors, use tidy() or smaller batches, or raise the limit with setMemoryLimit()'
        : 'what is dropped is only found when the program yields: await a result now and then, or dispose tensors',
    )
  }

  /** Bytes and source of what is alive. */
  *live(): Generator<{ readonly bytes: number; readonly source: string }> {
    for (let slot = 0; slot < this.sizes.length; slot++)
      if (this.sizes[slot] >= 0) yield { bytes: this.sizes[slot], source: sourceText(this.sources[slot]) }
  }

  /** What made a storage, also after it was freed, until another takes its place. */
  madeBy({ slot, generation }: Storage): string | undefined {
    const last = this.sizes[slot] < 0 ? this.generations[slot] - 1 : this.generations[slot]
    return last === generation ? sourceText(this.sources[slot]) : undefined
  }

  close(): void {
    this.accounts.reserve(-this.reported, this.outside)
    this.reported = 0
  }
}
