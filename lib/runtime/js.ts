import { type Buf, type DType, dtypes } from '../dtype.js'
import { type Executor, events } from './executor.js'
import { commands, type Kernels, rows } from './kernels.js'
import { isStrided, type Row } from './row.js'
import { isStackOverflow, probeStack } from './stack.js'

/** A strided operand of a JS kernel. `offset` is where index (0, 0, …) is in `data`. */
export interface Strided<B extends Buf = Buf> {
  readonly data: B
  readonly offset: number
  readonly dims: readonly number[]
  readonly strides: readonly number[]
}

/** Kernels of the js device: the same names and parameters as native, in plain loops. They define what a kernel means. */
export type JsKernels = {
  [K in keyof Kernels<Buf, Strided>]: (...args: Parameters<Kernels<Buf, Strided>[K]>) => Pieces
}

/** A kernel's work, cut up: each step does some tens of microseconds of it, so that others have their turn in between. */
export type Pieces = Generator<void, void>

/** Does the whole work of a kernel. */
export function complete(pieces: Pieces): void {
  while (!pieces.next().done);
}

/** Thrown by a kernel that cannot go on with what it met. */
export class KernelFault extends Error {
  readonly fault: number
  readonly value: number
  readonly position: number
  readonly limit: number
  constructor(text: string, fault: number, value: number, position: number, limit: number) {
    super(text)
    this.fault = fault
    this.value = value
    this.position = position
    this.limit = limit
  }
}

/** An index outside its range; `limit` is how many there are. */
export class IndexFault extends KernelFault {
  constructor(index: number, position: number, limit: number) {
    super('index out of range', fault.indexOutOfRange, index, position, limit)
  }
}

/** A value outside [0, 1]; `operand` tells the operands of a kernel apart. */
export class ProbabilityFault extends KernelFault {
  constructor(value: number, position: number, operand: number) {
    super('not a probability', fault.notProbability, value, position, operand)
  }
}

/** The numbers of Fault in native/types.h. */
const fault = {
  indexOutOfRange: 1,
  outOfMemory: 2,
  deadHandle: 3,
  outOfBounds: 4,
  malformed: 10,
  notProbability: 11,
} as const
const kernelOf: Row[] = []
for (const row of Object.values(rows)) kernelOf[row.id] = row
const dtypeOf = Object.fromEntries(Object.entries(dtypes).map(([name, d]) => [d.code, name])) as Record<number, DType>

interface Held {
  handle: number
  bytes: ArrayBuffer
  poison: number
}

/** A kernel under way. */
interface Running {
  readonly written: Held[]
  /** The error that spoils the outputs; 0: none. */
  poison: number
  pieces: Pieces | undefined
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

/**
 * Runs records on the JavaScript thread, with the same order, checks and failures as the native interpreter. Whoever makes it
 * go on has room on his stack: a kernel that is cut short cannot go on, and what it changes in place would change twice.
 */
export class JsExecutor implements Executor {
  private readonly kernels: JsKernels
  private readonly table = new Map<number, Held>()
  private readonly staged = new Map<number, ArrayBuffer>()
  private readonly targets = new Map<number, Buf>()
  private queue: { words: Float64Array; slots: Float64Array; at: number; cost: number }[] = []
  /** Of records and copies in the queue. */
  private bytes = 0
  private events: number[] = []
  private errors = 0
  private guard = 0
  /** Steps that were carried out, and all steps. */
  private steps = 0
  private seen = 0
  private records = 0
  private scheduled = false
  private running: Running | undefined

  private readonly onEvents: () => void

  constructor(kernels: JsKernels, onEvents: () => void = () => {}) {
    this.kernels = kernels
    this.onEvents = onEvents
  }

  stage(id: number, data: Buf, lent: boolean): boolean {
    const bytes = lent ? (data.buffer as ArrayBuffer) : copyOf(data)
    if (!bytes) return false
    this.staged.set(id, bytes)
    this.bytes += bytes.byteLength
    return true
  }

  expect(ticket: number, target: Buf): void {
    this.targets.set(ticket, target)
  }

  submit(words: Float64Array, count: number, slots: Float64Array, cost: number): void {
    this.schedule()
    this.accept(words, count, slots, cost)
  }

  private accept(words: Float64Array, count: number, slots: Float64Array, cost: number): void {
    const batch = { words: words.slice(0, count), slots: slots.slice(), at: 0, cost }
    this.bytes += batch.words.byteLength
    this.queue.push(batch)
  }

  private schedule(): void {
    if (this.scheduled) return
    setImmediate(() => {
      this.scheduled = false
      const end = performance.now() + turn
      while (this.queue.length > 0 && performance.now() < end) this.advance(end)
      if (this.queue.length > 0) this.schedule()
      this.onEvents()
    })
    this.scheduled = true
  }

  /** Runs records of the first batch until the time is over or the batch is. */
  private advance(end: number): void {
    const batch = this.queue[0]
    while (batch.at < batch.words.length) {
      const length = batch.words[batch.at]
      if (!this.record(batch.words.subarray(batch.at, batch.at + length), batch.slots, end)) return
      batch.at += length
      if (performance.now() >= end) break
    }
    if (batch.at < batch.words.length) return
    this.bytes -= batch.words.byteLength
    this.queue.shift()
  }

  run(words: Float64Array, count: number, slots: Float64Array): void {
    if (count > 0) this.submit(words, count, slots, 0)
    try {
      probeStack()
      while (this.queue.length > 0) this.advance(Number.POSITIVE_INFINITY)
    } catch (error) {
      if (!(error instanceof RangeError)) throw error // else the stack is full: the rest is done later, it was submitted
    }
  }

