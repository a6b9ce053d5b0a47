/** Operations as methods of Tensor: every function that lib/ops/index.ts lists, without its first parameter. */

import type * as ops from './ops/index.js'
import type { SameShape } from './ops/unary.js'
import type { Shape } from './shape.js'
import type { Tensor } from './tensor.js'

type Ops = typeof ops

/** A function of a tensor as a method of that tensor. Those that keep the shape keep its type. */
type Method<F, S extends Shape> =
  F extends SameShape<infer R>
    ? (...rest: R) => Tensor<S>
    : F extends (x: Tensor, ...rest: infer R) => infer Y
      ? (...rest: R) => Y
      : never

export type Methods<S extends Shape> = { readonly [K in keyof Ops]: Method<Ops[K], S> }
