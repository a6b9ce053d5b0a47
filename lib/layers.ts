/** Layers for `sequential`, by what they are called in Keras. */
export {
  activation,
  type DenseOptions,
  dense,
  dropout,
  embedding,
  flatten,
  type InputShape,
  type LayerSpec,
} from './train/layers.js'
