import { Node } from '../autograd/graph.js'
import { type Buf, type DType, isFloating, promote } from '../dtype.js'
import { DeviceError, DTypeError, describe } from '../errors.js'
import { checkDevice, type Device, defaultDevice, streamOf } from '../runtime/device.js'
import type { JsKernels } from '../runtime/js.js'
import type { Kernels } from '../runtime/kernels.js'
import type { Operand, Stream } from '../runtime/stream.js'
import type { Tolerance } from '../runtime/tolerance.js'
import { isRecording } from '../scope.js'
import { broadcastStrides, coalesce, isContiguous, type Shape, sizeOf } from '../shape.js'
import { Tensor } from '../tensor.js'
import { element } from '../values.js'

/** Kernel calls, as rules see them. */
export type Issue = Kernels<Operand, Operand>

/** What a gradient rule gets: the inputs and the output that `saves` names, and further outputs of the kernel. */
export interface Saved {
  readonly inputs: readonly Tensor[]
  readonly y: Tensor
  readonly extras: readonly Tensor[]
}

/** How to differentiate an op. */
export interface Gradient<P> {
  readonly name: string
  /** Which inputs (by index) and whether the output the gradient rule needs. */
  readonly saves?: { readonly inputs?: readonly number[]; readonly output?: boolean }
  /**
   * Gradients of the inputs from the gradient of the output; null: none. Stands under the forward, as in a textbook.
   * The walker sums over broadcast dims, repeats along reduced ones, and converts dtypes; `needs` says which inputs want a gradient at all.
   */
  grad?(g: Tensor, saved: Saved, p: P, needs: readonly boolean[]): (Tensor | null)[]
  /** What a fused op means, composed of primitive ops. Where there is no `grad`, this is differentiated. */
  definition?(inputs: readonly Tensor[], p: P): Tensor
  /** Why there is no gradient, where there is neither. */
  readonly noGrad?: string
}

/** Everything there is to know about an op that runs a kernel, apart from its public function. */
export interface Rule<P> extends Gradient<P> {
  /** Shape and dtype of the result. The dtype is that of the inputs unless it says otherwise. */
  output(inputs: readonly Tensor[], p: P): { shape: Shape; dtype?: DType }
  /** Further results that only the gradient rule sees. */
  extras?(inputs: readonly Tensor[], p: P): { shape: Shape; dtype: DType }[]
  /** The kernel reads strided operands: no copies are made of views. */
  readonly strided?: boolean
  run(k: Issue, inputs: readonly Tensor[], y: Tensor, p: P, extras: readonly Tensor[]): void
}

/** Every op by name, for the tests that go over all of them. */
export const rules: Map<string, Gradient<never>> = new Map()

/** Enters an op into the list. */
export function rule<R extends Gradient<never>>(r: R): R {
  rules.set(r.name, r)
  return r
}

/** The JS kernels of all families; lib/index.ts hands them to the js device. */
export const jsKernels: JsKernels = {} as JsKernels

/** How far native kernels may be from their JS twins; those that are not here give equal bits. */
export const tolerances: { [K in keyof JsKernels]?: Tolerance } = {}

/** Adds the JS kernels of a family: the specification of the native ones of the same names, which may differ so far. */
export function kernels(family: Partial<JsKernels>, tolerance: typeof tolerances = {}): void {
  Object.assign(jsKernels, family)
  Object.assign(tolerances, tolerance)
}

/** A new tensor with undefined content, on the stream of another. */
export function empty(op: string, shape: Shape, dtype: DType, stream: Stream): Tensor {
  return new Tensor(stream.heap.allocate(op, dtype, sizeOf(shape)), shape)
}

/** A new tensor with the values of an array. `give` gives up an array of which no copy need be made; it may refuse. */
export function uploaded(
  op: string,
  values: Buf,
  shape: Shape,
  dtype: DType,
  stream: Stream,
  give?: (values: Buf) => Buf,
): Tensor {
  return new Tensor(stream.heap.upload(op, dtype, values, give && (() => give(values))), shape)
}

