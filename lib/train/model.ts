import { dataFor, tensor, type Values } from '../creation.js'
import { TensorDataset } from '../data/dataset.js'
import { Loader } from '../data/loader.js'
import { checkOptions, describe, OptionError, ShapeError, StateError } from '../errors.js'
import { Sequential } from '../nn/container.js'
import { checkCount, Module } from '../nn/module.js'
import type { Parameter } from '../nn/parameter.js'
import type { StateDict } from '../nn/state.js'
import { isTensor } from '../ops/define.js'
import { concat } from '../ops/movement.js'
import { type AnyOptimizer, Optimizer } from '../optim/optimizer.js'
import { defaultGenerator, type Generator, withGenerator } from '../random.js'
import { type Device, defaultDevice, streamOf } from '../runtime/device.js'
import { keep, noGrad, tidy } from '../scope.js'
import type { Shape } from '../shape.js'
import type { Tensor } from '../tensor.js'
import { type BuildContext, buildLayers, checkLayers, type LayerSpec } from './layers.js'
import { Measures, type MetricLike, RunningMeans } from './measures.js'
import { type Measure, optimizerNamed } from './named.js'
import { Progress, type ProgressStream, type Verbosity } from './progress.js'
import { setWeights, summaryOf, weightsOf } from './weights.js'

/** Samples: a tensor, or what `tensor()` accepts. */
export type Data = Tensor | Values

/** An optimizer by name, with options other than Keras's defaults. */
export interface NamedOptimizer {
  name: string
  learningRate?: number
  [option: string]: unknown
}

export interface CompileOptions {
  /** An optimizer by name with Keras's defaults ('adam', 'adamw', 'sgd'), the same with options, or an Optimizer. */
  optimizer: string | NamedOptimizer | AnyOptimizer
  /** A loss by name with Keras's formula, or a function of prediction and target. */
  loss: string | Measure
  /** Metrics by name, such as 'accuracy', or functions of prediction and target. */
  metrics?: readonly MetricLike[]
}

/** An AbortSignal, for programs that have no type of that name. */
interface Signal {
  readonly aborted: boolean
  readonly reason: unknown
  throwIfAborted(): void
}

export interface EvaluateOptions {
  /** Samples per step. Default: 32. */
  batchSize?: number
  signal?: Signal
}

export interface FitOptions extends EvaluateOptions {
  /** Passes over the data. Default: 1. */
  epochs?: number
  /** A new random order in each epoch. Default: true. */
  shuffle?: boolean
  /** Evaluated after each epoch, as `valLoss` and so on. */
  validationData?: readonly [Data, Data]
  /** 0: silent · 1 (default): a live line on a terminal, else a line per epoch · 2: a line per epoch. */
  verbose?: Verbosity
  /** Where shuffling and dropout draw from. Default: derived from the default generator. */
  generator?: Generator
  /** Called after each epoch, and awaited. */
  onEpochEnd?: (epoch: number, values: Record<string, number>) => unknown
  /** Where progress goes. Default: process.stderr. */
  output?: ProgressStream
}

/** What `fit` reports: the epochs, and the values of each by name. */
export interface History {
  readonly epochs: number[]
  readonly history: Record<string, number[]>
}

/** What the steps of one `fit` use, whatever is compiled meanwhile. */
interface Training {
  readonly optimizer: AnyOptimizer
  readonly measures: Measures
  readonly generator: Generator
  /** Its failures are nobody else's. */
  readonly user: number
}

const isOptimizer = (value: unknown): value is AnyOptimizer => value instanceof Optimizer

function nameOf(optimizer: unknown): string {
  return typeof optimizer === 'string' ? optimizer : String((optimizer as NamedOptimizer | null)?.name)
}

function checkSignal(op: string, signal: unknown): void {
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw new OptionError(
      op,
      `signal must be an AbortSignal, got ${describe(signal)}`,
      'use new AbortController().signal',
    )
}

interface Compiled {
  readonly optimizer: CompileOptions['optimizer']
  readonly measures: Measures
}

/** A model that can be trained, evaluated and asked: Keras's `Model`, of `sequential([…])` or of any Module. */
export class Model {
  private readonly specs: readonly LayerSpec[] | undefined
  private readonly context: BuildContext
  private built: Module | undefined
  private compiled: Compiled | undefined
  private optimizer: AnyOptimizer | undefined

  /** @param of A module, or the layers of `sequential`. */
  constructor(of: Module | readonly LayerSpec[], options: { device?: Device; generator?: Generator } = {}) {
    checkOptions('Model', options, ['device', 'generator'])
    this.context = { device: options.device, generator: options.generator ?? defaultGenerator() }
    if (of instanceof Module) this.built = of
    else if (Array.isArray(of) && of.length > 0) {
      this.specs = [...of]
      checkLayers(of)
      const shape = of[0].inputShape
      if (shape) this.build(shape)
    } else throw new OptionError('Model', `expected a module or a list of layers, got ${describe(of)}`)
  }

