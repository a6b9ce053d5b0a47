/** Optimizers. */
export { Adam, type AdamOptions, AdamW } from './adam.js'
export type { HasParameters, ParameterGroup, ParameterList } from './groups.js'
export { type AnyOptimizer, Optimizer, type OptimizerState } from './optimizer.js'
export { SGD, type SGDOptions } from './sgd.js'
