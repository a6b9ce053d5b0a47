/** Softmax and its logarithm.                              twin: native/kernels/softmax.cc   cases: test/ops/softmax.ts */
import { type Buf, floatOf } from '../dtype.js'
import { type Slices, slicesOf } from '../shape.js'
import type { Tensor } from '../tensor.js'
import { div, mul, sub } from './binary.js'
import { apply, applyTo, cast, checkTensor, kernels, type Rule, rule } from './define.js'
import { max, sum } from './reduce.js'
import { exp, log, type SameShape } from './unary.js'

/** Calls `f` for each slice with its first position and step. */
function forSlices(outer: number, n: number, inner: number, f: (at: number, step: number, n: number) => void): void {
  for (let o = 0; o < outer; o++) for (let i = 0; i < inner; i++) f(o * n * inner + i, inner, n)
}

function maxAndSum(x: Buf, at: number, step: number, n: number): [number, number] {
  let m = Number.NEGATIVE_INFINITY
  let s = 0
  for (let k = 0; k < n; k++) m = Math.max(m, x[at + k * step])
  for (let k = 0; k < n; k++) s += Math.exp(x[at + k * step] - m)
  return [m, s]
}

kernels({
  softmax: (x, y, outer, n, inner) =>
    forSlices(outer, n, inner, (at, step) => {
      const [m, s] = maxAndSum(x, at, step, n)
      for (let k = 0; k < n; k++) y[at + k * step] = Math.exp(x[at + k * step] - m) / s
    }),
  softmaxGrad: (g, y, dx, outer, n, inner) =>
    forSlices(outer, n, inner, (at, step) => {
      let s = 0
      for (let k = 0; k < n; k++) s += g[at + k * step] * y[at + k * step]
      for (let k = 0; k < n; k++) dx[at + k * step] = y[at + k * step] * (g[at + k * step] - s)
    }),
  logSoftmax: (x, y, outer, n, inner) =>
    forSlices(outer, n, inner, (at, step) => {
      const [m, s] = maxAndSum(x, at, step, n)
      for (let k = 0; k < n; k++) y[at + k * step] = x[at + k * step] - m - Math.log(s)
    }),
  logSoftmaxGrad: (g, y, dx, outer, n, inner) =>
    forSlices(outer, n, inner, (at, step) => {
      let s = 0
      for (let k = 0; k < n; k++) s += g[at + k * step]
      for (let k = 0; k < n; k++) dx[at + k * step] = g[at + k * step] - Math.exp(y[at + k * step]) * s
    }),
})

/** The forward rule and the fused gradient of one of the two. */
function family(
  name: 'softmax' | 'logSoftmax',
  definition: (x: Tensor, axis: number) => Tensor,
  gradient: (g: Tensor, y: Tensor, axis: number) => Tensor,
): SameShape<[axis?: number]> {
  const kernel = `${name}Grad` as const
  const gradRule: Rule<Slices> = rule({
    name: kernel,
    output: ([g]) => ({ shape: g.shape }),
    run: (k, [g, y], dx, { outer, n, inner }) => k[kernel](g, y, dx, outer, n, inner),
    definition: ([g, y], { axis }) => gradient(g, y, axis),
  })
  const self: Rule<Slices> = rule({
    name,
    output: ([x]) => ({ shape: x.shape }),
    run: (k, [x], y, { outer, n, inner }) => k[name](x, y, outer, n, inner),
    saves: { output: true },
    grad: (g, { y }, p) => [apply(gradRule, [g, y], p)],
    definition: ([x], { axis, n }) => (n === 0 ? mul(x, 1) : definition(x, axis)), // there is no largest of nothing
  })
  return ((x: Tensor, axis = -1) => {
    checkTensor(name, x)
    return applyTo(self, [x], [cast(x, floatOf(x.dtype))], slicesOf(name, x.shape, axis))
  }) as SameShape<[axis?: number]>
}

const keepDims = { keepDims: true }

/**
 * exp(x − max x) / Σ exp(x − max x) along `axis`, the last unless given. Same shape.
 *
 * @example
 * await softmax(tensor([0, 0])).toArray() // [0.5, 0.5]
 */
export const softmax: SameShape<[axis?: number]> = family(
  'softmax',
  (x, axis) => {
    const e = exp(sub(x, max(x, axis, keepDims).detach()))
    return div(e, sum(e, axis, keepDims))
  },
  // dx = y ⊙ (g − Σ g ⊙ y)
  (g, y, axis) => mul(y, sub(g, sum(mul(g, y), axis, keepDims))),
)

/** log softmax x, computed as x − max x − log Σ exp(x − max x), along `axis`, the last unless given. */
export const logSoftmax: SameShape<[axis?: number]> = family(
  'logSoftmax',
  (x, axis) => {
    const shifted = sub(x, max(x, axis, keepDims).detach())
    return sub(shifted, log(sum(exp(shifted), axis, keepDims)))
  },
  // dx = g − exp(y) Σ g
  (g, y, axis) => sub(g, mul(exp(y), sum(g, axis, keepDims))),
)
