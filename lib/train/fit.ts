/** The epochs of a training. */
import { TensorDataset } from '../data/dataset.js'
import { Loader } from '../data/loader.js'
import type { AnyOptimizer } from '../optim/optimizer.js'
import type { Generator } from '../random.js'
import { type Measures, validationName } from './measures.js'
import type { FitOptions, History } from './options.js'
import { Progress } from './progress.js'
import type { Run } from './run.js'
import type { Samples } from './samples.js'
import { evaluation, pass, trainStep } from './training.js'

/** The module in both modes, and the optimizer of its parameters, as they are now. */
export interface Opened {
  readonly optimizer: AnyOptimizer
  readonly run: Run
  readonly validating: Run | undefined
}

/** What one `fit` goes by, whatever is compiled meanwhile. */
export interface Training {
  readonly measures: Measures
  readonly samples: Samples
  readonly validation: Samples | undefined
  readonly generator: Generator
  readonly options: FitOptions
  open(): Opened
}

/** A history of no epochs. Names are the user's: own properties of their own, also where they are `constructor`. */
export function emptyHistory(measures: Measures, validates: boolean): History {
  const names = [...measures.names, ...(validates ? measures.names.map(validationName) : [])]
  return { epochs: [], history: Object.fromEntries(names.map(name => [name, []])) }
}

/** Trains, and writes down in `result` what each epoch gave. */
export async function train(training: Training, result: History): Promise<void> {
  const { samples, options, generator } = training
  const { epochs = 1, batchSize, shuffle = true, verbose = 1, onEpochEnd } = options
  const loader = new Loader(new TensorDataset(...samples.tensors), { batchSize, shuffle, generator })
  const progress = new Progress(verbose, epochs, options.output)
  let opened = training.open()
  try {
    for (let epoch = 1; epoch <= epochs; epoch++) {
      progress.epochStarts()
      const values = await trainEpoch(training, opened, loader, progress, epoch)
      result.epochs.push(epoch)
      for (const [name, value] of Object.entries(values)) result.history[name].push(value)
      progress.epochEnds(epoch, loader.dataset.length, values)
      if (!onEpochEnd) continue
      await onEpochEnd(epoch, values)
      close(opened) // layers may have been replaced
      opened = training.open()
    }
  } catch (error) {
    progress.interrupted()
    throw error
  } finally {
    close(opened)
  }
}

function close({ run, validating }: Opened): void {
  run.close()
  validating?.close()
}

/** One epoch and its validation. */
async function trainEpoch(
  { measures, validation, options }: Training,
  { run, validating, optimizer }: Opened,
  loader: Loader,
  progress: Progress,
  epoch: number,
): Promise<Record<string, number>> {
  const values = await pass({
    run,
    names: measures.names,
    loader,
    signal: options.signal,
    step: (x, y) => trainStep(run, measures, optimizer, x, y),
    after: (step, means) =>
      progress.due ? means.read().then(v => progress.step(epoch, step, loader.length, v)) : undefined,
  })
  if (!validation || !validating) return values
  const validated = await evaluation(validating, measures, validation, options)
  return Object.fromEntries([
    ...Object.entries(values),
    ...Object.entries(validated).map(([name, value]) => [validationName(name), value] as const),
  ])
}
