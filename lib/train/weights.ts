/** Weights in Keras's order and layout. */
import { tensorOf } from '../creation.js'
import { describe, OptionError, ShapeError } from '../errors.js'
import { Embedding } from '../nn/embedding.js'
import type { Module } from '../nn/module.js'
import type { Parameter } from '../nn/parameter.js'
import { assignAll } from '../nn/state.js'
import { isTensor } from '../ops/define.js'
import { transpose } from '../ops/view.js'
import { noGrad, tidy } from '../scope.js'
import { format, sameShape } from '../shape.js'
import type { Tensor } from '../tensor.js'
import type { Data } from './samples.js'

/** Kernels are stored [out, in], and Keras shows them as [in, out]; tables of embeddings are the same in both. */
function turnedOf(module: Module): (p: Parameter) => boolean {
  const tables = [...module.namedModules().values()].filter(m => m instanceof Embedding).flatMap(m => m.parameters())
  return p => p.rank === 2 && !tables.includes(p)
}

export function weightsOf(module: Module): Tensor[] {
  const isTurned = turnedOf(module)
  return noGrad(() => module.parameters().map(p => (isTurned(p) ? transpose(p) : p).clone()))
}

/** Sets all weights or, if one does not fit or could not be computed, none. */
export function setWeights(module: Module, weights: readonly Data[]): void {
  if (!Array.isArray(weights))
    throw new OptionError(
      'setWeights',
      `expected a list of arrays, got ${describe(weights)}`,
      'as getWeights() gives it',
    )
  const parameters = module.parameters()
  if (weights.length !== parameters.length)
    throw new OptionError('setWeights', `expected ${parameters.length} arrays, got ${weights.length}`)
  const isTurned = turnedOf(module)
  const fitted = (given: Data, i: number): [Tensor, Tensor] => {
    const p = parameters[i]
    const w = isTensor(given) ? given : tensorOf(`setWeights(array ${i})`, given, { device: p.device })
    const turned = isTurned(p) && w.rank === 2 ? transpose(w) : w
    if (!sameShape(turned.shape, p.shape))
      throw new ShapeError(
        'setWeights',
        `array ${i} must have the shape ${format(isTurned(p) ? [...p.shape].reverse() : p.shape)}, got ${format(w.shape)}`,
        isTurned(p) ? 'kernels are [in, out], as in Keras' : undefined,
      )
    return [p, turned]
  }
  noGrad(() => tidy(() => assignAll('setWeights', Array.from(weights, fitted))))
}
