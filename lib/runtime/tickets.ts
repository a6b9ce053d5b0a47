/** What the executor reports: tickets that settle, and failures with the one who is told of them. */
import { eventLength, events } from './executor.js'
import type { Failures } from './failure.js'
import { commands, rows } from './kernels.js'

/** Which failures, besides that of the value that is read, the waiting for a command tells of: a user's, all, or none. */
export type Hears = number | 'all' | 'nothing'

/** What a ticket ends with: the failure that spoilt its value, and those before it that it may tell of. */
export interface Settled {
  readonly needed: readonly number[]
  readonly before: readonly number[]
}

type Settle = (settled: Settled) => void

/** A record's tag is the place of its source, and its user times this. */
export const userUnit: number = 2 ** 24
const userOf = (tag: number): number => Math.floor(tag / userUnit)

export class Tickets {
  private readonly failures: Failures
  private readonly sources: readonly string[]
  private readonly pending = new Map<number, { readonly settle: Settle; readonly hears: Hears }>()
  private last = 0

  /** @param sources The texts that tags of records stand for; the stream adds to them. */
  constructor(failures: Failures, sources: readonly string[]) {
    this.failures = failures
    this.sources = sources
  }

  /** Is somebody waiting? */
  get waiting(): boolean {
    return this.pending.size > 0
  }

  /** A ticket that will settle; known before its command is issued, which may run at once. */
  open(settle: Settle, hears: Hears): number {
    const ticket = ++this.last
    this.pending.set(ticket, { settle, hears })
    return ticket
  }

  /** Takes in events. A failure goes to the read that needs it, else to the first that comes after it. */
  take(list: Float64Array): void {
    const settled: (Settled & { settle: Settle })[] = []
    for (let i = 0; i < list.length; i += eventLength[list[i]]) {
      const [kind, first, second] = list.subarray(i, i + 3)
      if (kind === events.settled) {
        const ticket = this.pending.get(first)
        this.pending.delete(first)
        if (second && ticket?.hears !== 'nothing') this.failures.tell([second])
        const before = ticket ? this.heard(ticket.hears) : []
        if (ticket) settled.push({ settle: ticket.settle, needed: second ? [second] : [], before })
      } else if (kind === events.skipped) this.failures.skipped(first, second, userOf(list[i + 3]))
      else if (kind === events.failed) this.failed(first, list.subarray(i + 2, i + 8))
    }
    for (const s of settled) s.settle(s)
  }

  private heard(hears: Hears): number[] {
    return hears === 'nothing' ? [] : this.failures.untold(hears === 'all' ? undefined : hears)
  }

  private failed(error: number, [fault, id, tag, value, position, limit]: Float64Array): void {
    const kernel = Object.values(rows).find(row => row.id === id)?.name ?? Object.keys(commands)[id] ?? 'a command'
    const source = this.sources[tag % userUnit] ?? kernel
    this.failures.add(error, { fault, kernel, source, value, position, limit, user: userOf(tag) })
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