  drain(): Float64Array {
    const list = Float64Array.from(this.events)
    this.events = []
    return list
  }

  inFlight(): number {
    return this.queue.reduce((sum, batch) => sum + batch.cost, 0)
  }

  queued(): number {
    return this.bytes
  }

  waitBelow(bytes: number): void {
    probeStack()
    while (this.bytes > bytes && this.queue.length > 0) this.advance(Number.POSITIVE_INFINITY)
  }

  counts(): ArrayLike<number> {
    return [this.steps, this.records]
  }

  hold(): void {}

  close(): void {
    this.queue = []
    this.table.clear()
  }

  // ---- one record ----------------------------------------------------------------------------------------------------

  /** Runs a record, or goes on with it, until `end`; false: it is not done. */
  private record(words: Float64Array, slots: Float64Array, end: number): boolean {
    const row = kernelOf[words[1]]
    if (row) {
      this.running ??= this.start(row, words, slots)
      if (!this.goOn(this.running, words, end)) return false
      this.running = undefined
    } else this.command(words[1], words)
    this.records++
    return true
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

  /** Decodes a kernel's record and calls the kernel, unless an operand is spoilt. */
  private start(row: Row, words: Float64Array, slots: Float64Array): Running {
    const running: Running = { written: [], poison: row.group === 'effect' ? this.guard : 0, pieces: undefined }
    try {
      const args = this.operands(row, words, slots, running)
      const kernel = this.kernels[row.name as keyof JsKernels] as (...args: unknown[]) => Pieces
      if (!running.poison) running.pieces = kernel(...args)
    } catch (e) {
      this.fail(running, words, e)
    }
    return running
  }

  private operands(row: Row, words: Float64Array, slots: Float64Array, running: Running): (Buf | Strided | number)[] {
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
      if (use === 'out' || use === 'stridedOut') running.written.push(held)
      running.poison ||= held.poison
      const info = dtypes[dtype === 'T' ? dtypeOf[words[2]] : dtype!]
      const offset = words[at + 1]
      if (isStrided(use)) {
        const rank = words[at + 2]
        const dims = Array.from(words.subarray(at + 3, at + 3 + rank))
        const strides = Array.from(words.subarray(at + 3 + rank, at + 3 + 2 * rank))
        if (!running.poison) args.push({ data: reach(held, info, offset, dims, strides), offset, dims, strides })
        at += 3 + 2 * rank
      } else {
        const size = words[at + 2]
        if (!running.poison && (offset < 0 || (offset + size) * info.bytes > held.bytes.byteLength))
          throw new Fault(fault.outOfBounds)
        if (!running.poison) args.push(new info.array(held.bytes, offset * info.bytes, size))
        at += 3
      }
    }
    return args
  }

  /** Does pieces of a kernel until `end`, and spoils its outputs if it fails; false: there is more to do. */
  private goOn(running: Running, words: Float64Array, end: number): boolean {
    const { pieces } = running
    try {
      while (pieces && !pieces.next().done) if (performance.now() >= end) return false
    } catch (e) {
      this.running = undefined // its pieces have ended
      this.fail(running, words, e)
    }
    if (running.poison) for (const held of running.written) held.poison ||= running.poison
    return true
  }

  private fail(running: Running, words: Float64Array, e: unknown): void {
    if (e instanceof KernelFault) running.poison = this.report(e.fault, words, e.value, e.position, e.limit)
    else if (e instanceof Fault) running.poison = this.report(e.fault, words)
    else if (e instanceof RangeError && !isStackOverflow(e)) running.poison = this.report(fault.outOfMemory, words)
    else throw e
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
          this.upload(words[5], words[6])
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
      if (!(e instanceof Fault || e instanceof RangeError) || isStackOverflow(e)) throw e
      const error = this.report(e instanceof Fault ? e.fault : fault.outOfMemory, words, words[6])
      if (id === commands.alloc)
        this.table.set(words[5], { handle: words[5], bytes: new ArrayBuffer(0), poison: error })
    }
  }

  private upload(handle: number, id: number): void {
    const bytes = this.staged.get(id)
    if (!bytes) throw new Fault(fault.malformed)
    this.table.set(handle, { handle, bytes, poison: 0 })
    this.bytes -= bytes.byteLength
    this.staged.delete(id)
  }

  private read(words: Float64Array): void {
    const [ticket, handle, offset, bytes] = words.subarray(5)
    const target = this.targets.get(ticket)
    if (!target) throw new Fault(fault.malformed)
    const held = this.table.get(handle)
    let error = !held ? this.report(fault.deadHandle, words) : held.poison
    if (held && !error && !(offset >= 0 && bytes === target.byteLength && offset + bytes <= held.bytes.byteLength))
      error = this.report(fault.outOfBounds, words)
    if (!error)
      new Uint8Array(target.buffer, target.byteOffset, target.byteLength).set(
        new Uint8Array(held!.bytes, offset, bytes),
      )
    this.events.push(events.settled, ticket, error)
    this.targets.delete(ticket) // at the end: should the stack be full, the record runs again
  }
}

/** The buffer of a strided operand, after checking that its lowest and highest element are inside. */
function reach(held: Held, info: (typeof dtypes)[DType], offset: number, dims: number[], strides: number[]): Buf {
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

/** Undefined: there is no memory. */
function copyOf(data: Buf): ArrayBuffer | undefined {
  try {
    const copy = new ArrayBuffer(data.byteLength)
    new Uint8Array(copy).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    return copy
  } catch (e) {
    if (e instanceof RangeError && !isStackOverflow(e)) return undefined
    throw e
  }
}
