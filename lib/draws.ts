/** Tensors of random numbers. */

import { type CreateOptions, checkNumber, known, type Made, made, type Sizes, shapeAndOptions } from './creation.js'
import { checkDType, type DType, isFloating } from './dtype.js'
import { checkOptions, DTypeError, describe, OptionError } from './errors.js'
import type { Asked } from './promotion.js'
import { type Generator, generatorOr } from './random.js'
import type { Stream } from './runtime/stream.js'
import { checkShape, type Shape, sizeOf } from './shape.js'
import type { Tensor } from './tensor.js'
import { element } from './values.js'

export interface RandomOptions<D extends DType = DType> extends CreateOptions<D> {
  /** Where the random numbers come from. Default: the default generator. */
  generator?: Generator | undefined
}

const knownRandom = [...known, 'generator']

function drawn(
  op: string,
  shape: Shape,
  options: RandomOptions,
  fallback: DType,
  bounds: readonly number[],
  write: (stream: Stream, y: Tensor, seed: number, offset: number) => void,
): Made {
  checkOptions(op, options, knownRandom)
  const dtype = checkDType(op, options.dtype ?? fallback)
  if (fallback === 'float32' && !isFloating(dtype))
    throw new DTypeError(op, `expected a floating dtype, got ${dtype}`, 'use randint() for whole numbers')
  if (dtype === 'bool')
    throw new DTypeError(op, 'expected a dtype of numbers, got bool', "use randint(shape, 0, 2).cast('bool')")
  for (const bound of bounds)
    if (dtype === 'float32' && !Number.isFinite(Math.fround(bound)))
      throw new OptionError(op, `${bound} is beyond the range of float32`)
  const { seed, offset } = generatorOr(op, options.generator).reserve(sizeOf(checkShape(op, shape)))
  return made(op, shape, dtype, options, (stream, y) => write(stream, y, seed, offset))
}

function uniformly(op: string, shape: Shape, low: number, high: number, options: RandomOptions): Made {
  if (checkNumber(op, 'low', low) > checkNumber(op, 'high', high))
    throw new OptionError(op, `low must not be above high, got ${low} and ${high}`)
  return drawn(op, shape, options, 'float32', [low, high], (stream, y, seed, offset) =>
    stream.k.uniform(y, low, high, seed, offset),
  )
}
/** Uniform random numbers in [0, 1): `rand([2, 3])`, or `rand(2, 3)`. */
export function rand<D extends DType = 'float32', S extends Shape = Shape>(
  shape: NoInfer<S>,
  options?: RandomOptions<D>,
): Tensor<Asked<D>, S>
export function rand<D extends DType = 'float32'>(...sizes: Sizes<RandomOptions<D>>): Tensor<Asked<D>>
export function rand(...given: unknown[]): Made {
  const [shape, options] = shapeAndOptions(given)
  return uniformly('rand', shape, 0, 1, options)
}
/** Uniform random numbers in [low, high). */
export function uniform<D extends DType = 'float32', S extends Shape = Shape>(
  shape: NoInfer<S>,
  low: number,
  high: number,
  options: RandomOptions<D> = {},
): Tensor<Asked<D>, S> {
  return uniformly('uniform', shape, low, high, options)
}

function normally(op: string, shape: Shape, mean: number, deviation: number, options: RandomOptions): Made {
  checkNumber(op, 'mean', mean)
  if (checkNumber(op, 'deviation', deviation) < 0)
    throw new OptionError(op, `deviation must be at least 0, got ${deviation}`)
  return drawn(op, shape, options, 'float32', [mean, deviation], (stream, y, seed, offset) =>
    stream.k.normal(y, mean, deviation, seed, offset),
  )
}
/** Normal random numbers with mean 0 and standard deviation 1: `randn([2, 3])`, or `randn(2, 3)`. */
export function randn<D extends DType = 'float32', S extends Shape = Shape>(
  shape: NoInfer<S>,
  options?: RandomOptions<D>,
): Tensor<Asked<D>, S>
export function randn<D extends DType = 'float32'>(...sizes: Sizes<RandomOptions<D>>): Tensor<Asked<D>>
export function randn(...given: unknown[]): Made {
  const [shape, options] = shapeAndOptions(given)
  return normally('randn', shape, 0, 1, options)
}
/** Normal random numbers with the given mean and standard deviation. */
export function normal<D extends DType = 'float32', S extends Shape = Shape>(
  shape: NoInfer<S>,
  mean: number,
  deviation: number,
  options: RandomOptions<D> = {},
): Tensor<Asked<D>, S> {
  return normally('normal', shape, mean, deviation, options)
}
/** Random whole numbers in [low, high): int32. */
export function randint<D extends DType = 'int32', S extends Shape = Shape>(
  shape: NoInfer<S>,
  low: number,
  high: number,
  options: RandomOptions<D> = {},
): Tensor<Asked<D>, S> {
  if (Array.isArray(low) || Array.isArray(high))
    throw new OptionError('randint', 'expected the shape first, then low and high', 'as in randint([2, 3], 0, 10)')
  if (!Number.isInteger(low) || !Number.isInteger(high) || high <= low)
    throw new OptionError(
      'randint',
      `low and high must be whole numbers with low < high, got ${describe(low)} and ${describe(high)}`,
    )
  element('randint', low, 'int32')
  element('randint', high - 1, 'int32')
  return drawn('randint', shape, options, 'int32', [], (stream, y, seed, offset) =>
    stream.k.randint(y, low, high, seed, offset),
  )
}
