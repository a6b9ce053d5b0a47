// biome-ignore-all lint/suspicious/noExplicitAny: in the place of types that differ
type Test<R> = (value: number, index: number, array: any) => R
type Step<T> = (result: T, value: number, index: number, array: any) => T

/** Where the types of typed arrays name the array itself, and so differ. */
interface Own {
  readonly [Symbol.toStringTag]: any
  copyWithin(target: number, start: number, end?: number): AnyArray
  every(predicate: Test<unknown>, thisArg?: any): boolean
  fill(value: number, start?: number, end?: number): AnyArray
  filter(predicate: Test<any>, thisArg?: any): AnyArray
  find(predicate: Test<boolean>, thisArg?: any): number | undefined
  findIndex(predicate: Test<boolean>, thisArg?: any): number
  findLast(predicate: Test<unknown>, thisArg?: any): number | undefined
  findLastIndex(predicate: Test<unknown>, thisArg?: any): number
  forEach(action: Test<void>, thisArg?: any): void
  map(f: Test<number>, thisArg?: any): AnyArray
  reduce(f: Step<number>, initial?: number): number
  reduce<T>(f: Step<T>, initial: T): T
  reduceRight(f: Step<number>, initial?: number): number
  reduceRight<T>(f: Step<T>, initial: T): T
  reverse(): AnyArray
  slice(start?: number, end?: number): AnyArray
  some(predicate: Test<unknown>, thisArg?: any): boolean
  sort(compare?: (a: number, b: number) => number): AnyArray
  subarray(begin?: number, end?: number): AnyArray
  toReversed(): AnyArray
  toSorted(compare?: (a: number, b: number) => number): AnyArray
  valueOf(): any
  with(index: number, value: number): AnyArray
}
type Float32 = Float32Array<ArrayBuffer>

/**
 * The elements of a tensor of unknown dtype: an array that has what the arrays of all dtypes have. As with `any`, it can
 * be assigned to the one that you know it is.
 */
export interface AnyArray extends Pick<Own, keyof Own & keyof Float32>, Omit<Float32, keyof Own> {}
