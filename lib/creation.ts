import { type AnyDType, allocated, checkDType, type DType, dtypes, isFloating } from './dtype.js'
import { checkOptions, DeviceError, describe, GradientError, OptionError, ShapeError } from './errors.js'
import { cast, checkTensor, type Gradient, record, streamFor, uploaded, whole } from './ops/define.js'
import { clone } from './ops/movement.js'
import { reshape } from './ops/view.js'
import type { Asked, OfNumber, OfValues } from './promotion.js'
import { checkDevice, type Device } from './runtime/device.js'
import type { Stream } from './runtime/stream.js'
import { noGrad, tidy } from './scope.js'
import { checkShape, type Shape, sizeOf } from './shape.js'
import { Tensor } from './tensor.js'
import { adopted, checkAdoptable, element, elementsOf, type Values } from './values.js'

export interface CreateOptions<D extends DType = DType> {
  /** Element type. Default: float32, or what the given array says. */
  dtype?: D | undefined
  /** Where the tensor lives. Default: the default device. */
  device?: Device | undefined
  /** Whether operations on it are recorded for backward. Default: false. */
  requiresGrad?: boolean | undefined
}
export interface TensorOptions<D extends DType = DType> extends CreateOptions<D> {
  /**
   * Takes a typed array over instead of copying it: it is detached, and its memory becomes the tensor's. It must be of
   * the dtype and cover its whole ArrayBuffer. Default: false.
   */
  adopt?: boolean | undefined
}

/** @internal A tensor of the dtype and shape that a public function says. */
// biome-ignore lint/suspicious/noExplicitAny: it takes any shape
export type Made = Tensor<AnyDType, any>

/** @internal The names in `CreateOptions`. */
export const known: readonly string[] = ['dtype', 'device', 'requiresGrad']

/** Refused before anything is made. */
function checkGradient(op: string, options: CreateOptions, dtype: DType): void {
  if (options.requiresGrad && !isFloating(dtype))
    throw new GradientError(op, `only floating tensors have gradients, got ${dtype}`, "use dtype 'float32'")
}

function finish(t: Made, options: CreateOptions): Made {
  return options.requiresGrad ? t.requiresGrad_() : t
}

/** @internal A tensor whose content one kernel writes. */
export function made(
  op: string,
  shape: Shape,
  dtype: DType,
  options: CreateOptions,
  write: (stream: Stream, y: Tensor) => void,
): Made {
  checkGradient(op, options, dtype)
  const stream = streamFor(options.device)
  const own = checkShape(op, shape)
  const y = new Tensor(stream.heap.allocate(op, dtype, sizeOf(own)), own)
  stream.as(op, () => write(stream, y))
  return finish(y, options)
}

export type { Values }

// ---- from JavaScript values ------------------------------------------------------------------------------------------

/**
 * A tensor from numbers, nested arrays (their rows may be typed arrays), a typed array or another tensor, which is copied:
 * later changes to it have no effect. Numbers become float32, booleans bool, bigints int32; a Float64Array stays float64,
 * as in NumPy, integer arrays become int32 (32- and 64-bit ones are checked). Of mixed ones: what holds them all.
 *
 * @param shape Another shape for the same elements.
 * @throws ShapeError if nested arrays are ragged or the shape does not fit; DTypeError if a value is not of the dtype.
 * @example
 * const x = tensor([[1, 2, 3], [4, 5, 6]])
 * x.shape // [2, 3]
 */
export function tensor<V extends Values | Tensor, D extends DType = OfValues<V>>(
  values: V,
  options?: TensorOptions<D>,
): Tensor<Asked<D>>
export function tensor<V extends Values | Tensor, D extends DType = OfValues<V>, S extends Shape = Shape>(
  values: V,
  shape: NoInfer<S>,
  options?: TensorOptions<D>,
): Tensor<Asked<D>, S>
export function tensor(
  values: Values | Tensor,
  shapeOrOptions?: Shape | TensorOptions,
  more: TensorOptions = {},
): Made {
  const given = Array.isArray(shapeOrOptions) ? (shapeOrOptions as Shape) : undefined
  const options = given ? more : ((shapeOrOptions as TensorOptions | undefined) ?? {})
  checkOptions('tensor', options, [...known, 'adopt'])
  const dtype = options.dtype === undefined ? undefined : checkDType('tensor', options.dtype)
  if (values instanceof Tensor) return copied(values, given, dtype, options)
  return tensorOf('tensor', values, options, given)
}

/** @internal A tensor from JavaScript values, for an op that has its own name for them. */
export function tensorOf(op: string, values: Values, options: TensorOptions, given?: Shape): Made {
  if (options.adopt) checkAdoptable(values, options.dtype)
  const { data, dtype: to, shape } = elementsOf(op, values, options.dtype)
  const wanted = given ? checkShape(op, given) : shape
  if (sizeOf(wanted) !== data.length)
    throw new ShapeError(
      op,
      `${data.length} values do not fill shape [${wanted.join(', ')}] (${sizeOf(wanted)} elements)`,
    )
  checkGradient(op, options, to)
  const stream = streamFor(options.device)
  return finish(uploaded(op, data, wanted, to, stream, options.adopt ? adopted : undefined), options)
}