  /** The module behind the model. */
  get module(): Module {
    if (this.built) return this.built
    throw new StateError('Model', 'the model is not built yet', 'give the first layer an inputShape, or fit it first')
  }
  private build(sample: Shape): void {
    this.built = new Sequential(...buildLayers(this.specs!, sample, this.context))
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
    checkOptions('compile', options, ['optimizer', 'loss', 'metrics'])
    const { optimizer, loss, metrics } = options
    if (optimizer === undefined || loss === undefined)
      throw new OptionError(
        'compile',
        `${optimizer === undefined ? 'optimizer' : 'loss'} is missing`,
        "for example: compile({ optimizer: 'adam', loss: 'meanSquaredError' })",
      )
    if (!isOptimizer(optimizer)) optimizerNamed(nameOf(optimizer))
    this.compiled = { optimizer, measures: new Measures(loss, metrics) }
    this.optimizer = undefined
    return this
  }
  private get measures(): Measures {
    if (this.compiled) return this.compiled.measures
    throw new StateError('Model', 'the model is not compiled', "call compile({ optimizer: 'adam', loss: '…' }) first")
  }
  private makeOptimizer(): AnyOptimizer {
    const { optimizer } = this.compiled!
    const own = this.parameters()
    if (!isOptimizer(optimizer)) {
      const { name: _, ...options } = typeof optimizer === 'string' ? { name: optimizer } : optimizer
      return optimizerNamed(nameOf(optimizer))(own, options)
    }
    if (!optimizer.parameters().some(p => own.includes(p)))
      throw new StateError(
        'Model',
        "the optimizer has none of the model's parameters",
        'make it with model.parameters() after the model is built, and again after module.to()',
      )
    return optimizer
  }

  /** Tensors on the model's device, and which of them were made here. */
  private prepare(op: string, ...data: Data[]): { tensors: Tensor[]; release: () => void } {
    const floating = this.built?.parameters()[0]?.dtype ?? 'float32'
    const tensors = data.map(d => dataFor(d, this.device, floating))
    const [x] = tensors
    if (x.rank === 0) throw new ShapeError(op, 'expected samples along axis 0, got a scalar')
    if (!this.built) this.build(x.shape.slice(1))
    return { tensors, release: () => tensors.forEach((t, i) => t !== data[i] && t.dispose()) }
  }

  /** Runs a synchronous function with the module in a mode: nothing is left changed for others between two awaits. */
  private inMode<T>(training: boolean, generator: Generator, user: number, fn: () => T): T {
    const modules = [...this.module.namedModules().values()]
    const before = modules.map(m => m.training)
    this.module.train(training)
    try {
      return streamOf(this.device).onBehalf(user, () => withGenerator(generator, fn))
    } finally {
      modules.forEach((m, i) => {
        m.training = before[i]
      })
    }
  }

  private trainStep(x: Tensor, y: Tensor, { optimizer, measures, generator, user }: Training): Tensor[] {
    return this.inMode(true, generator, user, () =>
      tidy(() => {
        optimizer.zeroGrad()
        const prediction: Tensor = this.module.forward(x)
        const loss = measures.loss(prediction, y)
        loss.backward()
        optimizer.step()
        return [loss.detach(), ...measures.metricsOf(prediction.detach(), y)]
      }),
    )
  }
  private evaluateStep(x: Tensor, y: Tensor, measures: Measures, user: number): Tensor[] {
    return this.inMode(false, this.context.generator, user, () =>
      noGrad(() =>
        tidy(() => {
          const prediction: Tensor = this.module.forward(x)
          return [measures.loss(prediction, y).detach(), ...measures.metricsOf(prediction, y)]
        }),
      ),
    )
  }

