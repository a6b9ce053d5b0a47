import { type Buf, type DType, dtypes } from '../dtype.js'
import { type Executor, events } from './executor.js'
import { commands, type Kernels, rows } from './kernels.js'
import { isStrided, type Row } from './row.js'

/** A strided operand of a JS kernel. `offset` is where index (0, 0, …) is in `data`. */
export interface Strided<B extends Buf = Buf> {
  readonly data: B
  readonly offset: number
  readonly dims: readonly number[]
  readonly strides: readonly number[]
}

/** Kernels of the js device: the same names and parameters as native, in plain loops. They define what a kernel means. */
export type JsKernels = Kernels<Buf, Strided>

/** Thrown by a kernel that meets an index outside its range. */
export class IndexFault extends Error {
  readonly index: number
  readonly position: number
  /** How many there are. */
  readonly limit: number
  constructor(index: number, position: number, limit: number) {
    super('index out of range')
    this.index = index
    this.position = position
    this.limit = limit
  }
}

const fault = { indexOutOfRange: 1, outOfMemory: 2, deadHandle: 3, outOfBounds: 4, malformed: 10 } as const
const kernelOf: Row[] = []
for (const row of Object.values(rows)) kernelOf[row.id] = row
const dtypeOf = Object.fromEntries(Object.entries(dtypes).map(([name, d]) => [d.code, name])) as Record<number, DType>

interface Held {
  handle: number
  bytes: ArrayBuffer
  poison: number
}

class Fault extends Error {
  readonly fault: number
  constructor(fault: number) {
    super('malformed record')
    this.fault = fault
  }
}

/** Milliseconds that awaited work runs before other events get a turn. */
const turn = 4

/** Runs records on the JavaScript thread, with the same order, checks and failures as the native interpreter. */
export class JsExecutor implements Executor {
  private readonly kernels: JsKernels
  private readonly table = new Map<number, Held>()
  private readonly staged = new Map<number, ArrayBuffer>()
  private readonly targets = new Map<number, Buf>()
  private queue: { words: Float64Array; slots: Float64Array; at: number; cost: number }[] = []
  private readonly watched: { reference: WeakRef<object>; handle: number }[] = []
  private events: number[] = []
  private errors = 0
  private guard = 0
  /** Steps that were carried out, and all steps. */
  private steps = 0
  private seen = 0
  private records = 0
  private scheduled = false

  private readonly onEvents: () => void

  constructor(kernels: JsKernels, onEvents: () => void = () => {}) {
    this.kernels = kernels
    this.onEvents = onEvents
  }

  stage(id: number, data: Buf, lent: boolean): boolean {
    if (lent) {
      this.staged.set(id, data.buffer as ArrayBuffer)
      return true
    }
    const copy = new ArrayBuffer(data.byteLength)
    new Uint8Array(copy).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    this.staged.set(id, copy)
    return true
  }

  expect(ticket: number, target: Buf): void {
    this.targets.set(ticket, target)
  }

  submit(words: Float64Array, count: number, slots: Float64Array, cost: number): void {
    this.queue.push({ words: words.slice(0, count), slots: slots.slice(), at: 0, cost })
    this.schedule()
  }

  private schedule(): void {
    if (this.scheduled) return
    this.scheduled = true
    setImmediate(() => {
      this.scheduled = false
      const end = performance.now() + turn
      while (this.queue.length > 0 && performance.now() < end) this.advance(end)
      if (this.queue.length > 0) this.schedule()
      this.onEvents()
    })
  }

  /** Runs records of the first batch until the time is over or the batch is. */
  private advance(end: number): void {
    const batch = this.queue[0]
    while (batch.at < batch.words.length) {
      batch.at += this.record(batch.words, batch.at, batch.slots)
      if (performance.now() >= end) break
    }
    if (batch.at >= batch.words.length) this.queue.shift()
  }

  run(words: Float64Array, count: number, slots: Float64Array): void {
    while (this.queue.length > 0) this.advance(Number.POSITIVE_INFINITY)
    for (let at = 0; at < count; ) at += this.record(words, at, slots)
  }

  drain(): Float64Array {
    const list = Float64Array.from(this.events)
    this.events = []
    return list
  }

  inFlight(): number {
    return this.queue.reduce((sum, batch) => sum + batch.cost, 0)
  }

  waitBelow(cost: number): void {
    while (this.inFlight() > cost) this.advance(Number.POSITIVE_INFINITY)
  }

  counts(): ArrayLike<number> {
    return [this.steps, this.records]
  }

  hold(): void {}

  watch(object: object, handle: number): void {
    this.watched.push({ reference: new WeakRef(object), handle })
  }

  sweep(): Iterable<number> {
    const dead = this.watched.filter(w => w.reference.deref() === undefined).map(w => w.handle)
    const alive = this.watched.filter(w => w.reference.deref() !== undefined)
    this.watched.splice(0, this.watched.length, ...alive)
    return dead
  }

  close(): void {
    this.queue = []
    this.table.clear()
  }

  // ---- one record ----------------------------------------------------------------------------------------------------

