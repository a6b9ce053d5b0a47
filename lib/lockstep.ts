import { checkOptions } from './errors.js'
import { tolerances } from './ops/define.js'
import { openNative, withStream } from './runtime/device.js'
import { type Difference, LockstepExecutor } from './runtime/lockstep.js'
import { refusePromise } from './scope.js'

export interface LockstepOptions {
  /** How many differences to tell at most. Default: 100. */
  limit?: number | undefined
}

export interface LockstepReport {
  /** How many commands ran. */
  readonly commands: number
  /** How often each kernel was compared. */
  readonly kernels: { readonly [kernel: string]: number }
  /** What differed by more than the kernel's tolerance, in the order of the commands: the first is where it began. */
  readonly differences: readonly Difference[]
}

/**
 * Runs a function on the native device, and beside each native kernel its JS twin on copies of the same inputs. Errors do
 * not build up: a difference lies in the kernel that it names.
 *
 * The function must make all it uses, models included: inside, the native device is one of its own, the default, and is
 * closed at the end. Tensors made outside are refused, and those made inside cannot be used afterwards.
 *
 * @throws DeviceError if there is no addon; OptionError if the function is asynchronous; what the function throws.
 * @example
 * const { differences } = await lockstep(() => {
 *   const x = tensor([0, 1, 2]).requiresGrad_()
 *   x.softmax().square().sum().backward()
 * })
 * differences.length // 0
 */
export async function lockstep(fn: () => unknown, options: LockstepOptions = {}): Promise<LockstepReport> {
  checkOptions('lockstep', options, ['limit'])
  let executor: LockstepExecutor | undefined
  const stream = openNative(
    (native, kernels, onEvents) => (executor = new LockstepExecutor(native, kernels, tolerances, onEvents)),
    { eager: true },
  )
  const { differences, compared } = executor!
  // Records run as they are issued, so the op that is being issued is the one that runs.
  executor!.source = () => stream.sourceOf(stream.op)
  try {
    withStream(stream, () => refusePromise('lockstep', fn()))
    stream.synchronizeSync()
  } finally {
    stream.close()
  }
  return {
    commands: executor!.commands,
    kernels: Object.fromEntries(compared),
    differences: differences.slice(0, options.limit ?? 100),
  }
}
