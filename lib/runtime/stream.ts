import { setImmediate } from 'node:timers/promises'
import { type Buf, type DType, dtypes, newArray } from '../dtype.js'
import { DeviceError, StateError } from '../errors.js'
import { sizeOf } from '../shape.js'
import type { Accounts } from './account.js'
import type { Executor } from './executor.js'
import { Failures, failureError } from './failure.js'
import { Heap, reportStep } from './heap.js'
import { commands, type Kernels, rows } from './kernels.js'
import type { Row } from './row.js'
import { sourceOf, sourceText } from './source.js'
import { probeStack } from './stack.js'
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
/** A program that never awaits waits at so many queued bytes of records and uploads, until half of them are done. */
const mostQueued = 64 * 1024 * 1024
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
  /** The records that were not handed over: up to `length`, and the next is being written behind. */
  readonly words: Float64Array = new Float64Array(capacity)
  length = 0
  /** What they will take: estimated nanoseconds. */
  cost = 0
  private slots = new Float64Array(0)
  /** What has failed, and who was told. */
  readonly failures: Failures = new Failures()
  private readonly tickets = new Tickets(this.failures)
  /** Copies handed over for upload so far. */
  private staged = 0
  private closed = false
  private held = false
  private blocked = 0

  constructor(
    device: 'native' | 'js',
    makeExecutor: (onEvents: () => void) => Executor,
    options: { eager: boolean; debug: boolean; accounts: Accounts },
  ) {
    this.device = device
    this.executor = makeExecutor(() => this.drain())
    this.eager = options.eager
    this.debug = options.debug
    this.nativeDtypes = device === 'native'
    this.costFactor = device === 'native' ? 1 : 20
    this.heap = new Heap(this, options.accounts)
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
    const { words } = this
    const { dtype } = (args[row.typed] as Operand).storage
    this.checkDtype(row, dtype)
    let at = this.begin(row.id, this.op)
    const start = this.length
    let mask = 0
    let numbers = 0
    let elements = 0
    for (let i = 0; i < args.length; i++) {
      const arg = args[i]
      if (typeof arg === 'number') {
        words[at++] = arg
        numbers++
      } else if (arg instanceof Slot) {
        words[at++] = arg.index
        mask += 2 ** numbers++
      } else {
        const { storage, dims } = arg
        if (storage.stream !== this) this.refuseForeign(arg)
        const size = sizeOf(dims)
        elements += size
        words[at++] = storage.handle
        words[at++] = arg.offset
        if (row.strided[i]) {
          const rank = dims.length
          words[at++] = rank
          for (let d = 0; d < rank; d++) words[at++] = dims[d]
          for (let d = 0; d < rank; d++) words[at++] = arg.steps[d]
        } else words[at++] = size
      }
    }
    words[start + 2] = dtypes[dtype].code
    words[start + 4] = mask
    if (row.group === 'gemm') elements = sizeOf((args[2] as Operand).dims) * (args[0] as Operand).dims.at(-1)!
    this.end(at, (elements * costs[row.group] + 100) * this.costFactor)
    this.flush()
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
    let at = this.begin(commands[name], op)
    for (let i = 0; i < operands.length; i++) this.words[at++] = operands[i]
    this.end(at, 50)
    this.flush()
  }

  get isClosed(): boolean {
    return this.closed
  }
  private checkOpen(op: string): void {
    if (this.closed) throw new StateError(op, 'the device of this tensor is closed', 'read values before it ends')
  }

  /** Begins a record, for which there is room: half the words at least. Returns the place of its first operand. */
  begin(id: number, op: string): number {
    this.checkOpen(op)
    if (this.length > capacity / 2) this.handOver()
    const { words, length } = this
    words[length + 1] = id
    words[length + 2] = 0
    words[length + 3] = sourceOf(op, this.debug) + this.user * userUnit
    words[length + 4] = 0
    return length + header
  }

  /** Ends a record. It is there when its length is: nothing on the way to that can leave half of one. */
  private end(at: number, cost: number): void {
    this.words[this.length] = at - this.length
    this.length = at
    this.cost += cost
  }

  /** Runs what there is, or hands it over if it is much. */
  flush(): void {
    if (this.eager) this.runNow()
    else if (this.cost > handOverCost || this.length > capacity / 2) this.handOver()
  }

  /** Where an op stands, for reports. */
  sourceOf(op: string): string {
    return sourceText(sourceOf(op, this.debug))
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

  /** Puts the values of an upload aside; returns their number, for the record that takes them over. */
  stage(op: string, data: Buf, lent: boolean): number {
    const id = this.staged + 1
    if (!this.executor.stage(id, data, lent))
      throw failureError({
        fault: 2,
        kernel: 'upload',
        source: op,
        value: data.byteLength,
        position: 0,
        limit: 0,
        user: 0,
      })
    this.staged = id
    return id
  }

  /** An eighth of a small memory at most. */
  private get queueLimit(): number {
    return Math.min(mostQueued, Math.max(this.heap.ceiling, reportStep) / 8)
  }

  /** Waits until an upload does not make the queue too long; where there is no room for both, until all has run: true. */
  makeWay(bytes: number, room: number): boolean {
    const queued = this.executor.queued()
    if (queued + bytes > room) {
      this.handOver()
      this.executor.waitBelow(0)
      this.drain()
      return true
    }
    const { queueLimit } = this
    if (queued >= queueLimit / 2 && queued + bytes > queueLimit) {
      this.handOver()
      this.block()
    }
    return false
  }

  // ---- running -------------------------------------------------------------------------------------------------------

  /** Hands over what was issued. Waits only for what was queued before, and only if that is much. */
  handOver(): void {
    if (this.length === 0) return
    if (this.executor.queued() > this.queueLimit) this.block()
    this.executor.submit(this.words, this.length, this.slots, this.cost)
    this.length = 0
    this.cost = 0
    this.drain()
    this.heap.report()
  }

  /** A loop that never awaits would queue records and uploads without end: wait here instead. */
  private block(): void {
    if (this.blocked++ === 0)
      process.emitWarning(
        'work is issued faster than it runs, and nothing awaits it; await a result, or synchronize(), from time to time',
        { code: 'GRADUS_W_BACKPRESSURE' },
      )
    this.executor.waitBelow(this.queueLimit / 2)
    this.drain()
  }

  private runNow(): void {
    this.executor.run(this.words, this.length, this.slots)
    this.length = 0
    this.cost = 0
    this.drain()
    this.heap.report()
  }

  /** Takes in what has happened. */
  private drain(): void {
    this.tickets.take(this.executor)
    if (!this.held || this.tickets.waiting) return
    this.executor.hold(false)
    this.held = false
  }

  private issueRead(op: string, ticket: number, from: Operand, target: Buf): void {
    const { words } = this
    const { handle, dtype } = from.storage
    const at = this.begin(commands.read, op)
    words[at] = ticket
    words[at + 1] = handle
    words[at + 2] = from.offset * dtypes[dtype].bytes
    words[at + 3] = target.byteLength
    this.executor.expect(ticket, target)
    words[this.length] = header + 4 // ended here: what is expected is read
    this.length += header + 4
    this.cost += 50
    this.flush()
  }

  /** Issues a command with a ticket and resolves when it has run. */
  private async settled(op: string, issue: (ticket: number) => void, hears: Hears = this.user): Promise<void> {
    this.checkOpen(op)
    this.heap.watch() // finalizers may run while the program waits
    let ticket = 0
    let inline = false
    const done = new Promise<Settled>(resolve => {
      ticket = this.tickets.open(resolve, hears)
    })
    try {
      issue(ticket)
      inline = this.device === 'native' && this.cost < inlineCost && this.executor.inFlight() === 0
      if (inline) this.runNow()
      else this.handOver()
      if (this.tickets.waiting && !this.held) {
        this.executor.hold(true)
        this.held = true
      }
    } catch (error) {
      this.tickets.pending.delete(ticket) // nobody waits for it now
      throw error
    }
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
    let settled: Settled | undefined
    const ticket = this.tickets.open(s => {
      settled = s
    }, this.user)
    try {
      this.issueRead(op, ticket, from, target)
      this.runNow()
    } finally {
      this.tickets.pending.delete(ticket)
    }
    if (!settled) throw new RangeError('Maximum call stack size exceeded') // the executor did not come so far
    this.failures.throwIf(this.tickets.failuresOf(settled))
  }

  /**
   * The elements at some places of a storage, unless something is computed or waits to be: of what waits, only uploads and
   * the like are run. Failures wait for a read.
   */
  peek(storage: Storage, places: readonly (readonly [from: number, count: number])[]): Buf | 'pending' | 'failed' {
    if (this.closed || this.executor.inFlight() > 0 || this.computes()) return 'pending'
    this.runNow()
    const { bytes } = dtypes[storage.dtype]
    const target = newArray(
      storage.dtype,
      places.reduce((n, [, count]) => n + count, 0),
    )
    const reads = new Float64Array(places.length * (header + 4))
    const tickets: number[] = []
    let failed = false
    let at = 0
    try {
      places.forEach(([from, count], i) => {
        const ticket = this.tickets.open(({ needed }) => {
          failed ||= needed.length > 0
        }, 'nothing')
        tickets.push(ticket)
        reads.set(
          [header + 4, commands.read, 0, 0, 0, ticket, storage.handle, from * bytes, count * bytes],
          i * (header + 4),
        )
        this.executor.expect(ticket, target.subarray(at, (at += count)))
      })
      this.executor.run(reads, reads.length, this.slots)
      this.drain()
    } finally {
      for (const ticket of tickets) this.tickets.pending.delete(ticket)
    }
    return failed ? 'failed' : target
  }

  /** Is anything computed by what waits? */
  private computes(): boolean {
    const { words, length } = this
    for (let at = 0; at < length; at += words[at]) if (words[at + 1] > commands.step) return true
    return false
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
    probeStack()
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

  /** Bytes of records, and of copies for upload, that wait. */
  get queuedBytes(): number {
    return this.executor.queued() + this.length * this.words.BYTES_PER_ELEMENT
  }

  close(): void {
    if (this.closed) return
    this.runNow()
    this.closed = true
    this.executor.close()
    this.heap.close()
  }
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
