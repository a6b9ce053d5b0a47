import type { Buf } from '../dtype.js'

/** Kinds of events; the order of native/runtime/interpreter.h. */
export const events = { settled: 0, failed: 1, returned: 2, skipped: 3 } as const
/** How many numbers an event has, by kind. */
export const eventLength: readonly number[] = [3, 8, 2, 4]

/**
 * Who runs the records of a stream. The addon's Stream class is one; runtime/js.ts is the other.
 * Events come as numbers: `settled, ticket, error`; `failed, error, fault, id, tag, value, position, limit`; `returned, id` for
 * lent memory; `skipped, error, step, tag` for the effects of a step that were not carried out, steps counted from 1.
 */
export interface Executor {
  /** Copies a value (or, if lent, uses its memory), to be taken over by an upload record. False: no memory. */
  stage(id: number, data: Buf, lent: boolean): boolean
  /** Says which array a read record with this ticket fills. */
  expect(ticket: number, target: Buf): void
  /** Runs records in the background. Never waits. `cost`: estimated nanoseconds. Takes all, or throws and takes nothing. */
  submit(words: Float64Array, count: number, slots: Float64Array, cost: number): void
  /**
   * Finishes what was submitted, then runs these records before it returns. Takes all, or throws and takes nothing; what it
   * took and could not finish, since the caller's stack is full, is submitted.
   */
  run(words: Float64Array, count: number, slots: Float64Array): void
  drain(): Float64Array
  /** Estimated nanoseconds of submitted work not yet done. */
  inFlight(): number
  /** Bytes of records, and of copies for upload, that wait. */
  queued(): number
  /** Waits until no more bytes are queued. */
  waitBelow(bytes: number): void
  /** Committed steps and executed records. */
  counts(): ArrayLike<number>
  /** Whether pending work keeps the process alive. */
  hold(pending: boolean): void
  close(): void
}
