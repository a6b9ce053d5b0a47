/** The dtypes of results, as types: what `promote`, `floatOf` and `pair` decide at run time. A dtype that is not known makes others so. */
import type { AnyDType, DType } from './dtype.js'
import type { Nested } from './tensor.js'

/** What functions of real numbers give. */
export type Float = 'float32' | 'float64'
/** What arithmetic gives. */
export type Numeric = 'int32' | Float

/** D promoted into the dtypes that an op gives. If it gives but one, that is it. */
export type Into<D extends DType, Given extends DType> = DType extends Given
  ? D
  : Float extends Given
    ? D extends Given
      ? D
      : 'int32' extends Given
        ? 'int32'
        : 'float32'
    : Given

type IsAny<T> = 0 extends 1 & T ? true : false

/** What A and each dtype have in common. */
export interface Promotions<A extends DType> {
  bool: A
  int32: Into<A, Numeric>
  float32: Into<A, Float>
  float64: 'float64'
}
/** The dtype that two have in common. */
export type Promote<A extends DType, B extends DType> = IsAny<A> extends true ? AnyDType : Promotions<A>[B]

/** R, where D is known. */
export type Known<D extends DType, R extends DType> = IsAny<D> extends true ? AnyDType : R

/** The dtype that the tensors of a list have in common. */
export type Highest<D extends DType> = 'float64' extends D
  ? 'float64'
  : 'float32' extends D
    ? 'float32'
    : 'int32' extends D
      ? 'int32'
      : D

/** The dtype that options name: it does not follow from the one that is wanted. */
export type Asked<D extends DType> = DType extends D ? AnyDType : NoInfer<D>

/** Whole numbers are int32, others float32; those that only the running program knows may be either. */
export type OfNumber<N extends number> = number extends N ? AnyDType : `${N}` extends `${bigint}` ? 'int32' : 'float32'

type OfOperand<X, D extends DType> = X extends { readonly dtype: infer E extends DType }
  ? E
  : X extends number
    ? D extends Float
      ? D
      : OfNumber<X>
    : 'bool'

/** The dtype of what an op gives for a tensor of dtype D and another operand. Numbers do not widen floats. */
export type With<D extends DType, X, Given extends DType = DType> =
  IsAny<X> extends true ? AnyDType : Into<Promote<D, OfOperand<X, D>>, Given>

/** The dtype of what an op gives for two operands, one of which is a tensor. */
export type Common<A, B, Given extends DType = DType> =
  IsAny<A> extends true
    ? AnyDType
    : A extends { readonly dtype: infer D extends DType }
      ? With<D, B, Given>
      : B extends { readonly dtype: infer E extends DType }
        ? With<E, A, Given>
        : AnyDType

/** The dtype of a choice between two operands; between two numbers it is float32, between truth values bool. */
export type Choice<A, B> = [A, B] extends [boolean, boolean]
  ? 'bool'
  : [A, B] extends [number | boolean, number | boolean]
    ? 'float32'
    : Common<A, B>

type Nest<T> = T | readonly Nest<T>[]
type Named<Name extends string> = { readonly [Symbol.toStringTag]: `${Name}Array` }
/** By the name of their class; AnyArray has any name. */
type Floats = number | Named<'Float16' | 'Float32'>
type Integers =
  | bigint
  | Named<'Int8' | 'Int16' | 'Int32' | 'Uint8' | 'Uint8Clamped' | 'Uint16' | 'Uint32' | 'BigInt64' | 'BigUint64'>

type OfNest<V> = V extends { readonly dtype: infer D extends DType }
  ? D
  : V extends Nest<number>
    ? 'float32'
    : V extends Nest<boolean>
      ? 'bool'
      : V extends Nest<Named<'Any'>>
        ? AnyDType
        : V extends Nest<Integers | boolean>
          ? 'int32'
          : V extends Nest<Floats | Integers | boolean>
            ? 'float32'
            : V extends Nest<Named<'Float64'>>
              ? 'float64'
              : AnyDType
/** The dtype that `tensor` gives to values. */
export type OfValues<V> = Nested extends V ? AnyDType : OfNest<V>
