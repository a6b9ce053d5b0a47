/** Softmax and its logarithm.                              twin: native/kernels/softmax.cc   cases: test/ops/softmax.ts */
import { type Buf, floatOf } from '../dtype.js'
import { type Allowed, type Arguments, allowedUlp, eps, sumError } from '../runtime/tolerance.js'
import { type Slices, slicesOf } from '../shape.js'
import type { Tensor } from '../tensor.js'
import { div, mul, sub } from './binary.js'
import { apply, applyTo, cast, checkTensor, kernels, type Rule, rule } from './define.js'
import { forSlices } from './loops.js'
import { max, sum } from './reduce.js'
import { exp, log, type SameShape } from './unary.js'

function maxAndSum(x: Buf, at: number, inner: number, n: number): [number, number] {
  let m = Number.NEGATIVE_INFINITY
  let s = 0
  for (let k = 0; k < n; k++) m = Math.max(m, x[at + k * inner])
  for (let k = 0; k < n; k++) s += Math.exp(x[at + k * inner] - m)
  return [m, s]
}

kernels(
  {
    softmax: (x, y, outer, n, inner) =>
      forSlices(outer, n, inner, at => {
        const [m, s] = maxAndSum(x, at, inner, n)
        for (let k = 0; k < n; k++) y[at + k * inner] = Math.exp(x[at + k * inner] - m) / s
      }),
    softmaxGrad: (g, y, dx, outer, n, inner) =>
      forSlices(outer, n, inner, at => {
        let s = 0
        for (let k = 0; k < n; k++) s += g[at + k * inner] * y[at + k * inner]
        for (let k = 0; k < n; k++) dx[at + k * inner] = y[at + k * inner] * (g[at + k * inner] - s)
      }),
    logSoftmax: (x, y, outer, n, inner) =>
      forSlices(outer, n, inner, at => {
        const [m, s] = maxAndSum(x, at, inner, n)
        for (let k = 0; k < n; k++) y[at + k * inner] = x[at + k * inner] - m - Math.log(s)
      }),
    logSoftmaxGrad: (g, y, dx, outer, n, inner) =>
      forSlices(outer, n, inner, at => {
        let s = 0
        for (let k = 0; k < n; k++) s += g[at + k * inner]
        for (let k = 0; k < n; k++) dx[at + k * inner] = g[at + k * inner] - Math.exp(y[at + k * inner]) * s
      }),
  },
  {
    softmax: softmaxError,
    softmaxGrad: softmaxGradError,
    logSoftmax: logSoftmaxError,
    logSoftmaxGrad: logSoftmaxGradError,
  },
)

/** The forward rule and the fused gradient of one of the two. */
function family(
  name: 'softmax' | 'logSoftmax',
  definition: (x: Tensor, axis: number) => Tensor,
  gradient: (g: Tensor, y: Tensor, axis: number) => Tensor,
): SameShape<[axis?: number]> {
  const kernel = `${name}Grad` as const
  const gradRule: Rule<Slices> = rule({
    name: kernel,
    output: ([g]) => ({ shape: g.dims }),
    run: (k, [g, y], dx, { outer, n, inner }) => k[kernel](g, y, dx, outer, n, inner),
    definition: ([g, y], { axis }) => gradient(g, y, axis),
  })
  const self: Rule<Slices> = rule({
    name,
    output: ([x]) => ({ shape: x.dims }),
    run: (k, [x], y, { outer, n, inner }) => k[name](x, y, outer, n, inner),
    saves: { output: true },
    grad: (g, { y }, p) => [apply(gradRule, [g, y], p)],
    definition: ([x], { axis, n }) => (n === 0 ? mul(x, 1) : definition(x, axis)), // there is no largest of nothing
  })
  return ((x: Tensor, axis = -1) => {
    checkTensor(name, x)
    return applyTo(self, [x], [cast(x, floatOf(x.dtype))], slicesOf(name, x.dims, axis))
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

// ---- tolerances ------------------------------------------------------------------------------------------------------

/** Per slice of [outer, n, inner]: a statistic of its elements, spread back over them. */
function perSlice(call: Arguments, statistic: (at: (k: number) => number, n: number) => number): (i: number) => number {
  const [outer, n, inner] = ['outer', 'n', 'inner'].map(name => call.number(name))
  const results = new Float64Array(outer * inner)
  for (let o = 0; o < outer; o++)
    for (let j = 0; j < inner; j++) results[o * inner + j] = statistic(k => (o * n + k) * inner + j, n)
  return i => results[Math.floor(i / (n * inner)) * inner + (i % inner)]
}

function largest(x: Float64Array): (at: (k: number) => number, n: number) => number {
  return (at, n) => {
    let m = Number.NEGATIVE_INFINITY
    for (let k = 0; k < n; k++) m = Math.max(m, x[at(k)])
    return m
  }
}

function total(f: (i: number) => number): (at: (k: number) => number, n: number) => number {
  return (at, n) => {
    let s = 0
    for (let k = 0; k < n; k++) s += f(at(k))
    return s
  }
}

/** Relative error of Σ exp: 2 for exp (1.5 ULP) and for the rounding of each x − m, which t·e⁻ᵗ ≤ 0.4 keeps small. */
export function sumOfExponentials(n: number): number {
  return 6 * eps + sumError(n, 1)
}

// x − m is rounded, so its exponential is off by |x − m|·ε; then a quotient of two such.
function softmaxError(call: Arguments): Allowed {
  const x = call.values('x')
  const m = perSlice(call, largest(x))
  const n = call.number('n')
  return (i, v) => allowedUlp(2, v) + Math.abs(v) * (eps * Math.abs(x[i] - m(i)) + sumOfExponentials(n))
}

// x − m − log s: each difference rounded, and the relative error of s.
function logSoftmaxError(call: Arguments): Allowed {
  const x = call.values('x')
  const m = perSlice(call, largest(x))
  const n = call.number('n')
  return (i, v) => allowedUlp(1, v) + 2 * eps * Math.abs(x[i] - m(i)) + sumOfExponentials(n) + 2 * eps * Math.log(n + 1)
}

// y·(g − Σ g·y)
function softmaxGradError(call: Arguments): Allowed {
  const [g, y] = [call.values('g'), call.values('y')]
  const size = perSlice(
    call,
    total(i => Math.abs(g[i] * y[i])),
  )
  const n = call.number('n')
  return (i, v) => allowedUlp(2, v) + Math.abs(y[i]) * (sumError(n, size(i)) + 2 * eps * Math.abs(g[i]))
}

// g − exp(y)·Σ g
function logSoftmaxGradError(call: Arguments): Allowed {
  const [g, y] = [call.values('g'), call.values('y')]
  const size = perSlice(
    call,
    total(i => Math.abs(g[i])),
  )
  const n = call.number('n')
  return (i, v) => allowedUlp(2, v) + Math.exp(y[i]) * (sumError(n, size(i)) + 4 * eps * size(i))
}
