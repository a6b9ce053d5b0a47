/** Parameters that a forward uses though its module does not list them: nothing would train or save them. */
import { type Edge, type Leaf, meeting } from '../autograd/graph.js'
import { format } from '../shape.js'
import { Tensor } from '../tensor.js'
import type { Module } from './module.js'
import { placesIn } from './places.js'

/** The layers that were named, by class of module. */
const told = new WeakMap<object, Set<string>>()

/** Runs a forward and warns, once per class and layer, of a parameter it met that is in none of the module's places. */
export function warningOfUnlisted<T>(module: Module, inputs: readonly unknown[], forward: () => T): T {
  const met = new Map<Leaf, string>()
  const result = meeting(met, forward)
  const listed = new Set<Edge | undefined>()
  for (const value of [module, inputs])
    for (const { value: part } of placesIn(value)) if (part instanceof Tensor) listed.add(part.edge)
  const unlisted = [...met].filter(([leaf]) => leaf.ofParameter && !listed.has(leaf))
  if (unlisted.length === 0) return result
  // A module may list them by itself.
  for (const p of module.parameters()) listed.add(p.edge)
  for (const [leaf, layer] of unlisted) {
    if (listed.has(leaf)) continue
    const name = module.constructor.name
    const layers = told.get(module.constructor) ?? new Set()
    if (layers.has(layer)) continue
    told.set(module.constructor, layers.add(layer))
    const where = layer === name ? '' : ` in ${layer}`
    process.emitWarning(
      `${name}: forward uses a parameter of shape ${format(leaf.shape)}${where} that parameters() does not list: it will be neither trained nor saved. Hint: keep layers and parameters in fields, arrays, plain objects, Maps or Sets; #private fields, closures and objects of other classes are not seen`,
      { code: 'GRADUS_W_UNLISTED_PARAMETER' },
    )
  }
  return result
}
