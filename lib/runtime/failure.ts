import { DeviceError, type GradusError, IndexError, MemoryError, StateError } from '../errors.js'

/** A failed command, as the executor tells it. */
export interface Failure {
  readonly fault: number
  readonly kernel: string
  /** The op that issued the command, with its layer path. */
  readonly source: string
  readonly value: number
  readonly position: number
  /** How many indices there are. */
  readonly limit: number
}

const broken = 'this is a bug in Gradus or in a custom op; please report it'

/** Texts by fault number; the order of Fault in native/types.h. */
const texts: readonly ((f: Failure) => GradusError)[] = [
  f => new StateError(f.source, 'no fault'),
  f =>
    new IndexError(
      f.source,
      `index ${f.value} at position ${f.position} is out of range for size ${f.limit}`,
      f.limit > 0 ? `indices run from 0 to ${f.limit - 1}` : 'nothing can be picked from an empty axis',
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
  private readonly all = new Map<
    number,
    Failure & { /** Steps that had been issued when somebody was told. */ told?: number }
  >()
  private readonly open = new Set<number>()

  add(error: number, failure: Failure): void {
    this.all.set(error, failure)
    this.open.add(error)
  }

  /** The errors that nobody has been told of, oldest first. */
  untold(): number[] {
    return [...this.open]
  }

  /** Of these errors, those that are still untold; now somebody is told. `steps`: how many have been issued. */
  tell(errors: readonly number[], steps: number): number[] {
    const news = errors.filter(error => this.open.delete(error))
    for (const error of news) this.all.get(error)!.told = steps
    return news
  }

  /** A step was skipped. If it was issued after somebody was told why, it is news again: training does not go on. */
  skipped(error: number, step: number): void {
    const failure = this.all.get(error)
    if (failure?.told !== undefined && step > failure.told) this.open.add(error)
  }

  /** The first as an error to throw, the others in its `others`: one mistake often fails several commands. */
  errorOf([first, ...others]: readonly number[]): GradusError {
    const error = failureError(this.all.get(first)!)
    error.others = others.map(e => failureError(this.all.get(e)!))
    return error
  }
}
