/** The op families. Every function listed here, whose first parameter is a tensor, is also a method of Tensor. */

export * from './binary.js'
export * from './compare.js'
export { cumsum } from './cumsum.js'
export { embedding, gather, indexSelect, oneHot } from './embedding.js'
export { matmul } from './matmul.js'
export { std, variance } from './moments.js'
export { assign_, cast, clone, contiguous, pad, repeat, tile } from './movement.js'
export { dropout } from './random.js'
export { all, any, argmax, argmin, logSumExp, max, mean, min, prod, sum } from './reduce.js'
export { maskSelect, maskSelectSync, nonzero, nonzeroSync, unique, uniqueSync } from './select.js'
export { logSoftmax, softmax } from './softmax.js'
export * from './unary.js'
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
