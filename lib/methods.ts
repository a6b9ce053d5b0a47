/** Operations as methods of Tensor: every function that lib/ops/index.ts lists, without its first parameter. */

import type { Binary } from './ops/binary.js'
import type { TensorLike } from './ops/define.js'
import type * as ops from './ops/index.js'
import type { SameShape } from './ops/unary.js'
import type { Broadcast, Product, Shape } from './shape.js'
import type { Tensor } from './tensor.js'

type Ops = typeof ops

/** `x.matmul(b)`. */
type MatmulMethod<S extends Shape> = <B extends Shape>(b: Tensor<B>) => Tensor<Product<S, B>>

/** `x.add(b)` and the like: the shapes broadcast; a number changes nothing. */
interface BinaryMethod<S extends Shape> {
  <B extends Shape>(b: Tensor<B>): Tensor<Broadcast<S, B>>
  (b: number | boolean): Tensor<S>
  (b: TensorLike): Tensor
}

/** A function of a tensor as a method of that tensor. Those that keep the shape keep its type. */
type Method<F, S extends Shape> = F extends Binary
  ? BinaryMethod<S>
  : F extends typeof ops.matmul
    ? MatmulMethod<S>
    : F extends SameShape<infer R>
      ? (...rest: R) => Tensor<S>
      : F extends (x: Tensor, ...rest: infer R) => infer Y
        ? (...rest: R) => Y
        : never

export type Methods<S extends Shape> = { readonly [K in keyof Ops]: Method<Ops[K], S> }
