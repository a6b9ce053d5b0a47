import { DeviceError, type GradusError, IndexError, MemoryError, StateError } from '../errors.js'

/** A failed command, as the executor tells it. */
export interface Failure {
  readonly fault: number
  readonly kernel: string
  /** The op that issued the command, with its layer path. */
  readonly source: string
  readonly value: number
  readonly position: number
}

const broken = 'this is a bug in Gradus or in a custom op; please report it'

/** Texts by fault number; the order of Fault in native/types.h. */
const texts: readonly ((f: Failure) => GradusError)[] = [
  f => new StateError(f.source, 'no fault'),
  f =>
    new IndexError(
      f.source,
      `index ${f.value} at position ${f.position} is out of range`,
      'indices run from 0 to size − 1',
    ),
  f =>
    new MemoryError(
      f.source,
      `no memory for ${f.value ? `${f.value} bytes` : 'the command'}`,
      'use smaller batches, or dispose tensors earlier',
    ),
  f => new StateError(f.source, `${f.kernel} was given a buffer that is not alive`, broken),
  f => new StateError(f.source, `${f.kernel} would read or write outside a buffer`, broken),
  f => new StateError(f.source, `the sizes given to ${f.kernel} do not fit together`, broken),
  f => new StateError(f.source, 'unknown kernel', 'the addon is of another build: run npm run build'),
  f => new StateError(f.source, `${f.kernel} would write over its own input`, broken),
  f => new DeviceError(f.source, `${f.kernel} does not exist for this dtype on this device`),
  f => new StateError(f.source, `${f.kernel} wrote outside its buffer`, broken),
  f => new StateError(f.source, 'a malformed command', broken),
]

export function failureError(f: Failure): GradusError {
  return (texts[f.fault] ?? texts[texts.length - 1])(f)
}

/** The failures of a stream, and which of them nobody has been told of. */
export class Failures {
  private readonly all = new Map<number, Failure>()
  private readonly unreported: number[] = []

  add(error: number, failure: Failure): void {
    this.all.set(error, failure)
    this.unreported.push(error)
  }

  /**
   * Throws the given failure, or the oldest that nobody has been told of; others wait in its `others`, since one mistake
   * often fails several commands. After it, the stream goes on.
   */
  check(error: number): void {
    const first = error || this.unreported[0]
    if (!first) return
    const thrown = failureError(this.all.get(first)!)
    const others = this.unreported.splice(0).filter(e => e !== first)
    thrown.others = others.map(e => failureError(this.all.get(e)!))
    throw thrown
  }
}
