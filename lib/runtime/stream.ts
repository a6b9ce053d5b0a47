import { setImmediate } from 'node:timers/promises'
import { type Buf, type DType, dtypes, newArray } from '../dtype.js'
import { DeviceError, StateError } from '../errors.js'
import { sizeOf } from '../shape.js'
import type { Executor } from './executor.js'
import { Failures, failureError } from './failure.js'
import { Heap } from './heap.js'
import { commands, type Kernels, rows } from './kernels.js'
import { isStrided, type Row } from './row.js'
import { sourceOf } from './source.js'
import type { Storage } from './storage.js'
import { type Hears, type Settled, Tickets, userUnit } from './tickets.js'

/** What a kernel call names as an operand. A tensor is one; so is any other view of a storage. */
export interface Operand {
  readonly storage: Storage
  readonly offset: number
  readonly dims: readonly number[]
  readonly steps: readonly number[]
}

/** A number that a later replay may change; in a record it stands as an index. */
export class Slot {
  readonly index: number
  constructor(index: number) {
    this.index = index
  }
}

const capacity = 16384
const header = 5
/** Work is handed over when this much has gathered, so that the executor starts without being awaited. */
const handOverCost = 1e6
/** Less remaining work than this runs at once on this thread: waking another costs about as much. */
const inlineCost = 5e4
/** A program that never awaits blocks at the first mark, until the second is reached. */
const highWater = 4e8
const lowWater = 1e8
/** Collected storages are looked for after so many bytes of growth, or so many storages. */
const sweepStep = 16 * 1024 * 1024
const sweepCount = 4096
/** Milliseconds that awaited work may run on this thread before timers, requests and finalizers get their turn. */
const turn = 4
/** Nanoseconds per element, roughly, by class; only the order of magnitude matters. */
const costs = { elementwise: 0.3, reduction: 0.5, movement: 0.3, random: 4, effect: 1, gemm: 0.02 } as const

/** Reached from every tensor through its storage. */
const uncloneable = {
  get tensor(): never {
    throw new StateError(
      'postMessage',
      'a tensor cannot be sent to another thread',
      'send await t.data() and t.shape, and make a tensor of them there',
    )
  },
}

/** Commands of one module instance on one device: issued here, run in order by an executor. */
export class Stream {
  /** The first field: postMessage and structuredClone visit it before they meet something they cannot copy. */
  readonly cloning: object = uncloneable
  readonly device: 'native' | 'js'
  readonly heap: Heap
  /** Kernel calls. Each appends a record and returns; nothing has run yet. */
  readonly k: Kernels<Operand, Operand>
  private readonly executor: Executor
  private readonly eager: boolean
  private readonly debug: boolean
  private readonly nativeDtypes: boolean
  private readonly costFactor: number
  private words = new Float64Array(capacity)
  private length = 0
  private cost = 0
  /** Are there kernels among the records that were not handed over? */
  private computing = false
  private slots = new Float64Array(0)
  private readonly tags = new Map<string, number>()
  private readonly sources: string[] = []
  /** What has failed, and who was told. */
  readonly failures: Failures = new Failures()
  private readonly tickets = new Tickets(this.failures, this.sources)
  /** Copies handed over for upload so far. */
  private staged = 0
  private closed = false
  private swept = 0
  private watched = 0
  private holds = 0
  private blocked = 0

  constructor(
    device: 'native' | 'js',
    makeExecutor: (onEvents: () => void) => Executor,
    options: { eager: boolean; debug: boolean; limit: number },
  ) {
    this.device = device
    this.executor = makeExecutor(() => this.drain())
    this.eager = options.eager
    this.debug = options.debug
    this.nativeDtypes = device === 'native'
    this.costFactor = device === 'native' ? 1 : 20
    this.heap = new Heap(this, options.limit)
    const k = {} as Record<string, (...args: (Operand | number | Slot)[]) => void>
    for (const row of Object.values(rows)) k[row.name] = (...args) => this.issue(row, args)
    this.k = k as unknown as Kernels<Operand, Operand>
  }

  // ---- issuing -------------------------------------------------------------------------------------------------------

  /** The op that issues records now. */
  op = ''
  /** On whose behalf records are issued now: failures are told to their own user. 0: nobody's in particular. */
  private user = 0

