/** The steps of training and evaluation, and the loops over them. */
import { TensorDataset } from '../data/dataset.js'
import { Loader } from '../data/loader.js'
import type { AnyOptimizer } from '../optim/optimizer.js'
import { noGrad, tidy } from '../scope.js'
import type { Tensor } from '../tensor.js'
import { atOnce } from './given.js'
import { RunningMeans } from './means.js'
import type { Measures } from './measures.js'
import type { Signal } from './options.js'
import type { Run } from './run.js'
import type { Samples } from './samples.js'

/** Loss and metrics of a batch, before the step that it causes: nothing has changed if one of them throws. */
export function trainStep(run: Run, measures: Measures, optimizer: AnyOptimizer, x: Tensor, y: Tensor): Tensor[] {
  return run.step(() =>
    tidy(() => {
      optimizer.zeroGrad()
      const prediction = run.forward(x)
      const loss = measures.lossOf(prediction, y)
      const values = [loss.detach(), ...measures.metricsOf(prediction.detach(), y)]
      loss.backward()
      atOnce('fit', 'step() of the optimizer', optimizer.step()) // which may be the user's
      return values
    }),
  )
}

export function evaluateStep(run: Run, measures: Measures, x: Tensor, y: Tensor): Tensor[] {
  return run.step(() =>
    noGrad(() =>
      tidy(() => {
        const prediction = run.forward(x)
        return [measures.lossOf(prediction, y).detach(), ...measures.metricsOf(prediction, y)]
      }),
    ),
  )
}

interface Pass {
  readonly run: Run
  readonly names: readonly string[]
  readonly loader: Loader
  readonly signal: Signal | undefined
  step(x: Tensor, y: Tensor): Tensor[]
  /** Called after each step. */
  after?(step: number, means: RunningMeans): Promise<void> | undefined
}

/** One pass over the data: the means of what the steps give, by name. */
export async function pass({ run, names, loader, signal, step, after }: Pass): Promise<Record<string, number>> {
  const means = new RunningMeans(names, run.stream, run.user)
  try {
    let done = 0
    signal?.throwIfAborted()
    for await (const [x, y] of loader) {
      signal?.throwIfAborted()
      means.add(step(x, y), x.shape[0])
      const drawn = after?.(++done, means)
      if (drawn) await drawn
    }
    signal?.throwIfAborted()
    return await means.read()
  } finally {
    means.dispose()
  }
}

/** Loss and metrics over all samples. */
export function evaluation(
  run: Run,
  measures: Measures,
  samples: Samples,
  { batchSize, signal }: { batchSize?: number; signal?: Signal },
): Promise<Record<string, number>> {
  return pass({
    run,
    names: measures.names,
    loader: new Loader(new TensorDataset(...samples.tensors), { batchSize }),
    signal,
    step: (x, y) => evaluateStep(run, measures, x, y),
  })
}