/** Runs an op: checks devices, makes the result, issues the kernel, and records the operation if a gradient is wanted. */
export function apply<P>(r: Rule<P>, inputs: readonly Tensor[], p: P): Tensor {
  const stream = inputs[0].storage.stream
  for (const x of inputs)
    if (x.storage.stream !== stream)
      throw new DeviceError(
        r.name,
        `tensors are on different devices: ${inputs.map(t => t.device).join(' and ')}`,
        "copy one of them: x.to('native')",
      )
  const { shape, dtype = inputs[0].dtype } = r.output(inputs, p)
  return stream.as(r.name, () => {
    const operands = r.strided ? inputs : inputs.map(x => contiguous(x))
    const y = empty(r.name, shape, dtype, stream)
    const extras = r.extras?.(inputs, p).map(e => empty(r.name, e.shape, e.dtype, stream)) ?? []
    r.run(stream.k, operands, y, p, extras)
    operands.forEach((x, i) => x !== inputs[i] && x.dispose())
    record(r, inputs, y, p, extras)
    for (const extra of extras) extra.dispose()
    return y
  })
}

/**
 * Puts an operation into the graph, if one of its inputs requires a gradient. Where that ends the graph, for want of a rule
 * or under `noGrad`, the result remembers why.
 */
export function record<P>(
  r: Gradient<P>,
  inputs: readonly Tensor[],
  y: Tensor,
  p: P,
  extras: readonly Tensor[] = [],
): void {
  if (!inputs.some(x => x.edge)) {
    for (const x of inputs) y.cut ??= x.cut
    return
  }
  if (!isRecording() || !isFloating(y.dtype) || !(r.grad || r.definition)) {
    y.cut = !isRecording() ? 'noGrad' : r.name === 'cast' ? `cast to ${y.dtype}` : r.name
    return
  }
  const node = new Node(r as Gradient<unknown>, p, inputs)
  y.edge = node
  const wanted = r.grad ? (r.saves?.inputs ?? []) : inputs.map((_, i) => i)
  node.save([...inputs.map((x, i) => (wanted.includes(i) ? x : undefined)), r.saves?.output ? y : undefined, ...extras])
}

/** A row-major copy, or the tensor itself if it is one. Not recorded: for kernels' eyes only. */
function contiguous(x: Tensor): Tensor {
  if (x.isContiguous) return x
  const y = empty('contiguous', x.dims, x.dtype, x.storage.stream)
  const [from, to] = aligned([x, y])
  x.storage.stream.k.copy(from, to)
  return y
}

// ---- inputs ----------------------------------------------------------------------------------------------------------

/** What operations accept where a tensor is expected: numbers and booleans take the other operand's dtype. */
export type TensorLike = Tensor | number | boolean

export function isTensor(value: unknown): value is Tensor {
  return value instanceof Tensor
}

export function checkTensor(op: string, value: unknown, name = 'input'): Tensor {
  if (value instanceof Tensor) {
    value.checkAlive(op)
    return value
  }
  const foreign = value !== null && typeof value === 'object' && 'storage' in value && 'dtype' in value
  throw new DTypeError(
    op,
    `${name} must be a tensor, got ${describe(value)}`,
    foreign ? 'it belongs to another copy of gradus; install one only' : 'make one with tensor(…)',
  )
}

/** The items of a list, holes included. */
export function checkTensors(op: string, list: readonly unknown[], name = 'input'): void {
  for (let i = 0; i < list.length; i++) checkTensor(op, list[i], `${name} ${i}`)
}

/** A tensor of rank 0 that holds a number. */
export function scalar(value: number, dtype: DType, stream: Stream): Tensor {
  const y = empty('scalar', [], dtype, stream)
  stream.k.fill(y, value)
  return y
}

/** Runs an op on inputs that were brought into form for it, and disposes those made on the way. */
export function applyTo<P>(r: Rule<P>, given: readonly unknown[], inputs: readonly Tensor[], p: P): Tensor {
  try {
    return apply(r, inputs, p)
  } finally {
    for (const x of inputs) if (!given.includes(x)) x.dispose()
  }
}

/** Two operands brought to tensors of one dtype; a number does not widen the other's, except int to float32. */
export function pair(
  op: string,
  a: TensorLike,
  b: TensorLike,
  dtypeOf: (common: DType) => DType = d => d,
  { compares = false }: { compares?: boolean } = {},
): [Tensor, Tensor] {
  if (!isTensor(a) && !isTensor(b))
    throw new DTypeError(op, `expected a tensor, got ${describe(a)} and ${describe(b)}`, 'make one with tensor(…)')
  const known = (isTensor(a) ? a : b) as Tensor
  const dtype = dtypeOf(promote(typeOf(op, a, known, compares), typeOf(op, b, known, compares)))
  for (const x of [a, b]) if (dtype === 'int32' && typeof x === 'number') element(op, x, dtype)
  const whole = compares && !isFloating(known.dtype)
  const lift = (x: TensorLike): Tensor =>
    isTensor(x) ? cast(x, dtype) : scalar(whole ? beyondInt32(Number(x)) : Number(x), dtype, known.storage.stream)
  return [lift(a), lift(b)]
}