  /** Issues records, and reads, on behalf of a user. */
  onBehalf<T>(user: number, issue: () => T): T {
    const before = this.user
    this.user = user
    try {
      return issue()
    } finally {
      this.user = before
    }
  }

  /** Issues records in the name of an op. */
  as<T>(op: string, issue: () => T): T {
    const before = this.op
    this.op = op
    try {
      return issue()
    } finally {
      this.op = before
    }
  }

  private issue(row: Row, args: (Operand | number | Slot)[]): void {
    const { parameters } = row
    let length = header
    let dtype: DType | undefined
    let elements = 0
    for (let i = 0; i < parameters.length; i++) {
      const use = parameters[i].use
      if (use === 'size' || use === 'real') length++
      else {
        const operand = args[i] as Operand
        if (operand.storage.stream !== this) this.refuseForeign(operand)
        length += isStrided(use) ? 3 + 2 * operand.dims.length : 3
        if (parameters[i].dtype === 'T') dtype ??= operand.storage.dtype
        elements += sizeOf(operand.dims)
      }
    }
    this.checkDtype(row, dtype!)
    this.computing = true
    const words = this.room(length)
    let at = this.length + header
    let mask = 0
    let numbers = 0
    for (let i = 0; i < parameters.length; i++) {
      const use = parameters[i].use
      const arg = args[i]
      if (typeof arg === 'number') {
        words[at++] = arg
        numbers++
      } else if (arg instanceof Slot) {
        words[at++] = arg.index
        mask += 2 ** numbers++
      } else {
        words[at++] = arg.storage.handle
        words[at++] = arg.offset
        if (isStrided(use)) {
          words[at++] = arg.dims.length
          for (const dim of arg.dims) words[at++] = dim
          for (const stride of arg.steps) words[at++] = stride
        } else words[at++] = sizeOf(arg.dims)
      }
    }
    if (row.group === 'gemm') elements = sizeOf((args[2] as Operand).dims) * (args[0] as Operand).dims.at(-1)!
    this.complete(words, length, row.id, dtypes[dtype!].code, mask, elements * costs[row.group] + 100)
  }

  /** A handle of another stream would name some other buffer here. */
  private refuseForeign({ storage }: Operand): never {
    const { device } = storage.stream
    const where = device === this.device ? `another stream of the ${device} device` : `the ${device} device`
    throw new DeviceError(
      this.op,
      `a tensor on ${where} met one on the ${this.device} device`,
      "copy one of them: x.to('native')",
    )
  }

  private checkDtype(row: Row, dtype: DType): void {
    if (!this.nativeDtypes || row.dtypes.includes(dtype)) return
    throw new DeviceError(
      this.op || row.name,
      `the native device has no ${dtype} form of ${row.name}, only ${row.dtypes.join(', ')}`,
      dtype === 'float64'
        ? "use x.cast('float32'); float64 arithmetic is for checks, on the js device"
        : 'convert with x.cast()',
    )
  }

  /** Issues a command of the runtime itself. */
  command(name: keyof typeof commands, op: string, ...operands: number[]): void {
    if (this.closed && name === 'free') return
    const words = this.room(header + operands.length)
    words.set(operands, this.length + header)
    this.as(op, () => this.complete(words, header + operands.length, commands[name], 0, 0, 50))
  }

  /** Makes room for a record, handing over what there is if it would not fit. */
  private room(length: number): Float64Array {
    this.checkOpen(this.op)
    if (this.length + length > capacity) this.handOver()
    return this.words
  }
  private checkOpen(op: string): void {
    if (this.closed) throw new StateError(op, 'the device of this tensor is closed', 'read values before it ends')
  }

  /** Completes a record. Its length is written last: up to then there is no record. */
  private complete(words: Float64Array, length: number, id: number, dtype: number, mask: number, cost: number): void {
    words[this.length + 1] = id
    words[this.length + 2] = dtype
    words[this.length + 3] = this.tag()
    words[this.length + 4] = mask
    words[this.length] = length
    this.length += length
    this.cost += cost * this.costFactor
    if (this.eager) this.runNow()
    else if (this.cost > handOverCost || this.length > capacity / 2) this.handOver()
  }

