/** Initialisers: they fill a tensor in place and return it. Fans: a weight [out, in, …] has fanIn = in·…, fanOut = out·…. */
import { checkNumber, full } from '../creation.js'
import { normal, uniform } from '../draws.js'
import { isFloating } from '../dtype.js'
import { checkOptions, DTypeError, describe, OptionError, ShapeError } from '../errors.js'
import { checkTensor } from '../ops/define.js'
import { assign_ } from '../ops/movement.js'
import type { Generator } from '../random.js'
import type { Device } from '../runtime/device.js'
import { noGrad } from '../scope.js'
import { format, type Shape, sizeOf } from '../shape.js'
import type { Tensor } from '../tensor.js'

export interface InitOptions {
  /** Where the random numbers come from. Default: the default generator. */
  generator?: Generator | undefined
  /** Multiplies the standard deviation. Default: 1. See `gain`. */
  gain?: number | undefined
}
export interface KaimingOptions extends Omit<InitOptions, 'gain'> {
  /** Keeps the variance in the forward ('fanIn') or in the backward pass ('fanOut'). Default: 'fanIn'. */
  mode?: 'fanIn' | 'fanOut' | undefined
  /** The activation that follows. Default: 'leakyRelu' with slope 0. */
  nonlinearity?: Nonlinearity | undefined
  /** The slope of leakyRelu. Default: 0. */
  slope?: number | undefined
}
export type Nonlinearity = 'linear' | 'sigmoid' | 'tanh' | 'relu' | 'leakyRelu'

/** Fills a tensor with values that are made for it. */
function put(op: string, x: Tensor, make: (options: { dtype: Tensor['dtype']; device: Device }) => Tensor): Tensor {
  checkTensor(op, x)
  return noGrad(() => {
    const values = make({ dtype: x.dtype, device: x.device })
    try {
      return assign_(x, values)
    } finally {
      values.dispose()
    }
  })
}

/** Draws are made in float32 and converted, so that all dtypes and devices start from the same values. */
function draw(op: string, x: Tensor, make: (options: { device: Device }) => Tensor): Tensor {
  if (!isFloating(checkTensor(op, x).dtype))
    throw new DTypeError(op, `expected a floating tensor, got ${x.dtype}`, 'random numbers would be cut to whole ones')
  return put(op, x, ({ device }) => make({ device }))
}

/** The fans of a weight of this shape. */
function fans(op: string, shape: Shape): { fanIn: number; fanOut: number } {
  if (shape.length < 2) throw new ShapeError(op, `fans need at least two dims, got shape ${format(shape)}`)
  const field = sizeOf(shape.slice(2))
  return { fanIn: shape[1] * field, fanOut: shape[0] * field }
}

/** The factor by which an activation shrinks the standard deviation, inverted: as PyTorch's `calculate_gain`. */
export function gain(nonlinearity: Nonlinearity, slope = 0): number {
  checkNumber('gain', 'slope', slope)
  const gains = { linear: 1, sigmoid: 1, tanh: 5 / 3, relu: Math.SQRT2, leakyRelu: Math.sqrt(2 / (1 + slope * slope)) }
  if (typeof nonlinearity !== 'string' || !Object.hasOwn(gains, nonlinearity))
    throw new OptionError(
      'gain',
      `unknown nonlinearity ${describe(nonlinearity)}`,
      `use ${Object.keys(gains).join(', ')}`,
    )
  return gains[nonlinearity]
}

/** All 0. */
export function zeros_(x: Tensor): Tensor {
  return put('zeros_', x, options => full(x.dims, 0, options))
}
/** All 1. */
export function ones_(x: Tensor): Tensor {
  return put('ones_', x, options => full(x.dims, 1, options))
}
/** All of one value. */
export function constant_(x: Tensor, value: number): Tensor {
  if (typeof value !== 'number') throw new OptionError('constant_', `value must be a number, got ${describe(value)}`)
  return put('constant_', x, options => full(x.dims, value, options))
}
/** Uniform in [low, high). */
export function uniform_(x: Tensor, low = 0, high = 1, options: Omit<InitOptions, 'gain'> = {}): Tensor {
  checkOptions('uniform_', options, ['generator'])
  return uniformly('uniform_', x, checkNumber('uniform_', 'low', low), checkNumber('uniform_', 'high', high), options)
}
/** Normal with the given mean and standard deviation. */
export function normal_(x: Tensor, mean = 0, deviation = 1, options: Omit<InitOptions, 'gain'> = {}): Tensor {
  checkOptions('normal_', options, ['generator'])
  checkNumber('normal_', 'mean', mean)
  return normally('normal_', x, mean, checkNumber('normal_', 'deviation', deviation), options)
}

function uniformly(op: string, x: Tensor, low: number, high: number, { generator }: InitOptions): Tensor {
  return draw(op, x, options => uniform(x.dims, low, high, { ...options, generator }))
}
function normally(op: string, x: Tensor, mean: number, deviation: number, { generator }: InitOptions): Tensor {
  return draw(op, x, options => normal(x.dims, mean, deviation, { ...options, generator }))
}

function xavierDeviation(op: string, x: Tensor, options: InitOptions): number {
  checkTensor(op, x)
  checkOptions(op, options, ['generator', 'gain'])
  const { fanIn, fanOut } = fans(op, x.dims)
  return checkNumber(op, 'gain', options.gain ?? 1) * Math.sqrt(2 / (fanIn + fanOut))
}
/** U(−a, a) with a = gain·√(6/(fanIn + fanOut)). Glorot & Bengio (2010); Keras's glorot_uniform. */
export function xavierUniform_(x: Tensor, options: InitOptions = {}): Tensor {
  const bound = Math.sqrt(3) * xavierDeviation('xavierUniform_', x, options)
  return uniformly('xavierUniform_', x, -bound, bound, options)
}
/** N(0, σ²) with σ = gain·√(2/(fanIn + fanOut)). Glorot & Bengio (2010). */
export function xavierNormal_(x: Tensor, options: InitOptions = {}): Tensor {
  return normally('xavierNormal_', x, 0, xavierDeviation('xavierNormal_', x, options), options)
}

function kaimingDeviation(op: string, x: Tensor, options: KaimingOptions): number {
  checkTensor(op, x)
  checkOptions(op, options, ['generator', 'mode', 'nonlinearity', 'slope'])
  const { mode = 'fanIn', nonlinearity = 'leakyRelu', slope = 0 } = options
  const fan = fans(op, x.dims)
  if (mode !== 'fanIn' && mode !== 'fanOut')
    throw new OptionError(op, `mode must be 'fanIn' or 'fanOut', got ${describe(mode)}`)
  return gain(nonlinearity, slope) / Math.sqrt(fan[mode])
}
/** U(−a, a) with a = gain·√(3/fan). He et al. (2015). */
export function kaimingUniform_(x: Tensor, options: KaimingOptions = {}): Tensor {
  const bound = Math.sqrt(3) * kaimingDeviation('kaimingUniform_', x, options)
  return uniformly('kaimingUniform_', x, -bound, bound, options)
}
/** N(0, σ²) with σ = gain/√fan. He et al. (2015). */
export function kaimingNormal_(x: Tensor, options: KaimingOptions = {}): Tensor {
  return normally('kaimingNormal_', x, 0, kaimingDeviation('kaimingNormal_', x, options), options)
}
