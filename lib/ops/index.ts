/** The op families. Every function listed here, whose first parameter is a tensor, is also a method of Tensor. */

export { add, div, maximum, minimum, mul, pow, remainder, sub } from './binary.js'
export {
  equal,
  greater,
  greaterEqual,
  isFinite,
  isNaN,
  less,
  lessEqual,
  logicalAnd,
  logicalNot,
  logicalOr,
  logicalXor,
  notEqual,
  where,
} from './compare.js'
export { cumsum } from './cumsum.js'
export { embedding, gather, indexSelect, oneHot } from './embedding.js'
export { matmul } from './matmul.js'
export { std, variance } from './moments.js'
export { assign_, cast, clone, contiguous, pad, repeat, tile } from './movement.js'
export { dropout } from './random.js'
export { all, any, argmax, argmin, logSumExp, max, mean, min, prod, sum } from './reduce.js'
export { maskSelect, maskSelectSync, nonzero, nonzeroSync, unique, uniqueSync } from './select.js'
export { logSoftmax, softmax } from './softmax.js'
export {
  abs,
  ceil,
  clamp,
  cos,
  elu,
  erf,
  exp,
  expm1,
  floor,
  gelu,
  leakyRelu,
  log,
  log1p,
  neg,
  reciprocal,
  relu,
  round,
  rsqrt,
  sigmoid,
  sign,
  silu,
  sin,
  softplus,
  sqrt,
  square,
  tanh,
} from './unary.js'
export {
  expand,
  flatten,
  flip,
  permute,
  reshape,
  slice,
  split,
  squeeze,
  transpose,
  unsqueeze,
} from './view.js'

import './loss.js'
import './step.js'
import './probe.js'
