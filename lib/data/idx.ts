import { readFile } from 'node:fs/promises'
import { types } from 'node:util'
import { describe, FormatError, OptionError } from '../errors.js'
import { sizeOf } from '../shape.js'

type IdxData = Uint8Array | Int8Array | Int16Array | Int32Array | Float32Array | Float64Array

export interface IdxArray {
  readonly shape: number[]
  readonly data: IdxData
}

/** Element types by code, and how a big-endian element is read. */
const elementTypes: {
  readonly [code: number]: { bytes: number; make(n: number): IdxData; read(view: DataView, at: number): number }
} = {
  8: { bytes: 1, make: n => new Uint8Array(n), read: (v, at) => v.getUint8(at) },
  9: { bytes: 1, make: n => new Int8Array(n), read: (v, at) => v.getInt8(at) },
  11: { bytes: 2, make: n => new Int16Array(n), read: (v, at) => v.getInt16(at) },
  12: { bytes: 4, make: n => new Int32Array(n), read: (v, at) => v.getInt32(at) },
  13: { bytes: 4, make: n => new Float32Array(n), read: (v, at) => v.getFloat32(at) },
  14: { bytes: 8, make: n => new Float64Array(n), read: (v, at) => v.getFloat64(at) },
}

/**
 * Reads the IDX format of the MNIST files (LeCun): two zero bytes, a type code, the rank, the dims as big-endian
 * uint32, then the elements in row-major order.
 *
 * @throws FormatError if header and length do not fit together.
 * @example
 * data.parseIdx(new Uint8Array([0, 0, 8, 1, 0, 0, 0, 2, 7, 9])).shape // [2]
 */
export function parseIdx(bytes: Uint8Array): IdxArray {
  if (!types.isUint8Array(bytes))
    throw new FormatError('parseIdx', `expected a Uint8Array, got ${describe(bytes)}`, 'loadIdx(path) reads a file')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < 4 || bytes[0] !== 0 || bytes[1] !== 0)
    throw new FormatError('parseIdx', 'not an IDX file: it must begin with two zero bytes', 'is it still compressed?')
  const type = elementTypes[bytes[2]]
  const rank = bytes[3]
  if (!type)
    throw new FormatError(
      'parseIdx',
      `unknown element type 0x${bytes[2].toString(16)}, expected one of 8, 9, b, c, d, e`,
      'is it an IDX file?',
    )
  if (rank > 8 || bytes.length < 4 + 4 * rank)
    throw new FormatError(
      'parseIdx',
      `the header is cut off: ${rank} dims in ${bytes.length} bytes`,
      'fetch the file again',
    )
  const shape = Array.from({ length: rank }, (_, d) => view.getUint32(4 + 4 * d))
  const start = 4 + 4 * rank
  const n = sizeOf(shape)
  if (n * type.bytes !== bytes.length - start)
    throw new FormatError(
      'parseIdx',
      `shape [${shape.join(', ')}] needs ${n * type.bytes} bytes, the file has ${bytes.length - start}`,
      'it is cut off, or has something appended',
    )
  // Not bytes.slice(): that of a Buffer is a view.
  if (bytes[2] === 8) return { shape, data: new Uint8Array(bytes.buffer, bytes.byteOffset + start, n).slice() }
  const data = type.make(n)
  for (let i = 0; i < n; i++) data[i] = type.read(view, start + i * type.bytes)
  return { shape, data }
}

/**
 * Reads an IDX file.
 *
 * @param path A path, or a URL, whose type not every program has.
 * @throws FormatError that names the file, if it is malformed; what `readFile` throws.
 */
export async function loadIdx(path: string | { readonly href: string }): Promise<IdxArray> {
  if (typeof path !== 'string' && !(path instanceof URL))
    throw new OptionError('loadIdx', `expected a path, got ${describe(path)}`)
  const bytes = await readFile(path)
  try {
    return parseIdx(bytes)
  } catch (error) {
    throw new FormatError('loadIdx', `${path}: ${(error as Error).message}`)
  }
}