  private tag(): number {
    const source = sourceOf(this.op, this.debug)
    let tag = this.tags.get(source)
    if (tag === undefined) {
      tag = this.sources.push(source) - 1
      this.tags.set(source, tag)
    }
    return tag + this.user * userUnit
  }

  /** Where an op stands, for reports. */
  sourceOf(op: string): string {
    return sourceOf(op, this.debug)
  }

  /** A number that records name by index; its value is read when they are handed over. */
  slot(value: number): Slot {
    const slots = new Float64Array(this.slots.length + 1)
    slots.set(this.slots)
    slots[this.slots.length] = value
    this.slots = slots
    return new Slot(slots.length - 1)
  }
  setSlot(slot: Slot, value: number): void {
    this.handOver()
    this.slots[slot.index] = value
  }

  /** Issues the upload of `data` into a new storage: of a copy, or, if lent, of the array itself, which nobody else may use. */
  upload(op: string, storage: Storage, data: Buf, lent = false): void {
    this.checkOpen(op)
    const id = ++this.staged
    let staged = false
    try {
      staged = this.executor.stage(id, data, lent)
    } finally {
      if (!staged) this.heap.abandon(storage)
    }
    if (!staged) {
      throw failureError({
        fault: 2,
        kernel: 'upload',
        source: op,
        value: data.byteLength,
        position: 0,
        limit: 0,
        user: 0,
      })
    }
    this.command('upload', op, storage.handle, id)
  }

  // ---- running -------------------------------------------------------------------------------------------------------

  private handOver(): void {
    if (this.length === 0) return
    const { length, cost } = this
    this.length = 0
    this.cost = 0
    this.computing = false
    this.executor.submit(this.words, length, this.slots, cost)
    this.drain()
    this.report()
    if (this.executor.inFlight() > highWater) this.block()
  }

  /** A loop that never awaits would queue work without end: wait here instead. */
  private block(): void {
    if (this.blocked++ === 0)
      process.emitWarning(
        'work is issued faster than it runs, and nothing awaits it; await a result, or synchronize(), from time to time',
        { code: 'GRADUS_W_BACKPRESSURE' },
      )
    this.executor.waitBelow(lowWater)
    this.drain()
    this.sweep()
  }

  private runNow(): void {
    const { length } = this
    this.length = 0
    this.cost = 0
    this.computing = false
    this.executor.run(this.words, length, this.slots)
    this.drain()
    this.report()
  }

  /** Tells V8 how much memory it cannot see, and frees what it has collected since: new records, for the next hand-over. */
  private report(): void {
    const change = this.heap.takeReport()
    if (change) adjustMemory(change)
    if (this.heap.bytes - this.swept > sweepStep || this.watched > sweepCount) this.sweep()
  }

  /** Takes in what has happened. */
  private drain(): void {
    this.tickets.take(this.executor.drain())
    if (!this.tickets.waiting && this.holds > 0) {
      this.holds = 0
      this.executor.hold(false)
    }
  }

  private issueRead(op: string, ticket: number, from: Operand, target: Buf): void {
    const bytes = dtypes[from.storage.dtype].bytes
    this.executor.expect(ticket, target)
    this.command('read', op, ticket, from.storage.handle, from.offset * bytes, target.byteLength)
  }

  /** Issues a command with a ticket and resolves when it has run. */
  private async settled(op: string, issue: (ticket: number) => void, hears: Hears = this.user): Promise<void> {
    this.checkOpen(op)
    const done = new Promise<Settled>(resolve => issue(this.tickets.open(resolve, hears)))
    if (this.tickets.waiting && this.holds++ === 0) this.executor.hold(true)
    const inline = this.device === 'native' && this.cost < inlineCost && this.executor.inFlight() === 0
    if (inline) this.runNow()
    else this.handOver()
    // Reads that were issued in the same turn have taken what they need by now.
    const errors = this.tickets.failuresOf(await done)
    if (inline || this.eager) await turnTaken()
    this.failures.throwIf(errors)
  }

  /** Fills `target` with a dense operand, at this place in the order; resolves when that has happened. */
  async read(op: string, from: Operand, target: Buf): Promise<void> {
    await this.settled(op, ticket => this.issueRead(op, ticket, from, target))
  }

