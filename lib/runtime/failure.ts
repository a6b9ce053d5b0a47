import { DeviceError, type GradusError, IndexError, MemoryError, StateError, ValueError } from '../errors.js'

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
  /** On whose behalf the command was issued; 0: nobody's in particular. */
  readonly user: number
}

const broken = 'this is a bug in Gradus or in a custom op; please report it'

/** Texts by fault number; the order of Fault in native/types.h. */
const texts: readonly ((f: Failure) => GradusError)[] = [
  f => new StateError(f.source, 'the value was spoilt by a failure long ago', 'compute it again'),
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
  malformed,
  f =>
    new ValueError(
      f.source,
      `${f.limit === 0 ? 'probabilities' : 'targets'} must be in [0, 1], got ${Number(f.value.toPrecision(7))} at position ${f.position}`,
      f.limit === 0 ? 'for logits, use bceWithLogits' : undefined,
    ),
]

function malformed(f: Failure): GradusError {
  return new StateError(f.source, 'a malformed command', broken)
}

export function failureError(f: Failure): GradusError {
  return (texts[f.fault] ?? malformed)(f)
}

/** Failures whose text is kept: values that they spoilt may still be read. */
const kept = 10_000
const forgotten: Failure = { fault: 0, kernel: '', source: 'read', value: 0, position: 0, limit: 0, user: 0 }

/** The failures of a stream, and which of them nobody has been told of. */
export class Failures {
  private readonly all = new Map<
    number,
    Failure & { user: number /** Steps that had been issued when somebody was told. */; told?: number }
  >()
  private readonly open = new Set<number>()
  /** Users that have not ended. */
  private readonly users = new Set<number>()
  private lastUser = 0
  /** Steps that have been issued. */
  steps = 0
  /** Steps that are known to be skipped: how many, and the numbers of the last of them. */
  skippedSteps = 0
  private readonly lastSkipped = new Set<number>()

  /** A number for somebody whose failures are nobody else's: one run of `fit`, say. */
  openUser(): number {
    this.users.add(++this.lastUser)
    return this.lastUser
  }
  /** The user has ended. If it was told of a failure, what it left behind failed with it; if it gave up, it did not ask. */
  closeUser(user: number): void {
    this.tell(this.untold(user))
    this.users.delete(user)
  }

  add(error: number, failure: Failure): void {
    this.all.set(error, failure)
    this.open.add(error)
    if (failure.user !== 0 && !this.users.has(failure.user)) this.tell([error])
    const [oldest] = this.all.keys()
    if (this.all.size > kept && !this.open.has(oldest)) this.all.delete(oldest)
  }

  /** The errors that nobody has been told of, oldest first: of one user, or of all. */
  untold(user?: number): number[] {
    if (this.open.size === 0) return []
    return [...this.open].filter(error => user === undefined || this.all.get(error)!.user === user)
  }

  /** Of these errors, those that are still untold; now somebody is told. */
  tell(errors: readonly number[]): number[] {
    const news = errors.filter(error => this.open.delete(error))
    for (const error of news) this.all.get(error)!.told = this.steps
    return news
  }

  /**
   * A step was skipped. If it was issued after somebody was told why, it is news again, for the one who stepped: training
   * does not go on.
   */
  skipped(error: number, step: number, user: number): void {
    this.skippedSteps++
    this.lastSkipped.add(step)
    if (this.lastSkipped.size > kept) this.lastSkipped.delete(this.lastSkipped.values().next().value!)
    const failure = this.all.get(error)
    if (failure?.told === undefined || step <= failure.told) return
    failure.user = user
    this.open.add(error)
  }

  /** Is it known that this step was skipped? */
  wasSkipped(step: number): boolean {
    return this.lastSkipped.has(step)
  }

  /** Throws the first, if there is one, with the others in its `others`: one mistake often fails several commands. */
  throwIf([first, ...others]: readonly number[]): void {
    if (first === undefined) return
    const errorFor = (e: number): GradusError => failureError(this.all.get(e) ?? forgotten)
    const error = errorFor(first)
    error.others = others.map(errorFor)
    throw error
  }
}
