/** What users hand over as numbers: nested arrays and typed arrays of all kinds, checked and brought to a dtype. */
import { types } from 'node:util'
import { allocated, type Buf, type DType, isFloating, newArray, promote, tooLarge } from './dtype.js'
import { DTypeError, describe, OptionError, ShapeError } from './errors.js'
import { checkShape, sizeOf } from './shape.js'

/** Nested arrays of numbers, booleans or bigints, a typed array, or nested arrays whose rows are typed arrays. */
export type Values = number | boolean | bigint | readonly Values[] | ArrayBufferView

/** Values in row-major order. */
export interface Elements {
  /** The caller's own array, where nothing had to be converted. */
  readonly data: Buf
  readonly dtype: DType
  readonly shape: number[]
}

// ---- typed arrays ----------------------------------------------------------------------------------------------------

type NumberArray = ArrayBufferView & ArrayLike<number | bigint>

/** What typed arrays become, by their own name, which subclasses and other realms have too. */
const dtypeOfArray: ReadonlyMap<string, DType> = new Map([
  ['Float16Array', 'float32'],
  ['Float32Array', 'float32'],
  ['Float64Array', 'float64'],
  ['Int8Array', 'int32'],
  ['Int16Array', 'int32'],
  ['Int32Array', 'int32'],
  ['Uint8Array', 'int32'],
  ['Uint8ClampedArray', 'int32'],
  ['Uint16Array', 'int32'],
  ['Uint32Array', 'int32'],
  ['BigInt64Array', 'int32'],
  ['BigUint64Array', 'int32'],
])
/** Those whose elements may not be int32 values, or are not numbers. */
const wide: readonly string[] = ['Uint32Array', 'BigInt64Array', 'BigUint64Array']

const typedArray = Object.getPrototypeOf(Uint8Array.prototype)
const nameGetter = Object.getOwnPropertyDescriptor(typedArray, Symbol.toStringTag)!.get!
const nameOf = (values: unknown): string => nameGetter.call(values)

function isNumberArray(value: unknown): value is NumberArray {
  return ArrayBuffer.isView(value) && dtypeOfArray.has(nameOf(value))
}
const dtypeOf = (values: NumberArray): DType => dtypeOfArray.get(nameOf(values))!

/** Is its memory of fixed size, and nobody else's in another thread? */
function isFixed({ buffer }: ArrayBufferView): boolean {
  return types.isArrayBuffer(buffer) && !(buffer as { resizable?: boolean }).resizable
}

/** Memory that was transferred away, or a buffer that shrank below its view, looks empty. */
function checkReadable(op: string, values: NumberArray): void {
  try {
    typedArray.keys.call(values)
  } catch {
    throw new OptionError(
      op,
      `got ${describe(values)} whose memory was transferred away or cut off`,
      'copy it first: values.slice()',
    )
  }
}

/** The array; of memory that others may change or resize, a copy that is taken at once. */
function still(op: string, values: NumberArray): NumberArray {
  checkReadable(op, values)
  const Own = (globalThis as unknown as Record<string, new (from: NumberArray) => NumberArray>)[nameOf(values)]
  return isFixed(values) ? values : new Own(values)
}

/** Is it of the very type that holds a dtype? */
function holds(values: unknown, dtype: DType): values is Buf {
  return dtype !== 'bool' && Object.getPrototypeOf(values) === Object.getPrototypeOf(newArray(dtype, 0))
}

function fromArray(op: string, given: NumberArray, dtype: DType = dtypeOf(given)): Elements {
  const values = still(op, given)
  const shape = [values.length]
  if (holds(values, dtype)) return { data: values, dtype, shape }
  const filler = new Filler(op, dtype, shape)
  filler.level(values, 0)
  return { data: filler.data, dtype, shape }
}

/** Refuses what cannot be taken over as it is. */
export function checkAdoptable(values: unknown, dtype: DType | undefined): void {
  const own = dtype ?? (isNumberArray(values) ? dtypeOf(values) : undefined)
  if (isNumberArray(values)) checkReadable('tensor', values)
  if (own && holds(values, own) && isFixed(values) && values.byteLength === values.buffer.byteLength) return
  throw new OptionError(
    'tensor',
    `adopt needs a typed array of the dtype${own ? ` ${own}` : ''} that covers its whole ArrayBuffer, got ${describe(values)}`,
    'leave adopt out to copy it',
  )
}

/** Detaches the caller's array and returns its memory under a new one. */
export function adopted(values: Buf): Buf {
  const { buffer } = values as { buffer: ArrayBuffer }
  const Type = values.constructor as new (from: ArrayBuffer) => Buf
  try {
    return new Type(structuredClone(buffer, { transfer: [buffer] }))
  } catch {
    throw new OptionError(
      'tensor',
      'adopt needs memory that can be given away, as that of WebAssembly cannot',
      'leave adopt out to copy it',
    )
  }
}

// ---- nested arrays ---------------------------------------------------------------------------------------------------

/** As deep as NumPy's arrays: more is a mistake, or an array that contains itself. */
const depthLimit = 64

/**
 * The elements as an array of the wanted dtype; else of the one that all of them have in common, where plain numbers are
 * float32 and bigints int32. int32 values are checked.
 */
export function elementsOf(op: string, values: Values, dtype: DType | undefined): Elements {
  if (isNumberArray(values)) return fromArray(op, values, dtype)
  if (!Array.isArray(values)) return fromNumber(op, values, dtype)
  const shape = nestedShape(op, values)
  // Rows that are one array, again and again, are many numbers at once: a walk would take for ever.
  if (sizeOf(shape) > 2 ** 33) throw tooLarge(op, sizeOf(shape))
  const to = dtype ?? nestedDType(values, shape.length) ?? 'float32'
  const filler = new Filler(op, to, shape)
  filler.level(values, 0)
  return { data: filler.data, dtype: to, shape }
}

