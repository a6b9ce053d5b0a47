import { tensor } from '../creation.js'
import { type Buf, isFloating } from '../dtype.js'
import { checkOptions, GradientError } from '../errors.js'
import { checkTensor } from '../ops/define.js'
import { streamOf, withStream } from '../runtime/device.js'
import { checkFunction, refusePromise } from '../scope.js'
import { format, type Shape } from '../shape.js'
import type { Tensor } from '../tensor.js'
import { gradients, listOf } from './backward.js'

export interface GradcheckOptions {
  /** Step of the central differences, relative to the size of a value above 1. Default: 1e-6. */
  epsilon?: number | undefined
  /** Error allowed in proportion to the larger of the two numbers. Default: 1e-6. */
  rtol?: number | undefined
  /** Error allowed beside that. Default: 1e-7. */
  atol?: number | undefined
  /** Also checks the gradients of the gradients. Default: false. */
  secondOrder?: boolean | undefined
  /** How many elements of an input to check at most, spread evenly over it. Default: all. */
  elements?: number | undefined
}

/** A gradient by backward and by differences. */
export interface GradcheckElement {
  /** Number of the argument; the gradient of the result counts as one more, in the second order. */
  readonly input: number
  readonly index: number
  readonly analytic: number
  readonly numeric: number
}
export interface GradcheckReport {
  /** How many elements were checked. */
  readonly checked: number
  /** The largest difference that was found; null if nothing was checked. */
  readonly worst: GradcheckElement | null
}

/** An argument: floating values, which are varied, or others, which are not. */
interface Argument {
  readonly shape: Shape
  readonly data: Buf
  readonly dtype: 'float64' | 'int32' | 'bool'
}

const limits = { epsilon: 1e-6, rtol: 1e-6, atol: 1e-7, secondOrder: false, elements: Number.POSITIVE_INFINITY }
type Limits = { readonly [K in keyof typeof limits]: (typeof limits)[K] }
type Fn = (...inputs: Tensor[]) => Tensor

const make = (a: Argument): Tensor => tensor(a.data, a.shape, { device: 'js', dtype: a.dtype })
const js = <T>(fn: () => T): T => withStream(streamOf('js'), fn)

/** Weights that make a number of a tensor: unequal, so that errors of opposite sign do not cancel. The golden ratio spreads them. */
function weights(n: number): Float64Array {
  return Float64Array.from({ length: n }, (_, i) => 0.5 + (((i + 1) * 0.6180339887498949) % 1))
}

/** Σ w·f(x). */
async function weighed(fn: Fn, args: readonly Argument[]): Promise<number> {
  const y = js(() => fn(...args.map(make)))
  const values = await y.data()
  const w = weights(values.length)
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += w[i] * values[i]
  return sum
}

/** The gradients of Σ w·f(x) by backward; zeros where f does not depend on an input, null for inputs that are not floating. */
function analytic(fn: Fn, args: readonly Argument[]): (Buf | null)[] {
  return js(() => {
    const inputs = args.map(a => (a.dtype === 'float64' ? make(a).requiresGrad_() : make(a)))
    const leaves = inputs.filter(x => x.requiresGrad)
    const y = fn(...inputs)
    checkResult(y)
    const gradient = tensor(weights(y.size), y.shape, { device: 'js' })
    const found = y.requiresGrad ? gradients(y, leaves, { gradient, allowUnused: true }) : leaves.map(() => null)
    return inputs.map(x => (x.requiresGrad ? (found[leaves.indexOf(x)]?.dataSync() ?? new Float64Array(x.size)) : null))
  })
}

function checkResult(y: Tensor): void {
  if (y.dtype !== 'float64')
    throw new GradientError('gradcheck', `the function must return a float64 tensor for float64 inputs, got ${y.dtype}`)
}

/** The function whose result is the gradients of `fn`, from its inputs and the gradient of its result. */
function gradientOf(fn: Fn, count: number): Fn {
  return (...args) => {
    const [inputs, gradient] = [args.slice(0, count), args[count]]
    const leaves = inputs
      .filter(x => x.requiresGrad || x.dtype === 'float64')
      .map(x => (x.requiresGrad ? x : x.requiresGrad_()))
    const y = fn(...inputs)
    const found = y.requiresGrad ? gradients(y, leaves, { gradient, createGraph: true, allowUnused: true }) : []
    // One number of all gradients: Σ w·∂x over every input.
    const parts = found
      .filter(g => g !== null)
      .map(g => g.mul(tensor(weights(g.size), g.shape, { device: 'js' })).sum())
    return parts.reduce((a, b) => a.add(b), tensor(0, { device: 'js', dtype: 'float64' }))
  }
}

