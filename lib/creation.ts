import { checkDType, type DType, isFloating, newArray } from './dtype.js'
import { checkOptions, DTypeError, describe, OptionError, ShapeError } from './errors.js'
import { streamFor, whole } from './ops/define.js'
import { type Generator, generatorOr } from './random.js'
import type { Device } from './runtime/device.js'
import type { Stream } from './runtime/stream.js'
import { checkShape, type Shape, sizeOf } from './shape.js'
import { Tensor } from './tensor.js'
import { adopted, element, elementsOf, type Values } from './values.js'

export interface CreateOptions {
  /** Element type. Default: float32, or what the given array says. */
  dtype?: DType
  /** Where the tensor lives. Default: the default device. */
  device?: Device
  /** Whether operations on it are recorded for backward. Default: false. */
  requiresGrad?: boolean
}
export interface TensorOptions extends CreateOptions {
  /**
   * Takes a typed array over instead of copying it: it is detached, and its memory becomes the tensor's. It must be of
   * the dtype and cover its whole ArrayBuffer. Default: false.
   */
  adopt?: boolean
}
export interface RandomOptions extends CreateOptions {
  /** Where the random numbers come from. Default: the default generator. */
  generator?: Generator
}

const known = ['dtype', 'device', 'requiresGrad']

function finish<S extends Shape>(t: Tensor<S>, options: CreateOptions): Tensor<S> {
  return options.requiresGrad ? t.requiresGrad_() : t
}

/** A tensor whose content one kernel writes. */
function made<const S extends Shape>(
  op: string,
  shape: S,
  dtype: DType,
  options: CreateOptions,
  write: (stream: Stream, y: Tensor) => void,
): Tensor<S> {
  const stream = streamFor(options.device)
  const y = new Tensor(stream.heap.allocate(op, dtype, sizeOf(checkShape(op, shape))), shape)
  stream.as(op, () => write(stream, y as unknown as Tensor))
  return finish(y, options)
}

export type { Values }

// ---- from JavaScript values ------------------------------------------------------------------------------------------

/**
 * A tensor from numbers, nested arrays or a typed array, which is copied: later changes to it have no effect. Numbers
 * become float32, booleans bool; a Float64Array stays float64, integer arrays become int32 (64-bit ones are checked).
 *
 * @param shape Another shape for the same elements.
 * @throws ShapeError if nested arrays are ragged or the shape does not fit; DTypeError if a value is not of the dtype.
 * @example
 * const x = tensor([[1, 2, 3], [4, 5, 6]])
 * x.shape // [2, 3]
 */
export function tensor(values: Values, options?: TensorOptions): Tensor
export function tensor<const S extends Shape>(values: Values, shape: S, options?: TensorOptions): Tensor<S>
export function tensor(values: Values, shapeOrOptions?: Shape | TensorOptions, more: TensorOptions = {}): Tensor {
  const given = Array.isArray(shapeOrOptions) ? (shapeOrOptions as Shape) : undefined
  const options = given ? more : ((shapeOrOptions as TensorOptions | undefined) ?? {})
  checkOptions('tensor', options, [...known, 'adopt'])
  const dtype = options.dtype === undefined ? undefined : checkDType('tensor', options.dtype)
  const { data, dtype: to, shape } = elementsOf('tensor', values, dtype)
  const wanted = given ? checkShape('tensor', given) : shape
  if (sizeOf(wanted) !== data.length)
    throw new ShapeError(
      'tensor',
      `${data.length} values do not fill shape [${wanted.join(', ')}] (${sizeOf(wanted)} elements)`,
    )
  const stream = streamFor(options.device)
  const content = options.adopt ? adopted(values, to) : data
  const storage = stream.heap.open('tensor', to, content.length)
  stream.upload('tensor', storage, content, options.adopt)
  return finish(new Tensor(storage, [...wanted]), options)
}

// ---- filled ----------------------------------------------------------------------------------------------------------

/** A tensor of one value. */
export function full<const S extends Shape>(shape: S, value: number | boolean, options: CreateOptions = {}): Tensor<S> {
  checkOptions('full', options, known)
  const dtype = checkDType('full', options.dtype ?? (typeof value === 'boolean' ? 'bool' : 'float32'))
  const v = element('full', Number(value), dtype)
  return made('full', shape, dtype, options, (stream, y) => stream.k.fill(whole(y), v))
}
/** A tensor of zeros. */
export function zeros<const S extends Shape>(shape: S, options: CreateOptions = {}): Tensor<S> {
  return full(shape, 0, options)
}
/** A tensor of ones. */
export function ones<const S extends Shape>(shape: S, options: CreateOptions = {}): Tensor<S> {
  return full(shape, 1, options)
}

/** Ones on the diagonal of an n × m matrix (m = n unless given), zeros elsewhere. */
export function eye(n: number, m: number = n, options: CreateOptions = {}): Tensor {
  checkOptions('eye', options, known)
  return made('eye', [n, m], checkDType('eye', options.dtype ?? 'float32'), options, (stream, y) => {
    stream.k.fill(whole(y), 0)
    const length = Math.min(n, m)
    if (length) stream.k.fill({ storage: y.storage, offset: 0, shape: [length], strides: [m + 1] }, 1)
  })
}