/** A copy without history. */
function copied(x: Tensor, shape: Shape | undefined, dtype: DType = x.dtype, options: TensorOptions): Made {
  if (options.adopt) checkAdoptable(x, dtype)
  checkGradient('tensor', options, dtype)
  const to = options.device === undefined ? x.device : checkDevice('tensor', options.device)
  const y = noGrad(() => tidy(() => moveTo(clone(cast(x, dtype)), to)))
  return finish(shape ? noGrad(() => reshape(y, shape)) : y, options)
}

/**
 * @internal Data for a model on a device. Floating values come in the dtype the model computes in: float64, as JavaScript
 * and NumPy like to hand it over, is only stored by native. `x` itself, if it fits.
 */
export function dataFor(op: string, x: Tensor | Values, device: Device, floating: DType): Tensor {
  return noGrad(() =>
    tidy(() => {
      const moved: Tensor = x instanceof Tensor ? moveTo(x, device) : tensorOf(op, x, { device })
      return isFloating(moved.dtype) ? cast(moved, floating) : moved
    }),
  )
}

// ---- filled ----------------------------------------------------------------------------------------------------------

function filled(op: string, shape: Shape, value: unknown, options: CreateOptions): Made {
  checkOptions(op, options, known)
  if (typeof value !== 'number' && typeof value !== 'boolean')
    throw new OptionError(op, `value must be a number or a boolean, got ${describe(value)}`)
  const dtype = checkDType(op, options.dtype ?? (typeof value === 'boolean' ? 'bool' : 'float32'))
  const v = element(op, Number(value), dtype)
  return made(op, shape, dtype, options, (stream, y) => stream.k.fill(whole(y), v))
}

/** A shape as in PyTorch, size by size: `zeros(2, 3)`. */
export type Sizes<O> = [size: number, ...sizes: number[]] | [size: number, ...sizesAndOptions: [...number[], O]]

/** @internal A shape or its sizes, and options behind. What they are is checked later. */
export function shapeAndOptions([first, ...rest]: unknown[]): [Shape, CreateOptions] {
  const sizes = typeof first === 'number' ? [first] : undefined
  while (sizes && typeof rest[0] === 'number') sizes.push(rest.shift() as number)
  const [options = {}] = rest
  return [sizes ?? (first as Shape), options as CreateOptions]
}

/** A tensor of one value. */
export function full<V extends number | boolean, D extends DType = OfValues<V>, S extends Shape = Shape>(
  shape: NoInfer<S>,
  value: V,
  options: CreateOptions<D> = {},
): Tensor<Asked<D>, S> {
  return filled('full', shape, value, options)
}
/** A tensor of zeros: `zeros([2, 3])`, or `zeros(2, 3)`. */
export function zeros<D extends DType = 'float32', S extends Shape = Shape>(
  shape: NoInfer<S>,
  options?: CreateOptions<D>,
): Tensor<Asked<D>, S>
export function zeros<D extends DType = 'float32'>(...sizes: Sizes<CreateOptions<D>>): Tensor<Asked<D>>
export function zeros(...given: unknown[]): Made {
  const [shape, options] = shapeAndOptions(given)
  return filled('zeros', shape, 0, options)
}
/** A tensor of ones: `ones([2, 3])`, or `ones(2, 3)`. */
export function ones<D extends DType = 'float32', S extends Shape = Shape>(
  shape: NoInfer<S>,
  options?: CreateOptions<D>,
): Tensor<Asked<D>, S>
export function ones<D extends DType = 'float32'>(...sizes: Sizes<CreateOptions<D>>): Tensor<Asked<D>>
export function ones(...given: unknown[]): Made {
  const [shape, options] = shapeAndOptions(given)
  return filled('ones', shape, 1, options)
}

/** Ones on the diagonal of an n × m matrix (m = n unless given), zeros elsewhere. */
export function eye<D extends DType = 'float32'>(n: number, options?: CreateOptions<D>): Tensor<Asked<D>>
export function eye<D extends DType = 'float32'>(n: number, m: number, options?: CreateOptions<D>): Tensor<Asked<D>>
export function eye(n: number, m?: number | CreateOptions, more?: CreateOptions): Made {
  const [columns, options] = typeof m === 'object' ? [n, m] : [m ?? n, more ?? {}]
  checkOptions('eye', options, known)
  return made('eye', [n, columns], checkDType('eye', options.dtype ?? 'float32'), options, (stream, y) => {
    stream.k.fill(whole(y), 0)
    const length = Math.min(n, columns)
    if (length) stream.k.fill({ storage: y.storage, offset: 0, dims: [length], steps: [columns + 1] }, 1)
  })
}

/** @internal */
export function checkNumber(op: string, name: string, value: unknown): number {
  if (typeof value === 'number' && Number.isFinite(value)) return value
  throw new OptionError(op, `${name} must be a finite number, got ${describe(value)}`)
}