function fromNumber(op: string, value: unknown, dtype: DType | undefined): Elements {
  const own = dtypeOfLeaf[typeof value]
  if (!own)
    throw new DTypeError(op, `expected numbers, nested arrays or a typed array, got ${describe(value)}`, wayOf(value))
  const to = dtype ?? own
  return { data: newArray(to, 1).fill(element(op, Number(value), to)), dtype: to, shape: [] }
}

function nestedShape(op: string, values: unknown): number[] {
  const shape: number[] = []
  let level = values
  for (; Array.isArray(level); level = level[0]) {
    if (shape.push(level.length) > depthLimit)
      throw new ShapeError(op, `arrays are nested more than ${depthLimit} deep`, 'does one of them contain itself?')
  }
  if (isNumberArray(level)) shape.push(level.length)
  return checkShape(op, shape)
}

const dtypeOfLeaf: { readonly [type: string]: DType } = { boolean: 'bool', bigint: 'int32', number: 'float32' }

/** The dtype that all leaves have in common. What is no number is found later. */
function nestedDType(level: readonly unknown[], depth: number, common?: DType): DType | undefined {
  for (let i = 0; i < level.length; i++) {
    const item = level[i]
    if (typeof item === 'number' && (common === 'float32' || common === 'float64')) continue
    if (Array.isArray(item)) {
      if (depth > 1) common = nestedDType(item, depth - 1, common)
      continue
    }
    const own = isNumberArray(item) ? dtypeOf(item) : dtypeOfLeaf[typeof item]
    if (own) common = common ? promote(common, own) : own
  }
  return common
}

/** Copies nested values in row-major order, and refuses ragged ones; errors say where. */
class Filler {
  readonly data: Buf
  private readonly op: string
  private readonly dtype: DType
  private readonly shape: readonly number[]
  private readonly floating: boolean
  /** Where the row is that is copied now. */
  private readonly path: number[] = []
  private at = 0

  constructor(op: string, dtype: DType, shape: readonly number[]) {
    this.op = op
    this.dtype = dtype
    this.shape = shape
    this.floating = isFloating(dtype)
    this.data = allocated(op, dtype, sizeOf(shape))
  }

  level(values: unknown, depth: number): void {
    const n = this.shape[depth]
    const last = depth === this.shape.length - 1
    if (last && isNumberArray(values)) return this.array(still(this.op, values), n)
    if (!Array.isArray(values) || values.length !== n) return this.ragged(values, n)
    for (let i = 0; i < n; i++) {
      const value = values[i]
      if (!last) {
        this.path.push(i)
        this.level(value, depth + 1)
        this.path.pop()
      } else this.data[this.at++] = this.floating && typeof value === 'number' ? value : this.leaf(value, i, values)
    }
  }

  private array(values: NumberArray, n: number): void {
    if (values.length !== n) return this.ragged(values, n)
    const name = nameOf(values)
    const fits = this.floating ? !name.startsWith('Big') : this.dtype === dtypeOf(values) && !wide.includes(name)
    if (fits) this.data.set(values as ArrayLike<number>, this.at)
    else for (let i = 0; i < n; i++) this.data[this.at + i] = this.leaf(values[i], i, values)
    this.at += n
  }

  private leaf(value: unknown, i: number, row: object): number {
    if (dtypeOfLeaf[typeof value]) {
      const x = Number(value)
      if (this.dtype !== 'int32' || isInt32(x)) return element(this.op, x, this.dtype)
      return element(this.op, x, this.dtype, ` at ${this.place(i)}`)
    }
    const what = i in row ? describe(value) : 'a hole'
    throw new DTypeError(this.op, `expected numbers, got ${what} at ${this.place(i)}`, wayOf(value))
  }

  private ragged(values: unknown, n: number): never {
    const got = Array.isArray(values) || isNumberArray(values) ? values.length : describe(values)
    throw new ShapeError(
      this.op,
      `nested arrays are ragged: expected ${n} values in row ${this.place()}, got ${got}`,
      'all rows must have equal lengths',
    )
  }

  private place(...last: number[]): string {
    return [...this.path, ...last].map(i => `[${i}]`).join('')
  }
}

/** What to do about a value that is no number. */
function wayOf(value: unknown): string | undefined {
  if (value === undefined || value === null) return 'leave missing values out, or put a number in their place'
  if (typeof value === 'string') return 'convert texts to numbers first: Number(text)'
  if (typeof value !== 'object') return undefined
  if (Array.isArray(value) || isNumberArray(value)) return 'all rows must be nested equally deep'
  if ('storage' in value && 'dispose' in value) return 'use stack() or concat() for tensors'
  if (types.isDate(value)) return 'use its getTime()'
  if (types.isPromise(value)) return 'await it first'
  if (types.isAnyArrayBuffer(value) || ArrayBuffer.isView(value))
    return 'say how to read it, as with new Float32Array(buffer)'
  if (Symbol.iterator in value) return 'spread it: […values]'
  return undefined
}

// ---- elements --------------------------------------------------------------------------------------------------------

const isInt32 = (value: number): boolean => Number.isInteger(value) && value >= -(2 ** 31) && value < 2 ** 31

/** A number as an element of a dtype. `place` says where it was found. */
export function element(op: string, value: number, dtype: DType, place = ''): number {
  if (dtype === 'bool') return Number(value !== 0)
  if (dtype !== 'int32' || isInt32(value)) return value
  throw new DTypeError(
    op,
    `${value}${place} is not an int32 value`,
    Number.isInteger(value) ? 'int32 holds −2³¹ to 2³¹ − 1' : 'use dtype float32',
  )
}
