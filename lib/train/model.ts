import { TensorDataset } from '../data/dataset.js'
import { Loader } from '../data/loader.js'
import { checkOptions, describe, OptionError, StateError } from '../errors.js'
import { answer } from '../familiar.js'
import { Sequential } from '../nn/container.js'
import { Module } from '../nn/module.js'
import type { Parameter } from '../nn/parameter.js'
import type { StateDict } from '../nn/state.js'
import { concat } from '../ops/movement.js'
import { slice } from '../ops/view.js'
import { defaultGenerator, type Generator, generatorOr } from '../random.js'
import { checkDevice, type Device, defaultDevice } from '../runtime/device.js'
import { keep, noGrad, tidy } from '../scope.js'
import type { Shape } from '../shape.js'
import type { Tensor } from '../tensor.js'
import { emptyHistory, type Training, train } from './fit.js'
import { type BuildContext, buildLayers, checkLayers, type LayerSpec } from './layers.js'
import { Measures } from './measures.js'
import { CompiledOptimizer } from './optimizers.js'
import {
  type CompileOptions,
  checkCompileOptions,
  checkEvaluateOptions,
  checkFitOptions,
  type EvaluateOptions,
  type FitOptions,
  type History,
} from './options.js'
import { Run } from './run.js'
import { type Data, Samples } from './samples.js'
import { summaryOf } from './summary.js'
import { evaluateStep, evaluation } from './training.js'
import { setWeights, weightsOf } from './weights.js'

export interface ModelOptions {
  device?: Device | undefined
  /** Where initial weights come from. Default: the default generator. */
  generator?: Generator | undefined
}

/** Parameters that a fit trains now. */
const trained = new WeakSet<Parameter>()

/** Parameters for one fit alone: two at once would each move what the other has computed with. */
function claim(parameters: Parameter[]): Parameter[] {
  const wanted = parameters.filter(p => p.requiresGrad)
  if (wanted.some(p => trained.has(p)))
    throw new StateError('fit', 'this model is being trained already', 'await the first fit, or train another model')
  for (const p of wanted) trained.add(p)
  return wanted
}

/** A model that can be trained, evaluated and asked: Keras's `Model`, of `sequential([…])` or of any Module. */
export class Model {
  /** What the last `fit` reported, also one that failed or was aborted, or reports so far. */
  history: History | undefined
  private readonly specs: readonly LayerSpec[] | undefined
  private readonly context: BuildContext
  private built: Module | undefined
  /** The shape of a sample. Modules that are not of `sequential` may take several: then it is that of the last. */
  private sample: Shape | undefined
  private compiled: { readonly optimizer: CompiledOptimizer; readonly measures: Measures } | undefined

  /** @param of A module, or the layers of `sequential`. */
  constructor(of: Module | readonly LayerSpec[], options: ModelOptions = {}) {
    checkOptions('Model', options, ['device', 'generator'])
    const { device, generator } = options
    this.context = {
      device: device === undefined ? undefined : checkDevice('Model', device),
      generator: generator === undefined ? defaultGenerator() : generatorOr('Model', generator),
    }
    if (of instanceof Module) {
      of.namedModules() // which checks their fields
      this.built = of
    } else if (Array.isArray(of) && of.length > 0) {
      this.specs = [...of]
      checkLayers(of)
      const shape = of[0].inputShape
      if (shape) this.build(shape)
    } else
      throw new OptionError(
        'Model',
        `expected a module or a list of layers, got ${describe(of)}`,
        'for example: sequential([dense(8), dense(1)])',
      )
  }

  /** The module behind the model. */
  get module(): Module {
    if (this.built) return this.built
    throw new StateError('Model', 'the model is not built yet', 'give the first layer an inputShape, or fit it first')
  }
  private build(sample: Shape): void {
    this.built = new Sequential(...buildLayers(this.specs!, sample, this.context))
    this.sample = sample
  }
  private get device(): Device {
    return this.built?.parameters()[0]?.device ?? this.context.device ?? defaultDevice()
  }

