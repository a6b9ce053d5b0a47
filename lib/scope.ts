import { types } from 'node:util'
import { DTypeError, describe, GradientError, OptionError, StateError } from './errors.js'
import type { Tensor } from './tensor.js'

/** Scopes collect the tensors made inside them; leaving one disposes all but those that are kept. */
const stack: Set<Tensor>[] = []

/** Called for every new tensor. */
export function enter(tensor: Tensor): void {
  stack.at(-1)?.add(tensor)
}

/** A result that reaches more objects than this is no result, but somebody's whole world. */
const objectLimit = 1_000_000

/**
 * Moves the tensors that a result reaches out of `made` into the scope around: those in arrays, maps, sets and fields of
 * objects, a module's parameters among them. What closures and private `#fields` hold cannot be seen.
 */
function rescue(result: unknown, made: Set<Tensor>): void {
  if (result === null || typeof result !== 'object') return
  const seen = new Set<object>([result])
  const todo: object[] = [result]
  const meet = (value: unknown): void => {
    if (value === null || typeof value !== 'object' || seen.has(value)) return
    seen.add(value)
    todo.push(value)
  }
  for (let value = todo.pop(); value && made.size > 0; value = todo.pop()) {
    if (seen.size > objectLimit)
      throw new StateError(
        'tidy',
        `the result reaches more than ${objectLimit} objects`,
        'return less, or keep() tensors',
      )
    if ('storage' in value && 'dispose' in value) {
      if (made.delete(value as Tensor)) enter(value as Tensor)
    } else if (Array.isArray(value)) for (const item of value) meet(item)
    else if (ArrayBuffer.isView(value)) continue
    else {
      if (types.isMap(value)) for (const key of value.keys()) meet(key)
      if (types.isMap(value) || types.isSet(value)) for (const item of value.values()) meet(item)
      for (const field of Object.values(value)) meet(field)
    }
  }
}

export function checkFunction(op: string, fn: unknown): void {
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
 * Runs a function and disposes the tensors it made, except those that its result reaches: the result itself, and what is
 * in its arrays, maps, sets and the fields of its objects. Closures and private `#fields` are not seen: use `keep`.
 *
 * @throws OptionError if the function is asynchronous.
 * @example
 * const total = tidy(() => tensor([1, 2, 3]).square().sum())
 * await total.item() // 14
 */
export function tidy<T>(fn: () => T): T {
  checkFunction('tidy', fn)
  const made = new Set<Tensor>()
  const outside = stack.push(made) - 1
  try {
    const result = refusePromise('tidy', fn())
    stack.length = outside
    rescue(result, made)
    return result
  } finally {
    stack.length = outside // without a call, which could fail where the stack is full
    for (const tensor of made) tensor.disposeBy('tidy()')
  }
}

/** Puts a tensor that was kept for a while into the scope that is open now. Returns it. */
export function entered<T extends Tensor>(tensor: T): T {
  enter(tensor)
  return tensor
}

/**
 * Takes a tensor out of the scope it was made in, so that it outlives it. Returns it.
 *
 * @throws StateError if it was disposed.
 */
export function keep<T extends Tensor>(tensor: T): T {
  if (!(tensor as unknown) || typeof tensor.checkAlive !== 'function')
    throw new DTypeError('keep', `expected a tensor, got ${describe(tensor)}`, 'keep the tensors one by one')
  tensor.checkAlive('keep')
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