  /**
   * Trains. Requests are served in between: the work runs in the background, and each step awaits its turn.
   *
   * @param x Samples along axis 0.
   * @param y Their targets.
   * @throws `signal.reason` when aborted, with the `history` so far on it if it is an object; a failure of a step.
   */
  async fit(x: Data, y: Data, options: FitOptions = {}): Promise<History> {
    checkOptions('fit', options, [
      'epochs',
      'batchSize',
      'shuffle',
      'validationData',
      'verbose',
      'generator',
      'signal',
      'onEpochEnd',
      'output',
    ])
    const { epochs = 1, batchSize = 32, shuffle = true, validationData, verbose = 1, signal } = options
    checkCount('fit', 'epochs', epochs, 0)
    if (![0, 1, 2].includes(verbose))
      throw new OptionError('fit', `verbose must be 0, 1 or 2, got ${describe(verbose)}`)
    checkSignal('fit', signal)
    if (validationData && !(Array.isArray(validationData) && validationData.length === 2))
      throw new OptionError('fit', `validationData must be [x, y], got ${describe(validationData)}`)
    const { measures } = this
    const generator = options.generator ?? defaultGenerator().split()
    const { tensors, release } = this.prepare('fit', x, y)
    this.optimizer ??= this.makeOptimizer()
    const stream = streamOf(this.device)
    const training = { optimizer: this.optimizer, measures, generator, user: stream.failures.openUser() }
    const result: History = { epochs: [], history: {} }
    const progress = new Progress(verbose, epochs, options.output)
    try {
      const loader = new Loader(new TensorDataset(...tensors), { batchSize, shuffle, generator })
      for (let epoch = 1; epoch <= epochs; epoch++) {
        progress.epochStarts()
        const values = await this.epoch(epoch, loader, training, progress, signal)
        if (validationData) {
          const validation = await this.evaluate(validationData[0], validationData[1], { batchSize, signal })
          for (const [name, value] of Object.entries(validation))
            values[`val${name[0].toUpperCase()}${name.slice(1)}`] = value
        }
        result.epochs.push(epoch)
        for (const [name, value] of Object.entries(values)) (result.history[name] ??= []).push(value)
        progress.epochEnds(epoch, loader.dataset.length, values)
        await options.onEpochEnd?.(epoch, values)
      }
      return result
    } catch (error) {
      progress.interrupted()
      if (error !== null && typeof error === 'object' && Object.isExtensible(error))
        Object.assign(error, { history: result })
      throw error
    } finally {
      stream.failures.closeUser(training.user)
      release()
    }
  }

  private async epoch(
    epoch: number,
    loader: Loader,
    training: Training,
    progress: Progress,
    signal?: Signal,
  ): Promise<Record<string, number>> {
    const means = new RunningMeans(training.measures.names, this.device, training.user)
    try {
      let step = 0
      signal?.throwIfAborted()
      for await (const [bx, by] of loader) {
        signal?.throwIfAborted()
        means.add(this.trainStep(bx, by, training), bx.shape[0])
        step++
        if (progress.due) progress.step(epoch, step, loader.length, await means.read())
      }
      signal?.throwIfAborted()
      return await means.read()
    } finally {
      means.dispose()
    }
  }

  /** Loss and metrics over all samples, by name. Nothing is trained, and dropout is off. */
  async evaluate(x: Data, y: Data, options: EvaluateOptions = {}): Promise<Record<string, number>> {
    checkOptions('evaluate', options, ['batchSize', 'signal'])
    checkSignal('evaluate', options.signal)
    const { measures } = this
    const { tensors, release } = this.prepare('evaluate', x, y)
    const stream = streamOf(this.device)
    const user = stream.failures.openUser()
    const means = new RunningMeans(measures.names, this.device, user)
    try {
      for await (const [bx, by] of new Loader(new TensorDataset(...tensors), { batchSize: options.batchSize })) {
        options.signal?.throwIfAborted()
        means.add(this.evaluateStep(bx, by, measures, user), bx.shape[0])
      }
      return await means.read()
    } finally {
      stream.failures.closeUser(user)
      means.dispose()
      release()
    }
  }

  /** The outputs for all samples, along axis 0. Safe during training. */
  async predict(x: Data, options: EvaluateOptions = {}): Promise<Tensor> {
    checkOptions('predict', options, ['batchSize', 'signal'])
    checkSignal('predict', options.signal)
    const { tensors, release } = this.prepare('predict', x)
    const parts: Tensor[] = []
    try {
      for await (const [bx] of new Loader(new TensorDataset(...tensors), { batchSize: options.batchSize })) {
        options.signal?.throwIfAborted()
        const forward = (): Tensor => (this.module.forward(bx) as Tensor).detach() // the batch itself, perhaps
        parts.push(this.inMode(false, this.context.generator, 0, () => noGrad(() => keep(tidy(forward)))))
      }
      return noGrad(() => concat(parts))
    } finally {
      for (const part of parts) part.dispose()
      release()
    }
  }

  /** Weights as Keras lists them: layer by layer, kernels as [in, out]. */
  getWeights(): Tensor[] {
    return weightsOf(this.module)
  }
  /** Sets weights in the order and layout of `getWeights`. */
  setWeights(weights: readonly Data[]): void {
    tidy(() => {
      const tensors = weights.map(w => (isTensor(w) ? w : tensor(w as Values, { device: this.device })))
      setWeights(this.module, tensors)
    })
  }

  /** A table of the layers and their parameters. */
  summary(): string {
    return summaryOf(this.module)
  }

  /** Gives up the memory of all parameters, and of the state of an optimizer that was compiled by name. */
  dispose(): void {
    if (this.optimizer !== this.compiled?.optimizer) this.optimizer?.dispose()
    this.built?.dispose()
  }
}

/**
 * A model of layers one after the other, as in Keras.
 *
 * @example
 * const model = sequential([dense(8, { inputShape: [4], activation: 'relu' }), dense(1)])
 * model.parameters().length // 4
 */
export function sequential(
  layers: readonly LayerSpec[],
  options: { device?: Device; generator?: Generator } = {},
): Model {
  return new Model(layers, options)
}
