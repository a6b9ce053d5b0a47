/** What the executor reports: tickets that settle, and failures with the one who is told of them. */
import { type Executor, eventLength, events } from './executor.js'
import type { Failures } from './failure.js'
import { commands, rows } from './kernels.js'
import { sourceText } from './source.js'

/** Which failures, besides that of the value that is read, the waiting for a command tells of: a user's, all, or none. */
export type Hears = number | 'all' | 'nothing'

/** What a ticket ends with: the failure that spoilt its value, and those before it that it may tell of. */
export interface Settled {
  readonly needed: readonly number[]
  readonly before: readonly number[]
}

interface Ticket {
  readonly settle: (settled: Settled) => void
  readonly hears: Hears
}

/** A record's tag is its source, and its user times this. */
export const userUnit: number = 2 ** 24
const userOf = (tag: number): number => Math.floor(tag / userUnit)

export class Tickets {
  private readonly failures: Failures
  /** Who waits, by ticket. */
  readonly pending: Map<number, Ticket> = new Map()
  private last = 0
  /** What was reported, and how far it was taken in: an exception on the way (a full stack) loses nothing. */
  private list: Float64Array = new Float64Array(0)
  private at = 0

  constructor(failures: Failures) {
    this.failures = failures
  }

  /** Is somebody waiting? */
  get waiting(): boolean {
    return this.pending.size > 0
  }

  /** A ticket that will settle; known before its command is issued, which may run at once. */
  open(settle: Ticket['settle'], hears: Hears): number {
    const ticket = this.last + 1
    this.pending.set(ticket, { settle, hears })
    this.last = ticket
    return ticket
  }

  /** Takes in what the executor reports. A failure goes to the read that needs it, else to the first that comes after it. */
  take(executor: Executor): void {
    this.goOn()
    this.list = executor.drain()
    this.at = 0
    this.goOn()
  }

  private goOn(): void {
    const { list } = this
    while (this.at < list.length) {
      const [kind, first, second] = list.subarray(this.at, this.at + 3)
      if (kind === events.settled) this.settled(first, second)
      else if (kind === events.skipped) this.failures.skipped(first, second, userOf(list[this.at + 3]))
      else if (kind === events.failed) this.failed(first, list.subarray(this.at + 2, this.at + 8))
      this.at += eventLength[kind]
    }
  }

  private settled(number: number, error: number): void {
    const ticket = this.pending.get(number)
    if (!ticket) return // who waited gave up
    if (error && ticket.hears !== 'nothing') this.failures.tell([error])
    ticket.settle({ needed: error ? [error] : [], before: this.heard(ticket.hears) })
    this.pending.delete(number)
  }

  private heard(hears: Hears): number[] {
    return hears === 'nothing' ? [] : this.failures.untold(hears === 'all' ? undefined : hears)
  }

  private failed(error: number, [fault, id, tag, value, position, limit]: Float64Array): void {
    const kernel = Object.values(rows).find(row => row.id === id)?.name ?? Object.keys(commands)[id] ?? 'a command'
    this.failures.add(error, {
      fault,
      kernel,
      source: sourceText(tag % userUnit),
      value,
      position,
      limit,
      user: userOf(tag),
    })
  }

  /** The failures that one who waited for a ticket is told of: those before it only if nobody was told meanwhile. */
  failuresOf({ needed, before }: Settled): number[] {
    return [...needed, ...this.failures.tell(before)]
  }

  /** Throws what is known and untold. */
  throwUntold(hears: Hears): void {
    this.failures.throwIf(this.failures.tell(this.heard(hears)))
  }
}