  parameters(): Parameter[] {
    return this.module.parameters()
  }
  stateDict(): StateDict {
    return this.module.stateDict()
  }
  loadStateDict(dict: StateDict): void {
    this.module.loadStateDict(dict)
  }

  /** Chooses optimizer, loss and metrics. */
  compile(options: CompileOptions): this {
    checkCompileOptions(options)
    const measures = new Measures(options.loss, options.metrics)
    const optimizer = new CompiledOptimizer(options.optimizer, this.device)
    this.compiled = { optimizer, measures }
    return this
  }
  private checkCompiled(op: string) {
    if (this.compiled) return this.compiled
    throw new StateError(op, 'the model is not compiled', "call compile({ optimizer: 'adam', loss: '…' }) first")
  }

  /** Data as this model takes them. A model that is not built yet is built for them. */
  private samples(op: string, data: readonly Data[], training?: Samples): Samples {
    const dtype = this.built?.parameters()[0]?.dtype ?? 'float32'
    const sample = this.specs && this.sample
    const samples = new Samples(op, { device: this.device, dtype, sample }, data, training)
    try {
      const row = samples.tensors[0].shape.slice(1)
      if (!this.built) this.build(row)
      this.sample = row
      return samples
    } catch (error) {
      samples.release()
      throw error
    }
  }

  /**
   * Trains. Requests are served in between: the work runs in the background, and each step awaits its turn.
   *
   * @param x Samples along axis 0.
   * @param y Their targets.
   * @throws `signal.reason` when aborted; what a step, a callback or `output` throws. `model.history` has the epochs before.
   */
  async fit(x: Data, y: Data, options: FitOptions = {}): Promise<History> {
    checkFitOptions(options)
    const { measures, optimizer } = this.checkCompiled('fit')
    const generator = options.generator ?? defaultGenerator().split()
    const open: Samples[] = []
    let claimed: Parameter[] = []
    try {
      const samples = this.samples('fit', [x, y])
      open.push(samples)
      const validation = options.validationData && this.samples('fit', options.validationData, samples)
      if (validation) open.push(validation)
      claimed = claim(this.parameters())
      const { device } = this
      const training: Training = {
        measures,
        samples,
        validation,
        generator,
        options,
        open: () => ({
          optimizer: optimizer.for(this.module),
          run: new Run('fit', this.module, true, device, generator),
          validating: validation && this.open('fit'),
        }),
      }
      if (validation && !validation.resembles(samples)) this.tryOut(measures, validation)
      const result = emptyHistory(measures, validation !== undefined)
      this.history = result
      await train(training, result)
      return result
    } finally {
      for (const p of claimed) trained.delete(p)
      for (const samples of open) samples.release()
    }
  }

  /** Evaluates one sample, so that data that do not fit are refused before an epoch has passed. */
  private tryOut(measures: Measures, { tensors }: Samples): void {
    const run = this.open('fit')
    try {
      tidy(() => {
        const [x, y] = tensors.map(t => slice(t, [0, 1]))
        evaluateStep(run, measures, x, y)
      })
    } finally {
      run.close()
    }
  }

  /** Loss and metrics over all samples, by name. Nothing is trained, and dropout is off. */
  async evaluate(x: Data, y: Data, options: EvaluateOptions = {}): Promise<Record<string, number>> {
    checkEvaluateOptions('evaluate', options)
    const { measures } = this.checkCompiled('evaluate')
    const samples = this.samples('evaluate', [x, y])
    const run = this.open('evaluate')
    try {
      return await evaluation(run, measures, samples, options)
    } finally {
      run.close()
      samples.release()
    }
  }

  /** The outputs for all samples, along axis 0. Safe during training. */
  async predict(x: Data, options: EvaluateOptions = {}): Promise<Tensor> {
    checkEvaluateOptions('predict', options)
    const { batchSize, signal } = options
    const samples = this.samples('predict', [x])
    const run = this.open('predict')
    const parts: Tensor[] = []
    try {
      for await (const [batch] of new Loader(new TensorDataset(...samples.tensors), { batchSize })) {
        signal?.throwIfAborted()
        const forward = (): Tensor => run.forward(batch).detach() // the batch itself, perhaps
        parts.push(run.step(() => noGrad(() => keep(tidy(forward)))))
      }
      return noGrad(() => concat(parts))
    } finally {
      for (const part of parts) part.dispose()
      run.close()
      samples.release()
    }
  }

