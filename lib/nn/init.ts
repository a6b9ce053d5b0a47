/** Initialisers: they fill a tensor in place and return it. Fans: a weight [out, in, …] has fanIn = in·…, fanOut = out·…. */
import { full, normal, uniform } from '../creation.js'
import { checkOptions, OptionError, ShapeError } from '../errors.js'
import { assign_ } from '../ops/movement.js'
import type { Generator } from '../random.js'
import { noGrad } from '../scope.js'
import { format, type Shape, sizeOf } from '../shape.js'
import type { Tensor } from '../tensor.js'

export interface InitOptions {
  /** Where the random numbers come from. Default: the default generator. */
  generator?: Generator
  /** Multiplies the standard deviation. Default: 1. See `gain`. */
  gain?: number
}
export interface KaimingOptions extends Omit<InitOptions, 'gain'> {
  /** Keeps the variance in the forward ('fanIn') or in the backward pass ('fanOut'). Default: 'fanIn'. */
  mode?: 'fanIn' | 'fanOut'
  /** The activation that follows. Default: 'leakyRelu' with slope 0. */
  nonlinearity?: Nonlinearity
  /** The slope of leakyRelu. Default: 0. */
  slope?: number
}
export type Nonlinearity = 'linear' | 'sigmoid' | 'tanh' | 'relu' | 'leakyRelu'

function put(x: Tensor, make: (options: { dtype: Tensor['dtype']; device: Tensor['device'] }) => Tensor): Tensor {
  return noGrad(() => {
    const values = make({ dtype: x.dtype, device: x.device })
    assign_(x, values)
    values.dispose()
    return x
  })
}

/** Draws are made in float32 and converted, so that all dtypes and devices start from the same values. */
function draw(x: Tensor, make: (options: { device: Tensor['device'] }) => Tensor): Tensor {
  return put(x, ({ device }) => make({ device }))
}

/** The fans of a weight of this shape. */
export function fans(op: string, shape: Shape): { fanIn: number; fanOut: number } {
  if (shape.length < 2) throw new ShapeError(op, `fans need at least two dims, got shape ${format(shape)}`)
  const field = sizeOf(shape.slice(2))
  return { fanIn: shape[1] * field, fanOut: shape[0] * field }
}

/** The factor by which an activation shrinks the standard deviation, inverted: as PyTorch's `calculate_gain`. */
export function gain(nonlinearity: Nonlinearity, slope = 0): number {
  const gains = { linear: 1, sigmoid: 1, tanh: 5 / 3, relu: Math.SQRT2, leakyRelu: Math.sqrt(2 / (1 + slope * slope)) }
  if (!Object.hasOwn(gains, nonlinearity))
    throw new OptionError('gain', `unknown nonlinearity '${nonlinearity}'`, `use ${Object.keys(gains).join(', ')}`)
  return gains[nonlinearity]
}

/** All 0. */
export function zeros_(x: Tensor): Tensor {
  return constant_(x, 0)
}
/** All 1. */
export function ones_(x: Tensor): Tensor {
  return constant_(x, 1)
}
/** All of one value. */
export function constant_(x: Tensor, value: number): Tensor {
  return put(x, options => full(x.shape, value, options))
}
/** Uniform in [low, high). */
export function uniform_(x: Tensor, low = 0, high = 1, { generator }: InitOptions = {}): Tensor {
  return draw(x, options => uniform(x.shape, low, high, { ...options, generator }))
}
/** Normal with the given mean and standard deviation. */
export function normal_(x: Tensor, mean = 0, deviation = 1, { generator }: InitOptions = {}): Tensor {
  return draw(x, options => normal(x.shape, mean, deviation, { ...options, generator }))
}

/** U(−a, a) with a = gain·√(6/(fanIn + fanOut)). Glorot & Bengio (2010); Keras's glorot_uniform. */
export function xavierUniform_(x: Tensor, options: InitOptions = {}): Tensor {
  checkOptions('xavierUniform_', options, ['generator', 'gain'])
  const { fanIn, fanOut } = fans('xavierUniform_', x.shape)
  const bound = (options.gain ?? 1) * Math.sqrt(6 / (fanIn + fanOut))
  return uniform_(x, -bound, bound, options)
}
/** N(0, σ²) with σ = gain·√(2/(fanIn + fanOut)). Glorot & Bengio (2010). */
export function xavierNormal_(x: Tensor, options: InitOptions = {}): Tensor {
  checkOptions('xavierNormal_', options, ['generator', 'gain'])
  const { fanIn, fanOut } = fans('xavierNormal_', x.shape)
  return normal_(x, 0, (options.gain ?? 1) * Math.sqrt(2 / (fanIn + fanOut)), options)
}

function kaimingDeviation(op: string, x: Tensor, options: KaimingOptions): number {
  checkOptions(op, options, ['generator', 'mode', 'nonlinearity', 'slope'])
  const { mode = 'fanIn', nonlinearity = 'leakyRelu', slope = 0 } = options
  const fan = fans(op, x.shape)
  if (mode !== 'fanIn' && mode !== 'fanOut')
    throw new OptionError(op, `mode must be 'fanIn' or 'fanOut', got '${mode}'`)
  return gain(nonlinearity, slope) / Math.sqrt(fan[mode])
}
/** U(−a, a) with a = gain·√(3/fan). He et al. (2015). */
export function kaimingUniform_(x: Tensor, options: KaimingOptions = {}): Tensor {
  const bound = Math.sqrt(3) * kaimingDeviation('kaimingUniform_', x, options)
  return uniform_(x, -bound, bound, options)
}
/** N(0, σ²) with σ = gain/√fan. He et al. (2015). */
export function kaimingNormal_(x: Tensor, options: KaimingOptions = {}): Tensor {
  return normal_(x, 0, kaimingDeviation('kaimingNormal_', x, options), options)
}