const isInt32 = (x: number): boolean => x >= -(2 ** 31) && x < 2 ** 31

/** What lies beyond the ends of int32 as what lies far beyond: rounded to float32, it could be one of the ends. */
function beyondInt32(x: number): number {
  return x > 2 ** 31 - 1 ? Number.POSITIVE_INFINITY : x < -(2 ** 31) ? Number.NEGATIVE_INFINITY : x
}

/** A comparison with a number outside int32 makes sense; arithmetic does not. */
function typeOf(op: string, x: TensorLike, other: Tensor, compares: boolean): DType {
  if (isTensor(x)) {
    x.checkAlive(op)
    return x.dtype
  }
  if (typeof x === 'boolean') return 'bool'
  if (typeof x !== 'number') return checkTensor(op, x, 'operand').dtype // throws
  if (isFloating(other.dtype)) return other.dtype
  return Number.isInteger(x) && (!compares || isInt32(x)) ? 'int32' : 'float32'
}

const conversions = { float32: 'toFloat32', int32: 'toInt32', bool: 'toBool', float64: 'toFloat64' } as const

const castRule: Rule<{ dtype: DType }> = rule({
  name: 'cast',
  strided: true,
  output: ([x], { dtype }) => ({ shape: x.dims, dtype }),
  run: (k, [x], y, { dtype }) => k[conversions[dtype]](aligned([x, y])[0], y),
  grad: g => [g], // the walker brings it back to the input's dtype
})

/** The tensor in another dtype, without a copy if it has it. For ops; the public form is `cast` in movement.ts. */
export function cast(x: Tensor, dtype: DType): Tensor {
  return x.dtype === dtype ? x : apply(castRule, [x], { dtype })
}

// ---- operands of strided kernels -------------------------------------------------------------------------------------

/** Views with equal dims, as few as possible (6 at most): the inputs broadcast to the shape of the last, the result. */
export function aligned<const T extends readonly Tensor[]>(tensors: T): { -readonly [K in keyof T]: Operand } {
  const to = tensors[tensors.length - 1].dims
  const { dims, strides } = coalesce(
    to,
    tensors.map(t => broadcastStrides(t.dims, t.steps, to)),
  )
  if (dims.length > 6) return aligned(tensors.map(t => contiguousAs(t, to)) as unknown as T)
  return tensors.map((t, i) => ({ storage: t.storage, offset: t.offset, dims, steps: strides[i] })) as never
}

/** A dense tensor as one run of elements. */
export function whole(x: Tensor): Operand {
  return { storage: x.storage, offset: x.offset, dims: [x.size], steps: [1] }
}

/** More than 6 dims that do not merge: the operand is written out. */
function contiguousAs(x: Tensor, shape: Shape): Tensor {
  const strides = broadcastStrides(x.dims, x.steps, shape)
  if (isContiguous(shape, strides)) return x
  const y = empty('contiguous', shape, x.dtype, x.storage.stream)
  const view = new Tensor(x.storage.retain(), shape, strides, x.offset)
  copyTo(view, y)
  view.dispose()
  return y
}

/** Copies (or assigns) into a view of the same shape; more than 6 dims that do not merge go piece by piece along the first. */
export function copyTo(x: Tensor, y: Tensor, kernel: 'copy' | 'assign' = 'copy'): void {
  const { dims } = coalesce(y.dims, [x.steps, y.steps])
  if (dims.length <= 6) return y.storage.stream.k[kernel](...aligned([x, y]))
  const piece = (t: Tensor, i: number): Tensor =>
    new Tensor(t.storage.retain(), t.dims.slice(1), t.steps.slice(1), t.offset + i * t.steps[0])
  for (let i = 0; i < y.dims[0]; i++) {
    const [from, to] = [piece(x, i), piece(y, i)]
    copyTo(from, to, kernel)
    from.dispose()
    to.dispose()
  }
}

/** Copies into a window of a fresh result. An empty one may lie beyond its end, and is anywhere. */
export function copyInto(x: Tensor, y: Tensor, shape: Shape, strides: readonly number[], offset: number): void {
  const window = new Tensor(y.storage.retain(), shape, strides, sizeOf(shape) === 0 ? 0 : offset)
  copyTo(x, window)
  window.dispose()
}

/** The stream of a named device, or of the default one. */
export function streamFor(device: Device | undefined): Stream {
  return streamOf(device === undefined ? defaultDevice() : checkDevice('device', device))
}