  private record(words: Float64Array, at: number, slots: Float64Array): number {
    const length = words[at]
    const id = words[at + 1]
    this.records++
    const row = kernelOf[id]
    if (row) this.kernel(row, words.subarray(at, at + length), slots)
    else this.command(id, words.subarray(at, at + length))
    return length
  }

  private report(number: number, words: Float64Array, value = 0, position = 0, limit = 0): number {
    this.events.push(events.failed, ++this.errors, number, words[1], words[3], value, position, limit)
    return this.errors
  }

  private find(handle: number): Held {
    const held = this.table.get(handle)
    if (!held) throw new Fault(fault.deadHandle)
    return held
  }

  private kernel(row: Row, words: Float64Array, slots: Float64Array): void {
    const written: Held[] = []
    let poison = row.group === 'effect' ? this.guard : 0
    let error: number[] | undefined
    try {
      const args: (Buf | Strided | number)[] = []
      let at = 5
      let numbers = 0
      for (const { use, dtype } of row.parameters) {
        if (use === 'size' || use === 'real') {
          const slot = Math.floor(words[4] / 2 ** numbers++) % 2
          args.push(slot ? slots[words[at]] : words[at])
          at++
          continue
        }
        const held = this.find(words[at])
        if (use === 'out' || use === 'stridedOut') written.push(held)
        poison ||= held.poison
        const info = dtypes[dtype === 'T' ? dtypeOf[words[2]] : dtype!]
        const offset = words[at + 1]
        if (isStrided(use)) {
          const rank = words[at + 2]
          const dims = Array.from(words.subarray(at + 3, at + 3 + rank))
          const strides = Array.from(words.subarray(at + 3 + rank, at + 3 + 2 * rank))
          if (!poison) args.push({ data: this.reach(held, info, offset, dims, strides), offset, dims, strides })
          at += 3 + 2 * rank
        } else {
          const size = words[at + 2]
          if (!poison && (offset < 0 || (offset + size) * info.bytes > held.bytes.byteLength))
            throw new Fault(fault.outOfBounds)
          if (!poison) args.push(new info.array(held.bytes, offset * info.bytes, size))
          at += 3
        }
      }
      if (!poison) (this.kernels[row.name as keyof JsKernels] as (...args: unknown[]) => void)(...args)
    } catch (e) {
      if (e instanceof IndexFault) error = [fault.indexOutOfRange, e.index, e.position, e.limit]
      else if (e instanceof Fault) error = [e.fault]
      else if (e instanceof RangeError) error = [fault.outOfMemory]
      else throw e
    }
    if (error) poison = this.report(error[0], words, ...error.slice(1))
    if (poison) for (const held of written) held.poison ||= poison
  }

  /** The buffer of a strided operand, after checking that its lowest and highest element are inside. */
  private reach(held: Held, info: (typeof dtypes)[DType], offset: number, dims: number[], strides: number[]): Buf {
    let low = offset
    let high = offset
    dims.forEach((dim, d) => {
      const span = (dim - 1) * strides[d]
      if (span < 0) low += span
      else high += span
    })
    const empty = dims.includes(0)
    if (!empty && (low < 0 || (high + 1) * info.bytes > held.bytes.byteLength)) throw new Fault(fault.outOfBounds)
    return new info.array(held.bytes)
  }

  private command(id: number, words: Float64Array): void {
    try {
      switch (id) {
        case commands.alloc:
          this.table.set(words[5], { handle: words[5], bytes: new ArrayBuffer(words[6]), poison: 0 })
          break
        case commands.free:
          this.find(words[5])
          this.table.delete(words[5])
          break
        case commands.upload:
          this.table.set(words[5], { handle: words[5], bytes: this.staged.get(words[6])!, poison: 0 })
          this.staged.delete(words[6])
          break
        case commands.read:
          this.read(words)
          break
        case commands.mark:
          this.events.push(events.settled, words[5], 0)
          break
        case commands.guard:
          for (const handle of words.subarray(5)) this.guard ||= this.find(handle).poison
          break
        case commands.step:
          this.seen++
          if (this.guard) this.events.push(events.skipped, this.guard, this.seen, words[3])
          else this.steps++
          this.guard = 0
      }
    } catch (e) {
      if (!(e instanceof Fault || e instanceof RangeError)) throw e
      const error = this.report(e instanceof Fault ? e.fault : fault.outOfMemory, words, words[6])
      if (id === commands.alloc)
        this.table.set(words[5], { handle: words[5], bytes: new ArrayBuffer(0), poison: error })
    }
  }

  private read(words: Float64Array): void {
    const [ticket, handle, offset, bytes] = words.subarray(5)
    const target = this.targets.get(ticket)!
    this.targets.delete(ticket)
    const held = this.table.get(handle)
    let error = !held ? this.report(fault.deadHandle, words) : held.poison
    if (held && !error && !(offset >= 0 && bytes === target.byteLength && offset + bytes <= held.bytes.byteLength))
      error = this.report(fault.outOfBounds, words)
    if (!error)
      new Uint8Array(target.buffer, target.byteOffset, target.byteLength).set(
        new Uint8Array(held!.bytes, offset, bytes),
      )
    this.events.push(events.settled, ticket, error)
  }
}
