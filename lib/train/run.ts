import { Module } from '../nn/module.js'
import { type Generator, withGenerator } from '../random.js'
import type { Device } from '../runtime/device.js'
import { streamOf } from '../runtime/device.js'
import type { Stream } from '../runtime/stream.js'
import type { Tensor } from '../tensor.js'
import { atOnce, checkOutput } from './given.js'

/** The modules and their modes in training or evaluation, as `train()` sets them. */
function modesOf(op: string, module: Module, training: boolean): (readonly [Module, boolean])[] {
  const modules = [...module.namedModules().values()]
  if (module.train === Module.prototype.train) return modules.map(m => [m, training] as const)
  const before = modules.map(m => m.training)
  atOnce(op, `train() of ${module.constructor.name}`, module.train(training))
  const modes = modules.map(m => [m, m.training] as const)
  modules.forEach((m, i) => {
    m.training = before[i]
  })
  return modes
}

/**
 * One run of training, evaluation or prediction. Its steps are synchronous functions: within one the module is in the
 * run's mode and draws from its generator, and nothing is left changed for others between two awaits.
 */
export class Run {
  readonly stream: Stream
  /** On whose behalf commands are issued: the failures of a run are nobody else's. */
  readonly user: number
  private readonly op: string
  private readonly module: Module
  private readonly generator: Generator
  /** All modules, and whether each trains in this run. Collected once: a walk takes as long as the user's fields are many. */
  private readonly modes: readonly (readonly [Module, boolean])[]

  constructor(op: string, module: Module, training: boolean, device: Device, generator: Generator) {
    this.op = op
    this.module = module
    this.generator = generator
    this.stream = streamOf(device)
    this.modes = modesOf(op, module, training)
    this.user = this.stream.failures.openUser()
  }

  step<T>(fn: () => T): T {
    const before = this.modes.map(([m]) => m.training)
    for (const [m, training] of this.modes) m.training = training
    try {
      return this.stream.onBehalf(this.user, () => withGenerator(this.generator, fn))
    } finally {
      this.modes.forEach(([m], i) => {
        m.training = before[i]
      })
    }
  }

  forward(x: Tensor): Tensor {
    return checkOutput(this.op, this.module, this.module.forward(x))
  }

  close(): void {
    this.stream.failures.closeUser(this.user)
  }
}
