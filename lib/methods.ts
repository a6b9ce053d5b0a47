/** Operations as methods of Tensor: every function that lib/ops/index.ts lists, without its first parameter. */

import type { DType } from './dtype.js'
import type * as binary from './ops/binary.js'
import type * as compare from './ops/compare.js'
import type * as cumsum from './ops/cumsum.js'
import type { TensorLike } from './ops/define.js'
import type * as embedding from './ops/embedding.js'
import type * as ops from './ops/index.js'
import type * as matmul from './ops/matmul.js'
import type * as moments from './ops/moments.js'
import type * as movement from './ops/movement.js'
import type * as random from './ops/random.js'
import type * as reduce from './ops/reduce.js'
import type * as select from './ops/select.js'
import type * as softmax from './ops/softmax.js'
import type * as unary from './ops/unary.js'
import type * as view from './ops/view.js'
import type { Choice, Into, Known, Numeric, With } from './promotion.js'
import type { Shape } from './shape.js'
import type { Tensor } from './tensor.js'

/** The families once more, by themselves: as members of lib/ops/index.ts, functions have no doc comments in editors. */
type Families = typeof binary &
  typeof compare &
  typeof cumsum &
  typeof embedding &
  typeof matmul &
  typeof moments &
  typeof movement &
  typeof random &
  typeof reduce &
  typeof select &
  typeof softmax &
  typeof unary &
  typeof view

/** What a method of a tensor gives, if the function gives Y for tensors of all dtypes. */
type Result<Y, D extends DType> =
  Y extends Tensor<infer G>
    ? 0 extends 1 & G
      ? Tensor
      : Tensor<Into<D, G>>
    : Y extends Promise<infer Z>
      ? Promise<Result<Z, D>>
      : Y extends Tensor[]
        ? Result<Y[number], D>[]
        : Y

/** A function of a tensor as a method of that tensor. */
type Method<F, D extends DType, S extends Shape> =
  F extends binary.Binary<infer G>
    ? <B extends TensorLike>(b: B) => Tensor<Known<D, With<D, B, G>>>
    : F extends unary.SameShape<infer R, infer G>
      ? (...rest: R) => Tensor<Into<D, G>, S>
      : F extends (x: Tensor, ...rest: infer R) => infer Y
        ? (...rest: R) => Result<Y, D>
        : never

/** Methods whose result follows from more than the dtype of the tensor. */
interface Particular<D extends DType, S extends Shape> {
  clamp<A extends unary.Bound, B extends unary.Bound = null>(
    min: A,
    max?: B,
  ): Tensor<Known<D, With<With<D, A>, B, Numeric>>, S>
  cast<E extends DType>(dtype: E): Tensor<E, S>
  clone(): Tensor<D, S>
  contiguous(): Tensor<D, S>
  matmul<B extends Tensor>(b: B): Tensor<Known<D, With<D, B, Numeric>>>
  reshape<To extends Shape = Shape>(...shape: [shape: NoInfer<To>] | number[]): Tensor<D, To>
  where<A extends TensorLike, B extends TensorLike>(a: A, b: B): Tensor<Choice<A, B>>
}

export type Methods<D extends DType, S extends Shape> = {
  readonly [K in keyof Families as K & keyof typeof ops]: K extends keyof Particular<D, S>
    ? Particular<D, S>[K]
    : Method<Families[K], D, S>
}
