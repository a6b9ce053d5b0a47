/** What a test case is: one line of data. Which checks it buys is decided in ops.test.ts. */
import { readdirSync } from 'node:fs'
import type { Buf, DType } from '../../lib/dtype.js'
import { isFloating } from '../../lib/dtype.js'
import * as gradus from '../../lib/index.js'
import { type Rule, rules } from '../../lib/ops/define.js'
import { type Device, nativeOnce, streamOf, withStream } from '../../lib/runtime/device.js'
import { sizeOf } from '../../lib/shape.js'
import type { Tensor } from '../../lib/tensor.js'
import { type Input, randomFor } from './shapes.js'

type Expected = number | boolean | readonly Expected[]

export interface Case {
  /** Name of the function; or of what `run` shows. */
  readonly op: string
  readonly inputs: readonly Input[]
  /** Arguments after the tensors. */
  readonly args?: readonly unknown[]
  /** Instead of calling the function `op` with inputs and arguments. */
  run?(...inputs: Tensor[]): Tensor
  readonly note?: string
  /** The result: equal bits, or within `ulps`. */
  readonly expect?: Expected
  readonly ulps?: number
  readonly shape?: readonly number[]
  readonly dtype?: DType
  /** For a branch of a native kernel: lock-step only. Said where the inputs are small and the result is not. */
  readonly large?: boolean
  /** The error, at the call or at the read. */
  readonly throws?: RegExp
  /** Why a check makes no sense here. */
  readonly noGradCheck?: string
  readonly noSecond?: string
  readonly noViews?: string
  readonly noFused?: string
}

/** A case in one line. */
export function of(op: string, inputs: readonly Input[], more: Omit<Case, 'op' | 'inputs'> = {}): Case {
  return { op, inputs, ...more }
}

export interface Family {
  /** The file's name, in lib/ops and in test/ops. */
  readonly stem: string
  readonly cases: readonly Case[]
}

const folder = new URL('../ops/', import.meta.url)

/** Every file of test/ops. */
export const families: readonly Family[] = await Promise.all(
  readdirSync(folder).map(async file => {
    const { cases }: Pick<Family, 'cases'> = await import(new URL(file, folder).href)
    return { stem: file.replace('.ts', ''), cases }
  }),
)

export function titleOf(c: Case): string {
  const inputs = c.inputs.map(i => `${i.dtype === 'float32' ? '' : i.dtype}[${i.shape}]`).join(' ')
  const args = c.args?.length ? ` ${JSON.stringify(c.args)}` : ''
  return `${c.op} ${inputs}${args}${c.note ? ` (${c.note})` : ''}`
}

/** Is the device there? Without the addon, what concerns native is skipped, and counted as skipped. */
export function has(device: Device): boolean {
  return device === 'js' || 'native' in nativeOnce()
}
export const devices: readonly Device[] = ['native', 'js']

/** Runs a function with a device as the default. */
export function on<T>(device: Device, fn: () => T): T {
  return withStream(streamOf(device), fn)
}

/** The values of a case, the same each time. */
export function dataOf(c: Case): Buf[] {
  const random = randomFor(titleOf(c))
  return c.inputs.map(input => input.data(random))
}

export interface MakeOptions {
  /** Instead of float32. */
  readonly float?: DType
  readonly requiresGrad?: boolean
  readonly data?: readonly Buf[]
}

/** The inputs of a case as tensors on the default device. */
export function make(
  c: Case,
  { float = 'float32', requiresGrad = false, data = dataOf(c) }: MakeOptions = {},
): Tensor[] {
  return c.inputs.map(({ shape, dtype }, i) => {
    const floating = isFloating(dtype)
    return gradus.tensor(data[i], shape, { dtype: floating ? float : dtype, requiresGrad: requiresGrad && floating })
  })
}

export function call(c: Case, inputs: readonly Tensor[]): Tensor {
  if (c.run) return c.run(...inputs)
  const op = (gradus as unknown as Record<string, (...args: unknown[]) => Tensor>)[c.op]
  return op(...inputs, ...(c.args ?? []))
}

/** Large cases are for the branches of native kernels: lock-step only. */
export function isLarge(c: Case): boolean {
  return c.large === true || c.inputs.some(i => sizeOf(i.shape) > 2000)
}

/** Does the case give a floating result that depends on a floating input? */
export function isDifferentiable(c: Case): boolean {
  if (c.throws || c.noGradCheck || isLarge(c) || !c.inputs.some(i => isFloating(i.dtype))) return false
  try {
    const y = on('js', () => call(c, make(c, { float: 'float64', requiresGrad: true })))
    return y.requiresGrad && y.dtype === 'float64'
  } catch {
    return false // the value check will say what is wrong
  }
}

/** The gradient of a result in tests: fixed and uneven. */
export function upstream(y: Tensor): Tensor {
  const data = Float64Array.from({ length: y.size }, (_, i) => (((i * 7 + 3) % 11) - 5) / 4)
  return gradus.tensor(data, y.shape, { dtype: y.dtype, device: y.device })
}

/** Result and gradients, on the default device. */
export function forwardAndBackward(c: Case, options: MakeOptions = {}): { y: Tensor; inputs: Tensor[] } {
  const inputs = make(c, { ...options, requiresGrad: true })
  const y = call(c, inputs)
  if (y.requiresGrad) y.backward({ gradient: upstream(y), retainGraph: true })
  return { y, inputs }
}

// ---- fused rules -----------------------------------------------------------------------------------------------------

export interface FusedCall {
  readonly rule: Rule<unknown>
  readonly inputs: readonly { readonly data: Buf; readonly shape: readonly number[]; readonly dtype: DType }[]
  readonly p: unknown
}

/** Every rule that runs a kernel and says what it means. */
export function fusedRules(): Rule<unknown>[] {
  return [...rules.values()].filter(r => r.definition && 'run' in r) as unknown as Rule<unknown>[]
}

/** The calls of fused rules that a function makes on the js device, one of each rule. */
export function fusedCalls(fn: () => unknown): FusedCall[] {
  const calls = new Map<string, FusedCall>()
  const all = fusedRules()
  const runs = all.map(r => r.run)
  for (const [i, r] of all.entries())
    (r as { run: Rule<unknown>['run'] }).run = (k, inputs, y, p, extras) => {
      runs[i](k, inputs, y, p, extras)
      // Only in double precision does the comparison say anything.
      if (!calls.has(r.name) && !inputs.some(x => x.dtype === 'float32'))
        calls.set(r.name, {
          rule: r,
          p,
          inputs: inputs.map(x => ({ data: x.detach().dataSync(), shape: x.shape, dtype: x.dtype })),
        })
    }
  try {
    fn()
  } finally {
    for (const [i, r] of all.entries()) (r as { run: Rule<unknown>['run'] }).run = runs[i]
  }
  return [...calls.values()]
}
