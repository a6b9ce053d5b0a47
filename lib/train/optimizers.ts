/** The optimizer of a compiled model: one of the user's, or one by name, made for the parameters there are. */
import { zeros } from '../creation.js'
import { describe, OptionError, StateError } from '../errors.js'
import type { Module } from '../nn/module.js'
import type { Parameter } from '../nn/parameter.js'
import { type AnyOptimizer, Optimizer } from '../optim/optimizer.js'
import type { Device } from '../runtime/device.js'
import { tidy } from '../scope.js'
import type { Tensor } from '../tensor.js'
import { type OptimizerName, optimizerNamed } from './names.js'

/** An optimizer by name, with options other than Keras's defaults. */
export interface NamedOptimizer {
  name: OptimizerName
  learningRate?: number
  [option: string]: unknown
}
export type OptimizerLike = OptimizerName | NamedOptimizer | AnyOptimizer

const isOptimizer = (value: unknown): value is AnyOptimizer => value instanceof Optimizer

export class CompiledOptimizer {
  private readonly own: AnyOptimizer | undefined
  private readonly make: ((parameters: Tensor[]) => AnyOptimizer) | undefined
  private made: AnyOptimizer | undefined

  constructor(given: OptimizerLike, device: Device) {
    if (isOptimizer(given)) {
      this.own = given
      return
    }
    const named = typeof given === 'string' ? { name: given } : given
    if (named === null || typeof named !== 'object' || typeof named.name !== 'string')
      throw new OptionError(
        'compile',
        `optimizer must be a name, { name, …options } or an optimizer, got ${describe(given)}`,
        "for example: 'adam', or new optim.Adam(model.parameters())",
      )
    const { name, ...options } = named
    const make = optimizerNamed(name)
    this.make = parameters => make(parameters, options)
    // So that wrong options are found now.
    tidy(() => {
      this.make!([zeros([1], { device, requiresGrad: true })])
    })
  }

  /** An optimizer of all parameters that the module has now. */
  for(module: Module): AnyOptimizer {
    const parameters = module.namedParameters()
    if (this.own) return checkComplete(this.own, parameters)
    const wanted = [...parameters.values()]
    if (wanted.length === 0)
      throw new StateError(
        'fit',
        'the model has no parameters',
        'its layers must be in fields of the module, not #private ones, and made by its constructor, not first by forward()',
      )
    const last = this.made
    const before = last?.parameters() ?? []
    if (last && before.length === wanted.length && before.every((p, i) => p === wanted[i])) return last
    this.made = this.make!(wanted)
    if (last) handOn(last, this.made)
    return this.made
  }

  dispose(): void {
    this.made?.dispose()
  }
}

function checkComplete(optimizer: AnyOptimizer, parameters: ReadonlyMap<string, Parameter>): AnyOptimizer {
  const trained = new Set<Tensor>(optimizer.parameters())
  const lacking = [...parameters].filter(([, p]) => p.requiresGrad && !trained.has(p)).map(([name]) => `'${name}'`)
  if (lacking.length === 0) return optimizer
  const none = ![...parameters.values()].some(p => trained.has(p))
  throw new StateError(
    'fit',
    none
      ? "the optimizer has none of the model's parameters"
      : `the optimizer lacks parameters of the model: ${lacking.slice(0, 5).join(', ')}${lacking.length > 5 ? ', …' : ''}`,
    'make it with model.parameters() after the model is built, and again after layers were replaced or moved; what shall not be trained: p.requiresGrad_(false)',
  )
}

/** What one optimizer knows of parameters that another has too; then it is at its end. */
function handOn(from: AnyOptimizer, to: AnyOptimizer): void {
  tidy(() => {
    const places = new Map(from.parameters().map((p, i) => [p, i]))
    const { state } = from.stateDict()
    const known = to.parameters().flatMap((p, i) => {
      const place = places.get(p)
      return place !== undefined && state[place] ? [[i, state[place]] as const] : []
    })
    to.loadStateDict({ groups: to.stateDict().groups, state: Object.fromEntries(known) })
  })
  from.dispose()
}
