/** Runs every native kernel beside its JS twin, on the native inputs: one difference has one cause. */
import { type Buf, type DType, dtypes } from '../dtype.js'
import { type Executor, eventLength, events } from './executor.js'
import { complete, type JsKernels, KernelFault, type Pieces, type Strided } from './js.js'
import { commands, rows } from './kernels.js'
import { isStrided, type Row } from './row.js'
import { type Arguments, errorBeyond, flushed, type Tolerance } from './tolerance.js'

/** Where a native kernel and its JS twin differ by more than the kernel allows: the worst element of one output. */
export interface Difference {
  /** The op that issued the command, with its layer. */
  readonly op: string
  readonly kernel: string
  /** Name of the kernel's output, and the position of the worst element in it. */
  readonly output: string
  readonly index: number
  readonly native: number
  readonly js: number
  readonly error: number
  /** The largest error that would pass; 0: equal bits. */
  readonly allowed: number
  /** How many elements differ by more than allowed. */
  readonly count: number
  /** Number of the command, counted from 0. */
  readonly command: number
}

/** An operand of a record, and the stretch of its buffer that it covers. */
interface Operand {
  readonly name: string
  readonly dtype: DType
  readonly strided: boolean
  readonly written: boolean
  readonly handle: number
  /** First and one past the last element. */
  readonly from: number
  readonly to: number
  readonly offset: number
  readonly dims: readonly number[]
  readonly strides: readonly number[]
}

const kernelOf: Row[] = []
for (const row of Object.values(rows)) kernelOf[row.id] = row
const dtypeOf = Object.fromEntries(Object.entries(dtypes).map(([name, d]) => [d.code, name])) as Record<number, DType>

/** Tickets of the executor's own reads: far above those that a stream counts up to. */
const firstTicket = 2 ** 40

function parse(
  row: Row,
  words: Float64Array,
  slots: Float64Array,
): { operands: Operand[]; args: (Operand | number)[] } {
  const args: (Operand | number)[] = []
  let at = 5
  let numbers = 0
  for (const { name, use, dtype } of row.parameters) {
    if (use === 'size' || use === 'real') {
      const isSlot = Math.floor(words[4] / 2 ** numbers++) % 2
      args.push(isSlot ? slots[words[at]] : words[at])
      at++
      continue
    }
    const strided = isStrided(use)
    const rank = strided ? words[at + 2] : 1
    const [handle, offset] = words.subarray(at, at + 2)
    const dims = strided ? Array.from(words.subarray(at + 3, at + 3 + rank)) : [words[at + 2]]
    const strides = strided ? Array.from(words.subarray(at + 3 + rank, at + 3 + 2 * rank)) : [1]
    at += strided ? 3 + 2 * rank : 3
    const common = {
      name,
      dtype: dtype === 'T' ? dtypeOf[words[2]] : dtype!,
      strided,
      written: /out/i.test(use),
      handle,
      offset,
      dims,
      strides,
    }
    args.push({ ...common, ...stretch(offset, dims, strides) })
  }
  return { operands: args.filter(arg => typeof arg !== 'number'), args }
}

function stretch(offset: number, dims: readonly number[], strides: readonly number[]): { from: number; to: number } {
  if (dims.includes(0)) return { from: offset, to: offset }
  const spans = dims.map((dim, d) => (dim - 1) * strides[d])
  const sum = (list: number[]) => list.reduce((a, b) => a + b, 0)
  return { from: offset + sum(spans.filter(s => s < 0)), to: offset + sum(spans.filter(s => s > 0)) + 1 }
}

const view = (o: Operand, data: Buf): Strided => ({ data, offset: o.offset - o.from, dims: o.dims, strides: o.strides })

/** The elements of a view in row-major order. */
function flatten({ data, offset, dims, strides }: Strided): Float64Array {
  const n = dims.reduce((size, dim) => size * dim, 1)
  const result = new Float64Array(n)
  const index = new Array<number>(dims.length).fill(0)
  let at = offset
  for (let i = 0; i < n; i++) {
    result[i] = data[at]
    for (let d = dims.length - 1; d >= 0; d--) {
      at += strides[d]
      if (++index[d] < dims[d]) break
      at -= dims[d] * strides[d]
      index[d] = 0
    }
  }
  return result
}

type Tolerances = { readonly [kernel: string]: Tolerance | undefined }

export class LockstepExecutor implements Executor {
  readonly differences: Difference[] = []
  /** How often each kernel was compared. */
  readonly compared: Map<string, number> = new Map()
  commands = 0
  /** Names the op behind the record that runs. */
  source: () => string = () => ''
  private readonly native: Executor
  private readonly kernels: JsKernels
  private readonly tolerances: Tolerances
  private readonly onEvents: () => void
  private readonly settled = new Map<number, number>()
  private list: number[] = []
  private tickets = firstTicket
  private guarded = false

  constructor(native: Executor, kernels: JsKernels, tolerances: Tolerances, onEvents: () => void) {
    this.native = native
    this.kernels = kernels
    this.tolerances = tolerances
    this.onEvents = onEvents
  }

  // ---- records -------------------------------------------------------------------------------------------------------

  submit(words: Float64Array, count: number, slots: Float64Array): void {
    this.run(words, count, slots)
    this.onEvents()
  }

  run(words: Float64Array, count: number, slots: Float64Array): void {
    for (let at = 0; at < count; at += words[at]) {
      const record = words.slice(at, at + words[at])
      const row = kernelOf[record[1]]
      if (row) this.kernel(row, record, slots)
      else this.command(record, slots)
      this.commands++
    }
  }