function checkNumber(op: string, name: string, value: unknown): number {
  if (typeof value === 'number' && Number.isFinite(value)) return value
  throw new OptionError(op, `${name} must be a finite number, got ${describe(value)}`)
}

/**
 * start, start + step, … up to, not including, `end`; with one argument, 0 to `start`. int32 if all are whole numbers.
 *
 * @example
 * await arange(2, 8, 2).toArray() // [2, 4, 6]
 */
export function arange(start: number, end?: number, step = 1, options: CreateOptions = {}): Tensor {
  checkOptions('arange', options, known)
  const [from, to] =
    end === undefined
      ? [0, checkNumber('arange', 'end', start)]
      : [checkNumber('arange', 'start', start), checkNumber('arange', 'end', end)]
  if (checkNumber('arange', 'step', step) === 0) throw new OptionError('arange', 'step must not be 0')
  const whole = Number.isInteger(from) && Number.isInteger(step) && Number.isInteger(to)
  const dtype = checkDType('arange', options.dtype ?? (whole ? 'int32' : 'float32'))
  const n = Math.max(0, Math.ceil((to - from) / step))
  return ramp('arange', n, from, step, dtype, options)
}

/** `count` numbers from `start` to `end`, both included, at equal distances. */
export function linspace(start: number, end: number, count: number, options: CreateOptions = {}): Tensor {
  checkOptions('linspace', options, known)
  if (!Number.isInteger(count) || count < 0)
    throw new OptionError('linspace', `count must be a whole number of at least 0, got ${describe(count)}`)
  const from = checkNumber('linspace', 'start', start)
  const step = count > 1 ? (checkNumber('linspace', 'end', end) - from) / (count - 1) : 0
  return ramp('linspace', count, from, step, checkDType('linspace', options.dtype ?? 'float32'), options)
}

function ramp(op: string, n: number, start: number, step: number, dtype: DType, options: CreateOptions): Tensor {
  const native = dtype === 'float32' || dtype === 'int32'
  if (!native && streamFor(options.device).device === 'native') {
    const data = newArray(dtype, n)
    for (let i = 0; i < n; i++) data[i] = element(op, start + i * step, dtype)
    return tensor(data, [n], { ...options, dtype })
  }
  return made(op, [n], dtype, options, (stream, y) => stream.k.arange(y, start, step))
}

// ---- random ----------------------------------------------------------------------------------------------------------

const knownRandom = [...known, 'generator']

function drawn<const S extends Shape>(
  op: string,
  shape: S,
  options: RandomOptions,
  fallback: DType,
  write: (stream: Stream, y: Tensor, seed: number, offset: number) => void,
): Tensor<S> {
  checkOptions(op, options, knownRandom)
  const dtype = checkDType(op, options.dtype ?? fallback)
  if (fallback === 'float32' && !isFloating(dtype))
    throw new DTypeError(op, `expected a floating dtype, got ${dtype}`, 'use randint() for whole numbers')
  const { seed, offset } = generatorOr(op, options.generator).reserve(sizeOf(checkShape(op, shape)))
  return made(op, shape, dtype, options, (stream, y) => write(stream, y, seed, offset))
}

/** Uniform random numbers in [0, 1). */
export function rand<const S extends Shape>(shape: S, options: RandomOptions = {}): Tensor<S> {
  return uniform(shape, 0, 1, options)
}
/** Uniform random numbers in [low, high). */
export function uniform<const S extends Shape>(
  shape: S,
  low: number,
  high: number,
  options: RandomOptions = {},
): Tensor<S> {
  return drawn('uniform', shape, options, 'float32', (stream, y, seed, offset) =>
    stream.k.uniform(y, checkNumber('uniform', 'low', low), checkNumber('uniform', 'high', high), seed, offset),
  )
}
/** Normal random numbers with mean 0 and standard deviation 1. */
export function randn<const S extends Shape>(shape: S, options: RandomOptions = {}): Tensor<S> {
  return normal(shape, 0, 1, options)
}
/** Normal random numbers with the given mean and standard deviation. */
export function normal<const S extends Shape>(
  shape: S,
  mean: number,
  deviation: number,
  options: RandomOptions = {},
): Tensor<S> {
  return drawn('normal', shape, options, 'float32', (stream, y, seed, offset) =>
    stream.k.normal(
      y,
      checkNumber('normal', 'mean', mean),
      checkNumber('normal', 'deviation', deviation),
      seed,
      offset,
    ),
  )
}
/** Random whole numbers in [low, high): int32. */
export function randint<const S extends Shape>(
  shape: S,
  low: number,
  high: number,
  options: RandomOptions = {},
): Tensor<S> {
  if (!Number.isInteger(low) || !Number.isInteger(high) || high <= low)
    throw new OptionError('randint', `low and high must be whole numbers with low < high, got ${low} and ${high}`)
  return drawn('randint', shape, options, 'int32', (stream, y, seed, offset) =>
    stream.k.randint(y, low, high, seed, offset),
  )
}

/** A tensor of zeros with shape, dtype and device of another. */
export function zerosLike<S extends Shape>(x: Tensor<S>): Tensor<S> {
  return full(x.shape as S, 0, { dtype: x.dtype, device: x.device })
}
/** A tensor of ones with shape, dtype and device of another. */
export function onesLike<S extends Shape>(x: Tensor<S>): Tensor<S> {
  return full(x.shape as S, 1, { dtype: x.dtype, device: x.device })
}
