/** What users hand over as numbers: nested arrays and typed arrays of all kinds, checked and brought to a dtype. */
import { type DType, isFloating, newArray } from './dtype.js'
import { DTypeError, describe, OptionError, ShapeError } from './errors.js'
import { checkShape, sizeOf } from './shape.js'

/** Nested arrays of numbers or booleans, or a typed array. */
export type Values = number | boolean | readonly Values[] | ArrayBufferView

function shapeOfNested(op: string, values: readonly Values[]): number[] {
  const shape: number[] = []
  for (let level: Values = values; Array.isArray(level); level = level[0]) shape.push(level.length)
  return checkShape(op, shape) as number[]
}

/** Copies nested values in row-major order; refuses ragged ones. */
function fillNested(
  op: string,
  values: Values,
  shape: readonly number[],
  depth: number,
  put: (v: number | boolean) => void,
): void {
  if (depth === shape.length) {
    if (typeof values === 'number' || typeof values === 'boolean') return put(values)
    if (typeof values === 'bigint') return put(Number(values))
    throw new DTypeError(
      op,
      `expected numbers, got ${describe(values)} at depth ${depth}`,
      Array.isArray(values) ? 'all rows must be nested equally deep' : undefined,
    )
  }
  if (!Array.isArray(values) || values.length !== shape[depth])
    throw new ShapeError(
      op,
      `nested arrays are ragged: expected ${shape[depth]} values at depth ${depth}, got ${Array.isArray(values) ? values.length : describe(values)}`,
      'all rows must have equal lengths',
    )
  for (const value of values) fillNested(op, value, shape, depth + 1, put)
}

function checkInt(op: string, value: number): number {
  if (Number.isInteger(value) && value >= -(2 ** 31) && value < 2 ** 31) return value
  throw new DTypeError(
    op,
    `${value} is not an int32 value`,
    Number.isNaN(value) || !Number.isInteger(value) ? 'use dtype float32' : 'int32 holds −2³¹ to 2³¹ − 1',
  )
}

const arrayTypes: readonly (readonly [new () => ArrayBufferView, DType])[] = [
  [Float32Array, 'float32'],
  [Float64Array, 'float64'],
  [Int32Array, 'int32'],
  [Uint8Array, 'int32'],
  [Uint8ClampedArray, 'int32'],
  [Int8Array, 'int32'],
  [Int16Array, 'int32'],
  [Uint16Array, 'int32'],
  [Uint32Array, 'int32'],
  [BigInt64Array, 'int32'],
]

/** The elements as an array of the wanted dtype; int32 values are checked. */
export function elementsOf(
  op: string,
  values: Values,
  dtype: DType | undefined,
): { data: InstanceType<typeof Float32Array>; dtype: DType; shape: number[] } {
  if (ArrayBuffer.isView(values)) {
    const own = arrayTypes.find(([type]) => values instanceof type)?.[1]
    if (!own)
      throw new DTypeError(
        op,
        `cannot read ${describe(values)}`,
        'use a Float32Array, Float64Array, Int32Array, Uint8Array or BigInt64Array',
      )
    checkAttached(op, values)
    const source = values as unknown as ArrayLike<number | bigint> & Iterable<number | bigint>
    const to = dtype ?? own
    const same = (values as object).constructor === newArray(to, 0).constructor && to !== 'bool'
    if (same) return { data: values as never, dtype: to, shape: [source.length] } // the upload copies it
    const data = newArray(to, source.length)
    if (isFloating(to) && own !== 'int32') (data as Float32Array).set(values as Float32Array)
    else for (let i = 0; i < source.length; i++) data[i] = element(op, Number(source[i]), to)
    return { data: data as never, dtype: to, shape: [source.length] }
  }
  if (typeof values === 'number' || typeof values === 'boolean') {
    const to = dtype ?? (typeof values === 'boolean' ? 'bool' : 'float32')
    return { data: newArray(to, 1).fill(element(op, Number(values), to)) as never, dtype: to, shape: [] }
  }
  if (!Array.isArray(values))
    throw new DTypeError(op, `expected numbers, nested arrays or a typed array, got ${describe(values)}`)
  const shape = shapeOfNested(op, values)
  let leaf: Values | undefined = values
  while (Array.isArray(leaf)) leaf = leaf[0]
  const to = dtype ?? (typeof leaf === 'boolean' ? 'bool' : 'float32')
  const data = newArray(to, sizeOf(shape))
  let at = 0
  fillNested(op, values, shape, 0, v => {
    data[at++] = element(op, Number(v), to)
  })
  return { data: data as never, dtype: to, shape }
}

/** A number as an element of a dtype. */
export function element(op: string, value: number, dtype: DType): number {
  return dtype === 'int32' ? checkInt(op, value) : dtype === 'bool' ? Number(value !== 0) : value
}

/** An array whose memory was transferred away looks empty. */
function checkAttached(op: string, values: ArrayBufferView): void {
  if (values.byteLength > 0) return
  try {
    new Uint8Array(values.buffer)
  } catch {
    throw new OptionError(
      op,
      `got ${describe(values)} whose memory was transferred away`,
      'copy it first: values.slice()',
    )
  }
}

/** Refuses what cannot be taken over as it is. */
export function checkAdoptable(values: Values, dtype: DType | undefined): void {
  if (ArrayBuffer.isView(values)) checkAttached('tensor', values)
  const given = values as unknown as Float32Array
  const own = dtype ?? arrayTypes.find(([type]) => values instanceof type)?.[1]
  const same = ArrayBuffer.isView(values) && own && own !== 'bool' && given.constructor === newArray(own, 0).constructor
  if (!same || !(given.buffer instanceof ArrayBuffer) || given.byteLength !== given.buffer.byteLength)
    throw new OptionError(
      'tensor',
      `adopt needs a typed array of the dtype${own ? ` ${own}` : ''} that covers its whole ArrayBuffer, got ${describe(values)}`,
      'leave adopt out to copy it',
    )
}

/** Detaches the caller's array and returns its memory under a new one. */
export function adopted(values: Values): InstanceType<typeof Float32Array> {
  const given = values as unknown as Float32Array
  const [buffer, Type] = [given.buffer as ArrayBuffer, given.constructor as Float32ArrayConstructor]
  return new Type(structuredClone(buffer, { transfer: [buffer] }))
}