  private command(record: Float64Array, slots: Float64Array): void {
    if (record[1] === commands.guard)
      this.guarded ||= Array.from(record.subarray(5)).some(handle => this.readBytes(handle, 0, new Uint8Array(0)) !== 0)
    if (record[1] === commands.step) this.guarded = false
    this.alone(record, slots)
  }

  private alone(record: Float64Array, slots: Float64Array): void {
    this.native.run(record, record.length, slots)
    this.collect()
  }

  /** Takes over what the native executor reports, but for the ends of the reads made here. */
  private collect(): void {
    const list = this.native.drain()
    for (let i = 0; i < list.length; ) {
      const length = eventLength[list[i]]
      if (list[i] === events.settled && list[i + 1] >= firstTicket) this.settled.set(list[i + 1], list[i + 2])
      else this.list.push(...list.subarray(i, i + length))
      i += length
    }
  }

  /** Fills `target` from a native buffer; returns the error that spoilt the buffer, or 0. */
  private readBytes(handle: number, offset: number, target: Buf): number {
    const ticket = ++this.tickets
    this.native.expect(ticket, target)
    this.alone(
      Float64Array.of(9, commands.read, 0, 0, 0, ticket, handle, offset, target.byteLength),
      new Float64Array(0),
    )
    const error = this.settled.get(ticket) ?? 0
    this.settled.delete(ticket)
    return error
  }

  /** The stretch of its buffer that an operand covers; nothing, if a failed command has spoilt it. */
  private read(o: Operand): Buf | undefined {
    const { array, bytes } = dtypes[o.dtype]
    const target = new array(o.to - o.from)
    return this.readBytes(o.handle, o.from * bytes, target) ? undefined : target
  }

  private kernel(row: Row, record: Float64Array, slots: Float64Array): void {
    const { operands, args } = parse(row, record, slots)
    const before = operands.map(o => this.read(o))
    this.alone(record, slots)
    if (before.includes(undefined) || (row.group === 'effect' && this.guarded)) return
    const inputs = new Map(operands.map((o, i) => [o, row.group === 'movement' ? before[i]! : flushed(before[i]!)]))
    const failed = this.twin(
      row,
      args,
      new Map([...inputs].map(([o, data]) => [o, o.written ? data.slice() : data])),
      outputs => {
        this.compared.set(row.name, (this.compared.get(row.name) ?? 0) + 1)
        const call = this.call(row, args, inputs)
        for (const [o, js] of outputs) this.compare(row, o, js, this.read(o), call)
      },
    )
    if (failed && operands.some(o => o.written && this.read(o)))
      this.differences.push({
        ...this.where(row, operands[0].name),
        index: failed.position,
        native: 0,
        js: failed.value,
        error: Number.POSITIVE_INFINITY,
        allowed: 0,
        count: 1,
      })
  }

  /** Runs the JS kernel on copies. If it refuses an index, returns that. */
  private twin(
    row: Row,
    args: readonly (Operand | number)[],
    data: Map<Operand, Buf>,
    done: (outputs: [Operand, Buf][]) => void,
  ): KernelFault | undefined {
    const values = args.map(arg =>
      typeof arg === 'number' ? arg : arg.strided ? view(arg, data.get(arg)!) : data.get(arg)!,
    )
    try {
      complete((this.kernels[row.name as keyof JsKernels] as (...args: unknown[]) => Pieces)(...values))
    } catch (error) {
      if (error instanceof KernelFault) return error
      throw error
    }
    done([...data].filter(([o]) => o.written))
    return undefined
  }

  private call(row: Row, args: readonly (Operand | number)[], inputs: Map<Operand, Buf>): Arguments {
    const find = (name: string) => args[row.parameters.findIndex(p => p.name === name)]
    const strided = (name: string) => {
      const o = find(name) as Operand
      return view(o, inputs.get(o)!)
    }
    return {
      strided,
      values: name => flatten(strided(name)),
      number: name => find(name) as number,
      kernels: this.kernels,
    }
  }

  private compare(row: Row, o: Operand, js: Buf, native: Buf | undefined, call: Arguments): void {
    const [ours, theirs] = [flatten(view(o, native ?? js.map(() => Number.NaN))), flatten(view(o, js))]
    const bound = this.tolerances[row.name]?.(call, o.name)
    let worst: Pick<Difference, 'index' | 'native' | 'js' | 'error' | 'allowed'> | undefined
    let count = 0
    for (let i = 0; i < ours.length; i++) {
      const allowed = bound ? bound(i, theirs[i]) : 0
      const error = errorBeyond(ours[i], theirs[i], bound ? allowed : 'exact')
      if (error === 0) continue
      count++
      if (!worst || error / allowed > worst.error / worst.allowed)
        worst = { index: i, native: ours[i], js: theirs[i], error, allowed }
    }
    if (worst) this.differences.push({ ...this.where(row, o.name), ...worst, count })
  }

  private where(row: Row, output: string): Pick<Difference, 'op' | 'kernel' | 'output' | 'command'> {
    return { op: this.source(), kernel: row.name, output, command: this.commands }
  }

  // ---- passed on -----------------------------------------------------------------------------------------------------

  stage(id: number, data: Buf, lent: boolean): boolean {
    return this.native.stage(id, data, lent)
  }
  expect(ticket: number, target: Buf): void {
    this.native.expect(ticket, target)
  }
  drain(): Float64Array {
    this.collect()
    const list = Float64Array.from(this.list)
    this.list = []
    return list
  }
  inFlight(): number {
    return 0
  }
  queued(): number {
    return 0
  }
  waitBelow(): void {}
  counts(): ArrayLike<number> {
    return this.native.counts()
  }
  hold(pending: boolean): void {
    this.native.hold(pending)
  }
  close(): void {
    this.native.close()
  }
}