/**
 * start, start + step, … up to, not including, `end`; with one argument, 0 to `start`. int32 if all are whole numbers.
 *
 * @example
 * await arange(2, 8, 2).toArray() // [2, 4, 6]
 */
export function arange<N extends number, D extends DType = OfNumber<N>>(
  end: N,
  options?: CreateOptions<D>,
): Tensor<Asked<D>>
export function arange<N extends number, D extends DType = OfNumber<N>>(
  start: N,
  end: N,
  options?: CreateOptions<D>,
): Tensor<Asked<D>>
export function arange<N extends number, D extends DType = OfNumber<N>>(
  start: N,
  end?: N,
  step?: N,
  options?: CreateOptions<D>,
): Tensor<Asked<D>>
export function arange(...given: (number | CreateOptions | undefined)[]): Made {
  const options = (typeof given.at(-1) === 'object' ? given.pop() : undefined) as CreateOptions | undefined
  const [from, to] = given[1] === undefined ? [0, given[0]] : given
  return stepped(checkNumber('arange', 'start', from), checkNumber('arange', 'end', to), given[2] ?? 1, options ?? {})
}

function stepped(from: number, to: number, step: unknown, options: CreateOptions): Made {
  checkOptions('arange', options, known)
  const by = checkNumber('arange', 'step', step)
  if (by === 0) throw new OptionError('arange', 'step must not be 0')
  const whole = [from, to, by].every(Number.isInteger)
  const dtype = checkDType('arange', options.dtype ?? (whole ? 'int32' : 'float32'))
  const n = Math.max(0, Math.ceil((to - from) / by))
  if (dtype === 'int32' && n > 0) for (const v of [from, from + (n - 1) * by]) element('arange', v, dtype)
  return ramp(n, from, by, dtype, options)
}

/** `count` numbers from `start` to `end`, both included, at equal distances; int32 cuts off what is behind the point. */
export function linspace<D extends DType = 'float32'>(
  start: number,
  end: number,
  count: number,
  options: CreateOptions<D> = {},
): Tensor<Asked<D>> {
  checkOptions('linspace', options, known)
  if (!Number.isInteger(count) || count < 0)
    throw new OptionError('linspace', `count must be a whole number of at least 0, got ${describe(count)}`)
  const [from, to] = [checkNumber('linspace', 'start', start), checkNumber('linspace', 'end', end)]
  const dtype = checkDType('linspace', options.dtype ?? 'float32')
  const step = count > 1 ? to / (count - 1) - from / (count - 1) : 0
  // From both ends, so that the last is `end` itself; int32 cuts each off.
  const half = Math.max(1, Math.floor(count / 2))
  const at = (i: number): number => (i < half ? from + i * step : to - (count - 1 - i) * step)
  const data = allocated('linspace', dtype, checkShape('linspace', [count])[0])
  for (let i = 0; i < count; i++) data[i] = element('linspace', dtype === 'int32' ? Math.trunc(at(i)) : at(i), dtype)
  return tensor(data, [count], { ...options, dtype }) as Made
}

function ramp(n: number, start: number, step: number, dtype: DType, options: CreateOptions): Made {
  const onDevice = dtype === 'float32' || dtype === 'int32' || streamFor(options.device).device === 'js'
  if (!onDevice || dtype === 'bool') {
    const data = allocated('arange', dtype, n)
    for (let i = 0; i < n; i++) data[i] = element('arange', start + i * step, dtype)
    return tensor(data, [n], { ...options, dtype })
  }
  return made('arange', [n], dtype, options, (stream, y) => stream.k.arange(y, start, step))
}

/** A tensor of zeros with shape, dtype and device of another. */
export function zerosLike<D extends DType, S extends Shape>(x: Tensor<D, S>): Tensor<D, S> {
  checkTensor('zerosLike', x)
  return filled('zerosLike', x.dims, 0, { dtype: x.dtype, device: x.device })
}
/** A tensor of ones with shape, dtype and device of another. */
export function onesLike<D extends DType, S extends Shape>(x: Tensor<D, S>): Tensor<D, S> {
  checkTensor('onesLike', x)
  return filled('onesLike', x.dims, 1, { dtype: x.dtype, device: x.device })
}

const moveGradient: Gradient<{ from: Device }> = { name: 'to', grad: (g, _, { from }) => [moveTo(g, from)] }

/** @internal A copy on another device, or the tensor itself if it is there. The public form is `x.to(device)`. */
export function moveTo(x: Tensor, device: Device): Tensor {
  checkTensor('to', x)
  if (typeof device === 'string' && Object.hasOwn(dtypes, device))
    throw new DeviceError('to', `expected 'native' or 'js', got '${device}'`, `for a dtype: cast('${device}')`)
  if (x.device === checkDevice('to', device)) return x
  const y = tensor(x.detach().dataSync(), x.shape, { device, dtype: x.dtype })
  record(moveGradient, [x], y, { from: x.device })
  return y
}
