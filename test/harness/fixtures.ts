/** What PyTorch computed (test/fixtures/torch_ops.json, made by scripts/fixtures/torch_ops.py), as calls of ours. */
import { readFileSync } from 'node:fs'
import type { DType } from '../../lib/dtype.js'
import * as gradus from '../../lib/index.js'
import type { Tensor } from '../../lib/tensor.js'
import { largestOf, sameBits, within } from './compare.js'

interface Array_ {
  readonly shape: readonly number[]
  readonly dtype: DType
  readonly data: readonly (number | string | boolean)[]
}

export interface Fixture {
  readonly op: string
  readonly inputs: readonly Array_[]
  // biome-ignore lint/suspicious/noExplicitAny: JSON
  readonly options: any
  readonly output: Array_
  readonly note?: string
  readonly gradOutput?: Array_
  readonly grads?: readonly Array_[]
  /** The same in float64, where it was computed. */
  readonly exact?: { readonly output: Array_; readonly grads?: readonly Array_[] }
}

export const fixtures: readonly Fixture[] = JSON.parse(
  readFileSync(new URL('../fixtures/torch_ops.json', import.meta.url), 'utf8'),
).entries

export const titleOf = (f: Fixture): string =>
  `${f.op} ${f.inputs.map(i => `${i.dtype}[${i.shape}]`).join(' ')} ${JSON.stringify(f.options)}${f.note ? ` (${f.note})` : ''}`

const keep = (f: Fixture) => ({ keepDims: f.options.keepDims ?? false })
const reduce =
  (op: (x: Tensor, axes?: number | number[], options?: { keepDims?: boolean }) => Tensor) =>
  (f: Fixture, [x]: Tensor[]) =>
    op(x, f.options.axis, keep(f))
const moment =
  (op: typeof gradus.variance) =>
  (f: Fixture, [x]: Tensor[]) =>
    op(x, f.options.axis, { ...keep(f), correction: f.options.correction })

/** Where our arguments are not just the inputs. */
const calls: Record<string, (f: Fixture, x: Tensor[]) => Tensor> = {
  sum: reduce(gradus.sum),
  mean: reduce(gradus.mean),
  prod: reduce(gradus.prod),
  max: reduce(gradus.max),
  min: reduce(gradus.min),
  argmax: reduce(gradus.argmax as typeof gradus.sum),
  argmin: reduce(gradus.argmin as typeof gradus.sum),
  any: reduce(gradus.any),
  all: reduce(gradus.all),
  logSumExp: reduce(gradus.logSumExp),
  variance: moment(gradus.variance),
  std: moment(gradus.std),
  clamp: (f, [x]) => x.clamp(f.options.min ?? null, f.options.max ?? null),
  cumsum: (f, [x]) => x.cumsum(f.options.axis),
  softmax: (f, [x]) => x.softmax(f.options.axis),
  logSoftmax: (f, [x]) => x.logSoftmax(f.options.axis),
  gelu: (f, [x]) => x.gelu(f.options),
  elu: (f, [x]) => x.elu(f.options.alpha),
  leakyRelu: (f, [x]) => x.leakyRelu(f.options.negativeSlope),
  cast: (f, [x]) => x.cast(f.options.dtype),
  gather: (f, [x, index]) => x.gather(index, f.options.axis),
  indexSelect: (f, [x, index]) => x.indexSelect(index, f.options.axis),
  oneHot: (f, [index]) => index.oneHot(f.options.numClasses).cast('int32'), // PyTorch's is an integer
  pad: (f, [x]) => x.pad(f.options.pads, { value: f.options.value }),
  flip: (f, [x]) => x.flip(f.options.axis),
  repeat: (f, [x]) => x.repeat(f.options.repeats, f.options.axis),
  tile: (f, [x]) => x.tile(f.options.reps),
  maskSelect: (_, [x, mask]) => gradus.maskSelectSync(x, mask),
  nonzero: (_, [x]) => gradus.nonzeroSync(x),
  unique: (_, [x]) => gradus.uniqueSync(x),
}

const numbers = (data: Array_['data']): number[] => data.map(Number)

function made({ shape, dtype, data }: Array_, requiresGrad = false): Tensor {
  return gradus.tensor(numbers(data), shape, { dtype, requiresGrad: requiresGrad && dtype === 'float32' })
}

/** Both sides are rounded a few times on the way. */
const ulps = 4

/**
 * PyTorch's own float32 results have the rounding errors of their terms: an absolute error of a few units of the largest
 * number in the case. The same holds, without a term that could be named, for gelu and the like, which cancel.
 */
function floor(f: Fixture): number {
  return (
    8 *
    2 ** -24 *
    Math.min(largestOf([f.inputs, f.gradOutput ? [f.gradOutput] : []].flat().flatMap(i => numbers(i.data))), 100)
  )
}

/** Native kernels see subnormal inputs as 0: what became of those is not compared. */
function unlessFlushed(f: Fixture, got: Tensor, wanted: number[]): number[] {
  const input = numbers(f.inputs[0].data)
  if (got.device === 'js' || input.length !== wanted.length) return wanted
  const data = got.dataSync()
  return wanted.map((v, i) => (input[i] !== 0 && Math.abs(input[i]) < 2 ** -126 ? data[i] : v))
}

/** Result, shape, dtype and gradients, on the default device. */
export function checkFixture(f: Fixture): void {
  const inputs = f.inputs.map(i => made(i, f.grads !== undefined))
  const call =
    calls[f.op] ??
    ((_: Fixture, x: Tensor[]) => (gradus as unknown as Record<string, (...x: Tensor[]) => Tensor>)[f.op](...x))
  const y = call(f, inputs)
  if (y.dtype !== f.output.dtype || String(y.shape) !== String(f.output.shape))
    throw new Error(`got ${y.dtype} [${y.shape}], expected ${f.output.dtype} [${f.output.shape}]`)
  const wantedOutput = numbers((f.exact?.output ?? f.output).data)
  if (y.dtype === 'float32') within('output', y.dataSync(), unlessFlushed(f, y, wantedOutput), ulps, floor(f))
  else sameBits('output', y.dataSync(), wantedOutput)
  if (!f.grads) return
  y.backward({ gradient: made(f.gradOutput!) })
  const floating = inputs.filter(x => x.requiresGrad)
  const wanted = (f.exact?.grads ?? f.grads).filter(g => g !== null)
  floating.forEach((x, i) => {
    within(`gradient ${i}`, x.grad!.dataSync(), unlessFlushed(f, x.grad!, numbers(wanted[i].data)), ulps, floor(f))
  })
}
