/** Options of compile, fit, evaluate and predict, and what is checked of them before anything runs. */
import { checkOptions, describe, OptionError } from '../errors.js'
import { checkCount } from '../nn/module.js'
import { type Generator, generatorOr } from '../random.js'
import type { Measure } from './formulas.js'
import { checkFunction } from './given.js'
import type { MetricLike } from './measures.js'
import type { LossName } from './names.js'
import type { OptimizerLike } from './optimizers.js'
import type { ProgressStream, Verbosity } from './progress.js'
import type { Data } from './samples.js'

export interface CompileOptions {
  /** An optimizer by name with Keras's defaults ('adam', 'adamw', 'sgd'), the same with options, or an Optimizer. */
  optimizer: OptimizerLike
  /** A loss by name with Keras's formula, or a function of prediction and target. */
  loss: LossName | Measure
  /** Metrics by name, such as 'accuracy', or functions of prediction and target. */
  metrics?: readonly MetricLike[] | undefined
}

/** An AbortSignal, for programs that have no type of that name. */
export interface Signal {
  readonly aborted: boolean
  readonly reason: unknown
  throwIfAborted(): void
}

export interface EvaluateOptions {
  /** Samples per step. Default: 32. */
  batchSize?: number | undefined
  signal?: Signal | undefined
}

export interface FitOptions extends EvaluateOptions {
  /** Passes over the data. Default: 1. */
  epochs?: number | undefined
  /** A new random order in each epoch. Default: true. */
  shuffle?: boolean | undefined
  /** Evaluated after each epoch, as `valLoss` and so on. */
  validationData?: readonly [Data, Data] | undefined
  /** 0 or false: silent · 1 (default) or true: a live line on a terminal, else a line per epoch · 2: a line per epoch. */
  verbose?: Verbosity | boolean | undefined
  /** Where shuffling and dropout draw from. Default: derived from the default generator. */
  generator?: Generator | undefined
  /** Called after each epoch, and awaited. */
  onEpochEnd?: ((epoch: number, values: Record<string, number>) => unknown) | undefined
  /** Where progress goes. Default: process.stderr. */
  output?: ProgressStream | undefined
}

/** What `fit` reports: the epochs, and the values of each by name. */
export interface History {
  readonly epochs: number[]
  readonly history: Record<string, number[]>
}

export function checkCompileOptions(options: CompileOptions): void {
  const example = "for example: compile({ optimizer: 'adam', loss: 'meanSquaredError' })"
  if (options === undefined) throw new OptionError('compile', 'expected optimizer and loss', example)
  checkOptions('compile', options, ['optimizer', 'loss', 'metrics'])
  for (const name of ['optimizer', 'loss'] as const)
    if (options[name] === undefined) throw new OptionError('compile', `${name} is missing`, example)
}

/** By what it can do: test environments have classes of their own. */
function checkSignal(op: string, signal: unknown): void {
  const { aborted, throwIfAborted } = Object(signal) as Partial<Signal>
  if (signal !== undefined && (typeof aborted !== 'boolean' || typeof throwIfAborted !== 'function'))
    throw new OptionError(
      op,
      `signal must be an AbortSignal, got ${describe(signal)}`,
      'use new AbortController().signal',
    )
}

export function checkEvaluateOptions(op: string, options: EvaluateOptions): void {
  checkOptions(op, options, ['batchSize', 'signal'])
  if (options.batchSize !== undefined) checkCount(op, 'batchSize', options.batchSize)
  checkSignal(op, options.signal)
}

const fitOptions = 'epochs batchSize shuffle validationData verbose generator signal onEpochEnd output'.split(' ')

export function checkFitOptions(options: FitOptions): void {
  checkOptions('fit', options, fitOptions)
  const {
    epochs = 1,
    batchSize = 32,
    shuffle = true,
    validationData,
    verbose = 1,
    generator,
    onEpochEnd,
    output,
  } = options
  checkCount('fit', 'epochs', epochs, 0)
  checkCount('fit', 'batchSize', batchSize)
  const check = (ok: boolean, name: string, expected: string, value: unknown): void => {
    if (!ok) throw new OptionError('fit', `${name} must be ${expected}, got ${describe(value)}`)
  }
  check(typeof shuffle === 'boolean', 'shuffle', 'true or false', shuffle)
  check([0, 1, 2, true, false].includes(verbose), 'verbose', '0, 1 or 2', verbose)
  if (onEpochEnd !== undefined) checkFunction('fit', 'onEpochEnd', onEpochEnd, '(epoch, values) → void')
  check(output === undefined || typeof output?.write === 'function', 'output', 'a stream with write()', output)
  const pair = validationData === undefined || (Array.isArray(validationData) && validationData.length === 2)
  check(pair, 'validationData', '[x, y]', validationData)
  if (generator !== undefined) generatorOr('fit', generator)
  checkSignal('fit', options.signal)
}
