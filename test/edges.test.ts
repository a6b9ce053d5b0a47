/**
 * Every op at infinities, NaN, zeros, ties, kinks, flat ends and the ends of float32's range: value, gradient, gradient of an
 * infinite gradient, second derivative, against PyTorch (test/fixtures/torch_edges.json).
 */
import { readFileSync } from 'node:fs'
import { describe, it } from 'vitest'
import type { DType } from '../lib/dtype.js'
import * as gradus from '../lib/index.js'
import { full, gradients, onesLike, type Tensor, tensor, where } from '../lib/index.js'
import { apply } from '../lib/ops/define.js'
import { smallestNormal } from '../lib/runtime/tolerance.js'
import { fusedCalls, on } from './harness/cases.js'
import { devices } from './harness/devices.js'

type List = readonly (number | string)[] | null
type Field = 'y' | 'g' | 'gInfinite' | 'second'
type Entry = { readonly [F in Field]?: readonly List[] } & {
  readonly op: string
  readonly args: readonly unknown[]
  readonly inputs: readonly (readonly (number | string)[])[]
  readonly shape: readonly number[]
  readonly coarse: { readonly [F in Field]?: readonly (readonly number[])[] }
  readonly note?: string
}
const { entries }: { entries: readonly Entry[] } = JSON.parse(
  readFileSync(new URL('fixtures/torch_edges.json', import.meta.url), 'utf8'),
)

/** Functions with flat ends lose what is small there beside 1, natively and in PyTorch. */
const flatEnds = /^(tanh|sigmoid|erf|gelu|silu|softplus|elu|expm1|sin|cos|softmax|logSoftmax|logSumExp)$/

/** Is it what PyTorch has? Beyond the range of float32 as it is rounded there, subnormals as 0. */
function same(got: number, exact: number, dtype: DType, floor: number): boolean {
  const wanted = dtype === 'float32' ? Math.fround(exact) : exact
  if (Object.is(got, wanted) || got === wanted) return true
  if (Math.abs(got) <= smallestNormal * 2 && Math.abs(wanted) <= smallestNormal * 2) return true
  if (Math.abs(got) >= 3.4028e38 && Math.abs(wanted) >= 3.4028e38 && got > 0 === wanted > 0) return true
  return Math.abs(got - wanted) <= (dtype === 'float32' ? 2e-6 : 1e-11) * Math.abs(wanted) + floor
}

function compare(e: Entry, field: Field, found: readonly (Tensor | null | undefined)[], dtype: DType): string[] {
  const wrong: string[] = []
  const floor = dtype === 'float64' ? 1e-12 : flatEnds.test(e.op) ? 2e-6 : 0
  for (const [input, list] of (e[field] ?? []).entries()) {
    const got = found[input]?.dataSync()
    list?.forEach((v, i) => {
      const [wanted, value] = [Number(v), got?.[i] ?? 0]
      if (dtype === 'float32' && e.coarse[field]?.[input]?.includes(i)) return
      // Where PyTorch multiplies by a mask or differentiates a power at 0, a number is better than its NaN.
      if ((field === 'gInfinite' || field === 'second') && Number.isNaN(wanted)) return
      const slope = Math.abs(Number(e.g?.[input]?.[i]))
      if (field === 'gInfinite' && dtype === 'float32' && slope > 0 && slope < 256 * smallestNormal) return // flushed to 0
      if (same(value, wanted, dtype, floor)) return
      const width = e.shape.length > 1 ? e.shape[1] : 0
      const at = width
        ? `[${e.inputs[0].slice(i - (i % width), i - (i % width) + width)}], ${i % width}`
        : e.inputs.map(x => x[i]).join(', ')
      wrong.push(`${field} ${input} at ${at}: ${value}, PyTorch ${wanted}`)
    })
  }
  return wrong
}

function call(e: Entry, x: Tensor[]): Tensor {
  if (e.op === 'where') return where(x[0].greater(0), x[0], x[1])
  return (gradus as unknown as Record<string, (...args: unknown[]) => Tensor>)[e.op](...x, ...e.args)
}

function check(e: Entry, dtype: DType): void {
  const make = (): Tensor[] => e.inputs.map(x => tensor(x.map(Number), e.shape, { dtype, requiresGrad: true }))
  const x = make()
  const y = call(e, x)
  const first = gradients(y, x, { gradient: onesLike(y), createGraph: true, allowUnused: true })
  const sums = first.filter(g => g?.requiresGrad).map(g => g!.sum())
  const second =
    sums.length > 0
      ? gradients(
          sums.reduce((a, b) => a.add(b)),
          x,
          { allowUnused: true },
        )
      : []
  const again = make()
  const z = call(e, again)
  const infinite = gradients(z, again, { gradient: full(z.shape, Infinity, { dtype }), allowUnused: true })
  const wrong = [
    ...compare(e, 'y', [y], dtype),
    ...compare(e, 'g', first, dtype),
    ...compare(e, 'gInfinite', infinite, dtype),
    ...compare(e, 'second', second, dtype),
  ]
  if (wrong.length > 0) throw new Error(`${wrong.length} differ:\n${wrong.slice(0, 20).join('\n')}`)
}

/** What a fused rule means is what it computes, here too. */
function checkFused(e: Entry): void {
  const run = (): void => {
    const x = e.inputs.map(list => tensor(list.map(Number), e.shape, { dtype: 'float64', requiresGrad: true }))
    const y = call(e, x)
    gradients(y, x, { gradient: onesLike(y), allowUnused: true })
  }
  for (const { rule, inputs, p } of fusedCalls(run)) {
    const x = inputs.map(i => tensor(i.data, i.shape, { dtype: i.dtype }))
    const [fused, composed] = [apply(rule, x, p), rule.definition!(x, p)].map(t => t.dataSync() as Float64Array)
    fused.forEach((v, i) => {
      if (!same(composed[i], v, 'float64', 1e-12)) throw new Error(`${rule.name} [${i}]: ${v}, composed ${composed[i]}`)
    })
  }
}

const titled = entries.map(e => [`${e.op} ${JSON.stringify(e.args)} ${e.note ?? ''}`, e] as const)

describe.each(devices)('%s', device => {
  it.each(titled)('%s in float32', (_, e) => on(device, () => check(e, 'float32')))
  if (device === 'native') return
  it.each(titled)('%s in float64', (_, e) => on(device, () => check(e, 'float64')))
  it.each(titled)('%s: fused is composed', (_, e) => on(device, () => checkFused(e)))
})