  /** The module in evaluation mode. */
  private open(op: string): Run {
    return new Run(op, this.module, false, this.device, this.context.generator)
  }

  /** The outputs for one batch, as the module is: recorded for backward, and in the mode of `train()` and `eval()`. */
  forward(x: Tensor): Tensor {
    return this.module.forward(x)
  }
  /** Switches the module to training, or, with false, to evaluation: for `forward`. Training itself is `fit`. */
  train(on: boolean = true): this {
    this.module.train(on)
    return this
  }
  eval(): this {
    return this.train(false)
  }
  /** Moves the module to a device; see `Module.to`. */
  to(device: Device): this {
    this.module.to(device)
    return this
  }

  /** Weights as Keras lists them: layer by layer, kernels as [in, out]. */
  getWeights(): Tensor[] {
    return weightsOf(this.module)
  }
  /** Sets weights in the order and layout of `getWeights`. All or nothing. */
  setWeights(weights: readonly Data[]): void {
    setWeights(this.module, weights)
  }

  /** A table of the layers, the shapes they give, and their parameters. */
  summary(): string {
    return summaryOf(this.module, this.sample, this.device)
  }

  toString(): string {
    return this.built ? this.summary() : `Model, not built yet: ${this.specs!.map(spec => spec.name).join(', ')}`
  }

  /** Gives up the memory of all parameters, and of the state of an optimizer that was compiled by name. */
  dispose(): void {
    this.compiled?.optimizer.dispose()
    this.built?.dispose()
  }
}

const toTrain = 'fit(x, y), or loss.backward() and step() of an optimizer'
const toSave = 'stateDict(), or getWeights(), and write their values'
answer(
  Model.prototype,
  {
    add: 'sequential([…]) with all layers in one list',
    call: 'predict(x), or forward(x) for gradients',
    apply: 'predict(x), or forward(x) for gradients',
    trainOnBatch: toTrain,
    train_on_batch: toTrain,
    fitDataset: toTrain,
    save: toSave,
    saveWeights: toSave,
    save_weights: toSave,
    loadWeights: 'loadStateDict(), or setWeights()',
    load_weights: 'loadStateDict(), or setWeights()',
    get_weights: 'getWeights()',
    set_weights: 'setWeights()',
    state_dict: 'stateDict()',
    load_state_dict: 'loadStateDict()',
    countParams: 'parameters(), or summary()',
    count_params: 'parameters(), or summary()',
    cuda: "to('native'): Gradus runs on CPUs",
    cpu: "to('native') or to('js')",
  },
  {
    layers: 'module: its namedModules()',
    optimizer: 'an optimizer of your own in compile()',
    weights: 'getWeights(), or parameters()',
    trainable_variables: 'parameters()',
    trainableVariables: 'parameters()',
    trainable_weights: 'parameters()',
    trainableWeights: 'parameters()',
    trainable: 'requiresGrad of its parameters()',
  },
)

// For console.log; not a class member, since its name is computed.
Object.defineProperty(Model.prototype, Symbol.for('nodejs.util.inspect.custom'), {
  value(this: Model) {
    return this.toString()
  },
})

/**
 * A model of layers one after the other, as in Keras.
 *
 * @example
 * const model = sequential([dense(8, { inputShape: [4], activation: 'relu' }), dense(1)])
 * model.parameters().length // 4
 */
export function sequential(layers: readonly LayerSpec[], options?: ModelOptions): Model
export function sequential(...layers: LayerSpec[]): Model
export function sequential(...given: unknown[]): Model {
  const [layers, options] = Array.isArray(given[0]) ? given : [given]
  return new Model(layers as readonly LayerSpec[], options as ModelOptions | undefined)
}
