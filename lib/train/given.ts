/** What functions of the user give back is checked here: an error names the function, and no promise is left alone. */
import { DeviceError, DTypeError, describe, OptionError, ShapeError } from '../errors.js'
import { isTensor } from '../ops/define.js'
import type { Device } from '../runtime/device.js'
import { format } from '../shape.js'
import type { Tensor } from '../tensor.js'

const isPromise = (value: unknown): value is PromiseLike<unknown> =>
  value !== null && typeof value === 'object' && typeof (value as PromiseLike<unknown>).then === 'function'

const AsyncFunction = (async () => {}).constructor

/** A function that can be called. */
export function checkFunction<F>(op: string, what: string, fn: unknown, form: string): F {
  if (typeof fn !== 'function') throw new OptionError(op, `${what} must be a function ${form}, got ${describe(fn)}`)
  if (/^class\b/.test(Function.prototype.toString.call(fn)))
    throw new OptionError(op, `${what} must be a function ${form}, got a class`, 'it would have to be called with new')
  return fn as F
}

/** A function that is not known to be asynchronous. */
export function checkSynchronous<F>(op: string, what: string, fn: unknown, form: string): F {
  if (fn instanceof AsyncFunction) throw new OptionError(op, `${what} must not be an async function`, later)
  return checkFunction(op, what, fn, form)
}

const later = 'it is called in the middle of a step; what must be awaited belongs into onEpochEnd, or after predict()'

/** A result that is there at once. A promise is refused, and what becomes of it is nobody's failure any more. */
export function atOnce<T>(op: string, what: string, value: T): T {
  if (!isPromise(value)) return value
  value.then(
    () => {},
    () => {},
  )
  throw new OptionError(op, `${what} must give its result at once, got a promise`, later)
}

/** The tensor that a module gives. */
export function checkOutput(op: string, module: object, value: unknown): Tensor {
  const what = `forward() of ${module.constructor.name}`
  if (isTensor(atOnce(op, what, value))) return value as Tensor
  throw new DTypeError(
    op,
    `${what} must give a tensor, got ${describe(value)}`,
    value === undefined
      ? 'does it return its result?'
      : 'a module with several outputs needs a training loop of its own',
  )
}

/** The number, as a tensor, that a loss or a metric gives. */
export function checkNumber(op: string, name: string, value: unknown, device: Device): Tensor {
  const number = atOnce(op, `'${name}'`, value)
  if (!isTensor(number))
    throw new DTypeError(
      op,
      `'${name}' must give a tensor of one element, got ${describe(value)}`,
      value === undefined
        ? 'does it return its result?'
        : op === 'loss'
          ? 'compute it with operations on tensors: only through them gradients flow'
          : 'compute it with operations, or wrap it in tensor(…)',
    )
  if (number.size !== 1)
    throw new ShapeError(op, `'${name}' must give one number, got shape ${format(number.shape)}`, 'take its mean()')
  if (number.device !== device)
    throw new DeviceError(op, `'${name}' gives a tensor on ${number.device}, the model is on ${device}`)
  return number
}
