import { describe, GradientError, OptionError } from './errors.js'
import type { Tensor } from './tensor.js'

/** Scopes collect the tensors made inside them; leaving one disposes all but those that are kept. */
const stack: Set<Tensor>[] = []

/** Called for every new tensor. */
export function enter(tensor: Tensor): void {
  stack.at(-1)?.add(tensor)
}

/** The tensors in a result: itself, or those in arrays and plain objects. */
function* tensorsIn(value: unknown, depth = 0): Generator<Tensor> {
  if (value === null || typeof value !== 'object' || depth > 8) return
  if ('storage' in value && 'dispose' in value) yield value as Tensor
  else if (Array.isArray(value)) for (const item of value) yield* tensorsIn(item, depth + 1)
  else if (Object.getPrototypeOf(value) === Object.prototype)
    for (const item of Object.values(value)) yield* tensorsIn(item, depth + 1)
}

function checkFunction(op: string, fn: unknown): void {
  if (typeof fn !== 'function') throw new OptionError(op, `expected a function, got ${describe(fn)}`, 'write () => …')
}

/** Async functions are refused: what happens after their first await would escape the scope. */
export function refusePromise<T>(op: string, result: T): T {
  if (typeof (result as PromiseLike<unknown> | undefined)?.then === 'function') {
    // The error below says what is wrong; an unhandled rejection would hide it.
    ;(result as PromiseLike<unknown>).then(
      () => {},
      () => {},
    )
    throw new OptionError(
      op,
      'expected a synchronous function, got one that returns a promise',
      'await outside, or use `using` and dispose()',
    )
  }
  return result
}

/**
 * Runs a function and disposes the tensors it made, except those it returns (also within arrays and plain objects).
 *
 * @throws OptionError if the function is asynchronous.
 * @example
 * const total = tidy(() => tensor([1, 2, 3]).square().sum())
 * await total.item() // 14
 */
export function tidy<T>(fn: () => T): T {
  checkFunction('tidy', fn)
  const made = new Set<Tensor>()
  stack.push(made)
  let result: T
  try {
    result = refusePromise('tidy', fn())
  } catch (error) {
    stack.pop()
    for (const tensor of made) tensor.dispose()
    throw error
  }
  stack.pop()
  for (const tensor of tensorsIn(result)) {
    if (made.delete(tensor)) enter(tensor)
  }
  for (const tensor of made) tensor.dispose()
  return result
}

/** Puts a tensor that was kept for a while into the scope that is open now. Returns it. */
export function entered<T extends Tensor>(tensor: T): T {
  enter(tensor)
  return tensor
}

/** Takes a tensor out of the scope it was made in, so that it outlives it. */
export function keep<T extends Tensor>(tensor: T): T {
  for (const made of stack) made.delete(tensor)
  return tensor
}

let recording = true

/** Are operations recorded for backward? */
export function isRecording(): boolean {
  return recording
}

export function withRecording<T>(on: boolean, op: string, fn: () => T): T {
  checkFunction(op, fn)
  const before = recording
  recording = on
  try {
    return refusePromise(op, fn())
  } finally {
    recording = before
  }
}

/**
 * Runs a function without recording for backward.
 *
 * @throws OptionError if the function is asynchronous.
 * @example
 * const x = tensor([1, 2]).requiresGrad_()
 * const y = noGrad(() => x.mul(2))
 * y.requiresGrad // false
 */
export function noGrad<T>(fn: () => T): T {
  return withRecording(false, 'noGrad', fn)
}

/** In-place changes would falsify recorded values; they are for leaves under `noGrad`. */
export function refuseRecorded(
  op: string,
  tensor: Tensor,
  problem = 'a tensor that requires a gradient cannot be changed in place while recording',
): void {
  if (recording && tensor.requiresGrad) throw new GradientError(op, problem, 'wrap it in noGrad(() => …)')
}
