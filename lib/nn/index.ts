/** Layers. */
export * from './activation.js'
export { Flatten, Sequential } from './container.js'
export { Dropout } from './dropout.js'
export { Embedding } from './embedding.js'
export * as init from './init.js'
export { type LayerOptions, Linear, type LinearOptions } from './linear.js'
export { Buffer, Module, Parameter, type StateDict } from './module.js'
