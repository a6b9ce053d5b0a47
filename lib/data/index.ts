/** Datasets, batches, files. */
export { type Dataset, TensorDataset } from './dataset.js'
export { type IdxArray, loadIdx, parseIdx } from './idx.js'
export { Loader, type LoaderOptions } from './loader.js'