  readSync(op: string, from: Operand, target: Buf): void {
    this.checkOpen(op)
    let settled: Settled = { needed: [], before: [] }
    const ticket = this.tickets.open(s => {
      settled = s
    }, this.user)
    this.issueRead(op, ticket, from, target)
    this.runNow()
    this.failures.throwIf(this.tickets.failuresOf(settled))
  }

  /** Is nothing being computed? Then the values of all tensors are known. */
  get idle(): boolean {
    return !this.closed && !this.computing && this.executor.inFlight() === 0
  }

  /** What a dense operand holds; undefined if it was spoilt. Failures wait for a read. For an idle stream: it blocks. */
  peek(from: Operand): Buf | undefined {
    const target = newArray(from.storage.dtype, sizeOf(from.dims))
    let known = false
    const ticket = this.tickets.open(({ needed }) => {
      known = needed.length === 0
    }, 'nothing')
    this.issueRead('print', ticket, from, target)
    this.runNow()
    return known ? target : undefined
  }

  /** Resolves when everything issued before has run; `nothing`: failures wait for somebody else. */
  async mark(hears: Hears): Promise<void> {
    await this.settled('synchronize', ticket => this.command('mark', 'synchronize', ticket), hears)
  }

  /** Runs everything issued so far, here and now. */
  synchronizeSync(): void {
    this.runNow()
    this.checkFailures('all')
  }

  /** Throws the failures that are known already, without waiting. */
  checkFailures(hears: Hears = this.user): void {
    this.drain()
    this.tickets.throwUntold(hears)
  }

  // ---- effects, memory, end ------------------------------------------------------------------------------------------

  /**
   * Issues changes of parameters that happen all or not at all: not if one of `operands` is spoilt by a failure. Returns
   * the number of this step.
   */
  effects(op: string, operands: readonly Operand[], issue: () => void): number {
    for (const operand of operands) if (operand.storage.stream !== this) this.as(op, () => this.refuseForeign(operand))
    probeStack(probedFrames)
    try {
      for (let i = 0; i < operands.length; i += 256)
        this.command('guard', op, ...operands.slice(i, i + 256).map(o => o.storage.handle))
      this.as(op, issue)
    } finally {
      this.command('step', op) // or the guard would hold for the next one too
      this.failures.steps++
    }
    return this.failures.steps
  }

  /** What is known to have become of the n-th `effects`, without waiting. */
  outcomeOf(n: number): 'committed' | 'skipped' | 'pending' {
    const { committedSteps } = this // before skipped ones are taken in: together they are not too many
    this.drain()
    if (this.failures.wasSkipped(n)) return 'skipped'
    return n <= committedSteps + this.failures.skippedSteps ? 'committed' : 'pending'
  }

  /** How many `effects` have been carried out. */
  get committedSteps(): number {
    return this.executor.counts()[0]
  }

  /** Estimated nanoseconds of work issued and not done. */
  get inFlight(): number {
    return this.executor.inFlight() + this.cost
  }

  watch(storage: Storage, handle: number): void {
    this.executor.watch(storage, handle)
    this.watched++
  }

  /** Frees the buffers of collected storages, which also works in a loop that never yields to finalizers. */
  sweep(): void {
    for (const handle of this.executor.sweep()) this.heap.collected(handle)
    this.swept = this.heap.bytes
    this.watched = 0
  }

  close(): void {
    if (this.closed) return
    this.runNow()
    this.closed = true
    this.executor.close()
  }
}

/** More frames than issuing a command takes. */
const probedFrames = 200
/** Overflows the stack here, if it is nearly full, and not between two commands that belong together. */
function probeStack(frames: number): number {
  return frames === 0 ? 0 : 1 + probeStack(frames - 1)
}

let lastTurn = 0
/**
 * Lets timers, requests and finalizers have their turn, if none was given for a while: a loop that awaits only work done at
 * once would never yield to them.
 */
async function turnTaken(): Promise<void> {
  if (performance.now() - lastTurn < turn) return
  await setImmediate()
  lastTurn = performance.now()
}

let adjustMemory: (bytes: number) => void = () => {}
/** Says how V8 is told about memory outside its heap. */
export function onMemoryChange(report: (bytes: number) => void): void {
  adjustMemory = report
}
