/** Optimizers. */
export { Adam, type AdamOptions, AdamW } from './adam.js'
export { type AnyOptimizer, Optimizer, type OptimizerState, type ParameterGroup } from './optimizer.js'
export { SGD, type SGDOptions } from './sgd.js'
