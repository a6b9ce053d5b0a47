/** Layers of the Keras face: they learn their input's shape when the model is built. */
import { checkOptions, describe, OptionError, ShapeError } from '../errors.js'
import * as nn from '../nn/index.js'
import { xavierUniform_, zeros_ } from '../nn/init.js'
import { checkCount, Module } from '../nn/module.js'
import type { Generator } from '../random.js'
import type { Device } from '../runtime/device.js'
import { checkShape, format, type Shape, sameShape, sizeOf } from '../shape.js'
import { atOnce } from './given.js'
import { type ActivationName, activationNamed } from './names.js'

/** What building a layer may use. */
export interface BuildContext {
  readonly device: Device | undefined
  readonly generator: Generator
}

/** A layer that is not built yet. Shapes are without the batch. */
export interface LayerSpec {
  readonly name: string
  readonly inputShape?: Shape
  build(input: Shape, context: BuildContext): { modules: Module[]; output: Shape }
}

export interface InputShape {
  /** The shape of one sample; for the first layer. Without it, the model is built when it first sees data. */
  inputShape?: Shape | undefined
}
export interface DenseOptions extends InputShape {
  /** An activation by name, or a module. Default: none. */
  activation?: ActivationName | Module | undefined
  /** Adds a learned vector, starting from 0. Default: true. */
  useBias?: boolean | undefined
}

/** The shape of one sample, if it was given. */
function inputOf(layer: string, { inputShape }: InputShape): Shape | undefined {
  return inputShape === undefined ? undefined : Object.freeze(checkShape(layer, inputShape))
}

/** A fully connected layer. Weights start Glorot-uniform, the bias from 0, as in Keras. */
export function dense(units: number, options: DenseOptions = {}): LayerSpec {
  if (typeof units === 'object')
    throw new OptionError(
      'dense',
      `units must be a whole number of at least 1, got ${describe(units)}`,
      "for example: dense(3, { activation: 'relu' })",
    )
  checkCount('dense', 'units', units)
  checkOptions('dense', options, ['inputShape', 'activation', 'useBias'])
  const inputShape = inputOf('dense', options)
  const { activation = 'linear', useBias = true } = options
  if (typeof activation === 'string') activationNamed('dense', activation)
  else if (!(activation instanceof Module))
    throw new OptionError(
      'dense',
      `activation must be a name or a module, got ${describe(activation)}`,
      "such as 'relu'",
    )
  return {
    name: 'dense',
    inputShape,
    build: (input, { device, generator }) => {
      if (input.length === 0)
        throw new ShapeError('dense', 'samples must have at least one dim, got scalars', 'reshape the data to [n, 1]')
      const inputs = input[input.length - 1]
      const layer = new nn.Linear(inputs, units, { bias: useBias, device, generator })
      xavierUniform_(layer.weight, { generator })
      if (layer.bias) zeros_(layer.bias)
      const then = typeof activation === 'string' ? activationNamed('dense', activation) : activation
      return { modules: then ? [layer, then] : [layer], output: [...input.slice(0, -1), units] }
    },
  }
}

/** An activation as a layer of its own. */
export function activation(name: ActivationName): LayerSpec {
  activationNamed('activation', name)
  return {
    name: 'activation',
    build: input => ({ modules: [activationNamed('activation', name)].filter(m => m !== null), output: input }),
  }
}

/** In training, sets a share `rate` of the elements to 0 and scales the others up. */
export function dropout(rate: number): LayerSpec {
  if (typeof rate !== 'number' || !(rate >= 0 && rate <= 1))
    throw new OptionError('dropout', `rate must be a number from 0 to 1, got ${describe(rate)}`, 'such as dropout(0.5)')
  return { name: 'dropout', build: input => ({ modules: [new nn.Dropout(rate)], output: input }) }
}

/** Samples as vectors. */
export function flatten(options: InputShape = {}): LayerSpec {
  checkOptions('flatten', options, ['inputShape'])
  const inputShape = inputOf('flatten', options)
  return {
    name: 'flatten',
    inputShape,
    build: input => ({ modules: [new nn.Flatten()], output: [sizeOf(input)] }),
  }
}

/** Learned vectors for int32 indices: [… ] → [… , width]. Starts uniform in ±0.05, as in Keras. */
export function embedding(count: number, width: number, options: InputShape = {}): LayerSpec {
  checkCount('embedding', 'count', count)
  checkCount('embedding', 'width', width)
  checkOptions('embedding', options, ['inputShape'])
  const inputShape = inputOf('embedding', options)
  return {
    name: 'embedding',
    inputShape,
    build: (input, { device, generator }) => {
      const layer = new nn.Embedding(count, width, { device, generator })
      nn.init.uniform_(layer.weight, -0.05, 0.05, { generator })
      return { modules: [layer], output: [...input, width] }
    },
  }
}

/** Refuses what is no layer. */
export function checkLayers(specs: readonly LayerSpec[]): void {
  for (const spec of specs)
    if (typeof spec?.build !== 'function')
      throw new OptionError(
        'sequential',
        `expected layers such as dense(…), got ${describe(spec)}`,
        'for modules, use new Model(new nn.Sequential(…))',
      )
}

/** Builds all layers for samples of a shape. */
export function buildLayers(specs: readonly LayerSpec[], input: Shape, context: BuildContext): Module[] {
  let shape = input
  return specs.flatMap(spec => {
    if (spec.inputShape && !sameShape(spec.inputShape, shape))
      throw new ShapeError(spec.name, `expected samples of shape ${format(spec.inputShape)}, got ${format(shape)}`)
    const { modules, output } = Object(atOnce(spec.name, 'build()', spec.build(shape, context))) as Partial<
      ReturnType<LayerSpec['build']>
    >
    if (!Array.isArray(modules) || !modules.every(m => m instanceof Module) || !Array.isArray(output))
      throw new OptionError(spec.name, 'build() must give { modules, output }, its modules and the shape of a sample')
    shape = output
    return modules
  })
}