const errorOf = (e: GradcheckElement | null): number => (e ? Math.abs(e.analytic - e.numeric) : 0)

function spread(n: number, most: number): number[] {
  const count = Math.min(n, most)
  return Array.from({ length: count }, (_, i) => Math.floor((i * n) / count))
}

async function difference(
  fn: Fn,
  args: readonly Argument[],
  input: number,
  index: number,
  epsilon: number,
): Promise<number> {
  const at = async (v: number): Promise<number> => {
    const data = args[input].data.slice()
    data[index] = v
    return weighed(
      fn,
      args.map((a, i) => (i === input ? { ...a, data } : a)),
    )
  }
  const x = args[input].data[index]
  const step = epsilon * Math.max(1, Math.abs(x))
  return ((await at(x + step)) - (await at(x - step))) / (x + step - (x - step))
}

async function check(
  fn: Fn,
  args: readonly Argument[],
  { epsilon, rtol, atol, elements }: Limits,
  what: string,
): Promise<GradcheckReport> {
  const found = analytic(fn, args)
  let checked = 0
  let worst: GradcheckElement | null = null
  for (let input = 0; input < args.length; input++) {
    const grads = found[input]
    if (!grads) continue
    for (const index of spread(grads.length, elements)) {
      const element = {
        input,
        index,
        analytic: grads[index],
        numeric: await difference(fn, args, input, index, epsilon),
      }
      const allowed = atol + rtol * Math.max(Math.abs(element.analytic), Math.abs(element.numeric))
      if (!(errorOf(element) <= allowed)) throw wrong(element, args[input].shape, what)
      if (!worst || errorOf(element) > errorOf(worst)) worst = element
      checked++
    }
  }
  return { checked, worst }
}

function wrong({ input, index, analytic, numeric }: GradcheckElement, shape: Shape, what: string): GradientError {
  return new GradientError(
    'gradcheck',
    `${what} of input ${input} ${format(shape)} at element ${index}: backward gives ${analytic}, differences give ${numeric}`,
    'is the function smooth there, and does it give the same value each time?',
  )
}

/**
 * Compares the gradients that backward computes with central differences (f(x + ε) − f(x − ε)) / 2ε, in float64 on the
 * js device. A result with several elements is weighed and summed. All floating inputs are checked, others passed on.
 *
 * The function is called often, must give the same value each time, and should be smooth at the inputs. Inside, the js
 * device is the default.
 *
 * @throws GradientError for the first element that differs: its input, its position and both numbers.
 * @example
 * const report = await gradcheck((x, y) => x.mul(y).tanh(), [tensor([0.1, 0.2]), tensor([3, 4])])
 * report.checked // 4
 */
export async function gradcheck(
  fn: (...inputs: Tensor[]) => Tensor,
  inputs: Tensor | readonly Tensor[],
  options: GradcheckOptions = {},
): Promise<GradcheckReport> {
  checkFunction('gradcheck', fn)
  checkOptions('gradcheck', options, Object.keys(limits))
  const f: Fn = (...x) => checkTensor('gradcheck', refusePromise('gradcheck', fn(...x)), 'the result')
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  const all: Limits = { ...limits, ...Object.fromEntries(given) }
  const args: Argument[] = []
  for (const x of listOf('gradcheck', inputs)) {
    const { dtype, shape } = x
    const data = await x.detach().data()
    args.push(
      isFloating(dtype)
        ? { shape, data: Float64Array.from(data), dtype: 'float64' }
        : { shape, data, dtype: dtype as 'int32' },
    )
  }
  const first = await check(f, args, all, 'the gradient')
  if (!all.secondOrder) return first
  const y = js(() => f(...args.map(make)))
  const seed: Argument = { shape: y.shape, data: weights(y.size).reverse(), dtype: 'float64' }
  const second = await check(gradientOf(f, args.length), [...args, seed], all, 'the second derivative')
  const worst = errorOf(first.worst) > errorOf(second.worst) ? first.worst : (second.worst ?? first.worst)
  return { checked: first.checked + second.checked, worst }
}
