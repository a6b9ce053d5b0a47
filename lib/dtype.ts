import type { AnyArray } from './anyArray.js'
import { DTypeError, describe, didYouMean, MemoryError } from './errors.js'
import { isStackOverflow } from './runtime/stack.js'

/** Element types. Promotion: bool < int32 < float32 < float64. */
export type DType = 'bool' | 'int32' | 'float32' | 'float64'

/** The dtype of a tensor where it is not known: as with `any`, the tensor fits wherever a tensor is wanted. */
// biome-ignore lint/suspicious/noExplicitAny: that is what it means
export type AnyDType = any

/** Arrays by dtype; bool is kept as bytes 0 and 1. */
interface Arrays {
  bool: Uint8Array<ArrayBuffer>
  int32: Int32Array<ArrayBuffer>
  float32: Float32Array<ArrayBuffer>
  float64: Float64Array<ArrayBuffer>
  [unknown: string]: AnyArray
}

/** The array that holds elements of a dtype. */
export type ArrayOf<D extends DType> = Arrays[D]

/** What a kernel sees of a buffer. */
export type Buf = Float32Array | Float64Array | Int32Array | Uint8Array

interface DTypeInfo {
  readonly bytes: number
  /** Number in a record; the order of native/kernels.h. */
  readonly code: number
  readonly rank: number
  readonly array: new (from: number | ArrayBuffer, byteOffset?: number, length?: number) => Buf
}

export const dtypes: { readonly [D in DType]: DTypeInfo } = {
  float32: { bytes: 4, code: 0, rank: 2, array: Float32Array as DTypeInfo['array'] },
  int32: { bytes: 4, code: 1, rank: 1, array: Int32Array as DTypeInfo['array'] },
  bool: { bytes: 1, code: 2, rank: 0, array: Uint8Array as DTypeInfo['array'] },
  float64: { bytes: 8, code: 3, rank: 3, array: Float64Array as DTypeInfo['array'] },
}

export function isFloating(dtype: DType): boolean {
  return dtype === 'float32' || dtype === 'float64'
}

/** The type that two types have in common. */
export function promote(a: DType, b: DType): DType {
  return dtypes[a].rank >= dtypes[b].rank ? a : b
}

/** The type that an operation on real numbers computes in: int and bool become float32. */
export function floatOf(dtype: DType): DType {
  return dtype === 'float64' ? 'float64' : 'float32'
}

export function checkDType(op: string, dtype: unknown): DType {
  if (typeof dtype === 'string' && Object.hasOwn(dtypes, dtype)) return dtype as DType
  const names = Object.keys(dtypes)
  const hint = typeof dtype === 'string' ? didYouMean(dtype, names) : undefined
  throw new DTypeError(op, `expected a dtype (${names.join(', ')}), got ${describe(dtype)}`, hint)
}

export function newArray<D extends DType>(dtype: D, length: number): ArrayOf<D> {
  return new dtypes[dtype].array(length) as ArrayOf<D>
}

/** The same on behalf of an op that a user calls, who may ask for more than there is. */
export function allocated<D extends DType>(op: string, dtype: D, length: number): ArrayOf<D> {
  try {
    return newArray(dtype, length)
  } catch (e) {
    if (isStackOverflow(e)) throw e
    throw tooLarge(op, length)
  }
}
export const tooLarge = (op: string, length: number): MemoryError =>
  new MemoryError(op, `no memory for an array of ${length} elements`, 'take smaller parts')
