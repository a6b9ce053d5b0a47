/** Fused losses.                                              twin: native/kernels/loss.cc   cases: test/ops/loss.ts */
import { type Buf, floatOf } from '../dtype.js'
import { ShapeError } from '../errors.js'
import { IndexFault, ProbabilityFault, type Strided } from '../runtime/js.js'
import { type Allowed, type Arguments, allowedUlp, eps, finite, sumError, ulpAnd } from '../runtime/tolerance.js'
import { broadcast, format } from '../shape.js'
import type { Tensor } from '../tensor.js'
import { add, div, mul, sub } from './binary.js'
import { equal, where } from './compare.js'
import { aligned, apply, applyTo, cast, checkTensor, empty, kernels, pair, type Rule, rule } from './define.js'
import { checkIndex, gather, oneHot } from './embedding.js'
import { logistic } from './functions.js'
import { forPlaces, forSlices, map2, map3, walk } from './loops.js'
import { sum } from './reduce.js'
import { logSoftmax, softmax, sumOfExponentials } from './softmax.js'
import { abs, clamp, exp, log, log1p, neg, sigmoid, sign, square } from './unary.js'
import { squeeze, unsqueeze } from './view.js'

interface Classes {
  readonly n: number
  readonly classes: number
  readonly ignoreIndex: number
  readonly smoothing: number
}

function checkTargets(target: Buf, classes: number, ignoreIndex: number): void {
  for (let i = 0; i < target.length; i++)
    if (target[i] !== ignoreIndex && (target[i] < 0 || target[i] >= classes))
      throw new IndexFault(target[i], i, classes)
}

/** How much of the loss is at the target, 1 − s, and at each class, s/C; each times the weight of the class. */
function shares(weight: Buf, classes: number, smoothing: number) {
  const off = smoothing / classes
  const of = (c: number): number => (weight.length ? weight[c] : 1)
  const total = Array.from(weight).reduce((s, w) => s + w, 0)
  return {
    off,
    of,
    atTarget: (t: number): number => (1 - smoothing) * of(t),
    together: (t: number): number => (weight.length ? (1 - smoothing) * of(t) + (off === 0 ? 0 : off * total) : 1),
  }
}

function checkProbabilities(x: Strided, operand: number): void {
  const { offsets, next } = walk([x], x.dims.length)
  if (x.dims.includes(0)) return
  let position = 0
  do {
    const p = x.data[offsets[0]]
    if (p < 0 || p > 1) throw new ProbabilityFault(p, position, operand)
    position++
  } while (next())
}

kernels(
  {
    // loss = (a + b)·logSum − a·(x[t] − top) − s/C·Σ w (x − top), with a = (1 − s)·w[t], b = s/C·Σ w, logSum = log Σ exp(x − top)
    crossEntropy: (x, target, weight, loss, top, logSum, n, classes, ignoreIndex, smoothing) => {
      checkTargets(target, classes, ignoreIndex)
      const { off, of, atTarget, together } = shares(weight, classes, smoothing)
      return forSlices(n, classes, 1, (_, r) => {
        const row = Array.from(x.subarray(r * classes, (r + 1) * classes))
        const m = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
        const log = Math.log(row.reduce((s, v) => s + Math.exp(v - m), 0))
        const t = target[r]
        top[r] = m
        logSum[r] = log
        loss[r] = 0
        if (t === ignoreIndex) return
        const rest = off === 0 ? 0 : off * row.reduce((s, v, c) => s + of(c) * (v - m), 0)
        loss[r] = together(t) * log - atTarget(t) * (row[t] - m) - rest
      })
    },
    // dx = g·((a + b)·exp(x − top − logSum) − a·onehot(t) − s/C·w)
    crossEntropyGrad: (g, x, target, weight, top, logSum, dx, n, classes, ignoreIndex, smoothing) => {
      checkTargets(target, classes, ignoreIndex)
      const { off, of, atTarget, together } = shares(weight, classes, smoothing)
      return forPlaces(n, classes, 1, (r, c, _, at) => {
        const t = target[r]
        const wanted = (c === t ? atTarget(t) : 0) + off * of(c)
        dx[at] = t === ignoreIndex ? 0 : g[r] * (together(t) * Math.exp(x[at] - top[r] - logSum[r]) - wanted)
      })
    },
    // Logarithms are cut off at −100, and the slope's denominator at 1e−12, so p = 0 and p = 1 stay finite.
    bce: (p, target, y) => {
      checkProbabilities(p, 0)
      checkProbabilities(target, 1)
      return map2(p, target, y, (p, t) => -(t * Math.max(Math.log(p), -100) + (1 - t) * Math.max(Math.log1p(-p), -100)))
    },
    bceGrad: (g, p, target, dp) => map3(g, p, target, dp, (g, p, t) => g * ((p - t) / Math.max(p * (1 - p), 1e-12))),
    // (x < 0 ? −x·t : x·(1 − t)) + log(1 + e⁻ˡˣˡ)
    bceWithLogits: (x, target, y) =>
      map2(x, target, y, (x, t) => (x < 0 ? -x * t : x * (1 - t)) + Math.log1p(Math.exp(-Math.abs(x)))),
    bceWithLogitsGrad: (g, x, target, dx) => map3(g, x, target, dx, (g, x, t) => g * (logistic(x) - t)),
  },
  {
    crossEntropy: crossEntropyError,
    crossEntropyGrad: crossEntropyGradError,
    bce: ulpAnd(3, ['p', 'target'], (p, t) =>
      finite(2 * eps * t * Math.abs(Math.log(p)) + 2 * eps * (1 - t) * Math.abs(Math.log1p(-p))),
    ),
    bceGrad: ulpAnd(3, ['g', 'p', 'target'], (g, p, t) => finite((eps * Math.abs(g * t)) / (p * (1 - p)))),
    bceWithLogits: ulpAnd(3, ['x', 'target'], (x, t) => finite(4 * eps * (Math.abs(x) + Math.abs(x * t)))),
    bceWithLogitsGrad: ulpAnd(2, ['g', 'x', 'target'], (g, x, t) =>
      finite(Math.abs(g) * eps * (8 * logistic(x) + 2 * Math.abs(t))),
    ),
  },
)

/** Which rows are ignored, and rows and targets in which nothing of the ignored is left: 0 times NaN would be NaN. */
function masked(x: Tensor, target: Tensor, ignoreIndex: number): { ignored: Tensor; rows: Tensor; classOf: Tensor } {
  const ignored = equal(target, ignoreIndex)
  return { ignored, rows: where(unsqueeze(ignored, 1), 0, x), classOf: where(ignored, 0, target) }
}

const crossEntropyGradRule: Rule<Classes> = rule({
  name: 'crossEntropyGrad',
  output: ([, x]) => ({ shape: x.dims, dtype: x.dtype }),
  run: (k, [g, x, target, weight, top, logSum], dx, p) =>
    k.crossEntropyGrad(g, x, target, weight, top, logSum, dx, p.n, p.classes, p.ignoreIndex, p.smoothing),
  definition: ([g, x, target, weight], { classes, ignoreIndex, smoothing }) => {
    const { ignored, rows, classOf } = masked(x, target, ignoreIndex)
    const shares = add(mul(cast(oneHot(classOf, classes), x.dtype), 1 - smoothing), smoothing / classes)
    const wanted = weight.size ? mul(shares, weight.detach()) : shares
    const slope = sub(mul(softmax(rows, 1), sum(wanted, 1, { keepDims: true })), wanted)
    return where(unsqueeze(ignored, 1), 0, mul(unsqueeze(g, 1), slope))
  },
})

const crossEntropyRule: Rule<Classes> = rule({
  name: 'crossEntropy',
  output: (_, { n }) => ({ shape: [n] }),
  extras: ([x], { n }) => [
    { shape: [n], dtype: x.dtype },
    { shape: [n], dtype: x.dtype },
  ],
  run: (k, [x, target, weight], loss, p, [top, logSum]) =>
    k.crossEntropy(x, target, weight, loss, top, logSum, p.n, p.classes, p.ignoreIndex, p.smoothing),
  saves: { inputs: [0, 1, 2] },
  grad: (g, { inputs: [x, target, weight], extras: [top, logSum] }, p) => [
    apply(crossEntropyGradRule, [g, x, target, weight, top, logSum], p),
    null,
    null,
  ],
  definition: ([x, target, weight], { classes, ignoreIndex, smoothing }) => {
    const { ignored, rows, classOf } = masked(x, target, ignoreIndex)
    const logs = logSoftmax(rows, 1)
    const picked = squeeze(gather(logs, unsqueeze(classOf, 1), 1), 1)
    const atTarget = weight.size ? mul(picked, gather(weight.detach(), classOf, 0)) : picked
    const everywhere = sum(weight.size ? mul(logs, weight.detach()) : logs, 1)
    const parts = smoothing === 0 ? atTarget : add(mul(atTarget, 1 - smoothing), mul(everywhere, smoothing / classes))
    return where(ignored, 0, neg(parts))
  },
})

/**
 * @internal Cross-entropy of logits [n, classes] and int32 targets [n], per row; `weight`: [classes]. The public form is
 * losses.crossEntropy.
 */
export function crossEntropyRows(
  x: Tensor,
  target: Tensor,
  ignoreIndex: number,
  smoothing: number,
  weight?: Tensor,
): Tensor {
  checkTensor('crossEntropy', x, 'logits')
  checkIndex('crossEntropy', target)
  if (x.rank !== 2 || target.rank !== 1 || x.dims[0] !== target.dims[0])
    throw new ShapeError(
      'crossEntropy',
      `expected logits [n, classes] and targets [n], got ${format(x.dims)} and ${format(target.dims)}`,
    )
  if (x.dims[1] === 0)
    throw new ShapeError('crossEntropy', `expected at least one class, got logits of shape ${format(x.dims)}`)
  const p = { n: x.dims[0], classes: x.dims[1], ignoreIndex, smoothing }
  const dtype = floatOf(x.dtype)
  const weights = weight ? cast(weight, dtype) : empty('crossEntropy', [0], dtype, x.storage.stream)
  return applyTo(crossEntropyRule, [x, target, weight], [cast(x, dtype), target, weights], p)
}

/** max(p·(1 − p), 1e−12) */
const spreadOf = (p: Tensor): Tensor => clamp(mul(p, sub(1, p)), 1e-12)
const bceGradRule: Rule<null> = rule({
  name: 'bceGrad',
  strided: true,
  output: ([g]) => ({ shape: g.dims }),
  run: (k, inputs, dp) => {
    const [g, p, t] = aligned([...inputs, dp])
    k.bceGrad(g, p, t, dp)
  },
  saves: { inputs: [0, 1, 2] },
  // By p: g·(p² − 2pt + t) / (p·(1 − p))², kept finite by the same 1e−12
  grad: (h, { inputs: [g, p, t] }, _, needs) => [
    needs[0] ? mul(h, div(sub(p, t), spreadOf(p))) : null,
    needs[1]
      ? mul(mul(h, g), div(add(mul(p, sub(p, mul(t, 2))), t), square(mul(add(p, 1e-12), add(sub(1, p), 1e-12)))))
      : null,
    needs[2] ? neg(mul(h, div(g, spreadOf(p)))) : null,
  ],
})

const bceRule: Rule<null> = rule({
  name: 'bce',
  strided: true,
  output: ([p, t]) => ({ shape: broadcast('bce', p.dims, t.dims) }),
  run: (k, inputs, y) => {
    const [p, t] = aligned([...inputs, y])
    k.bce(p, t, y)
  },
  saves: { inputs: [0, 1] },
  grad: (g, { inputs: [p, t] }, _, needs) => [
    needs[0] ? apply(bceGradRule, [g, p, t], null) : null,
    needs[1] ? mul(g, sub(log1p(neg(p)), log(p))) : null,
  ],
  definition: ([p, t]) => neg(add(mul(t, clamp(log(p), -100)), mul(sub(1, t), clamp(log1p(neg(p)), -100)))),
})

/** @internal Binary cross-entropy of probabilities, element by element. The public form is losses.bce. */
export function bceElements(p: Tensor, target: Tensor): Tensor {
  checkTensor('bce', p, 'probability')
  checkTensor('bce', target, 'target')
  return applyTo(bceRule, [p, target], pair('bce', p, target, floatOf), null)
}

const withLogitsGradRule: Rule<null> = rule({
  name: 'bceWithLogitsGrad',
  strided: true,
  output: ([g]) => ({ shape: g.dims }),
  run: (k, inputs, dx) => {
    const [g, x, t] = aligned([...inputs, dx])
    k.bceWithLogitsGrad(g, x, t, dx)
  },
  definition: ([g, x, t]) => mul(g, sub(sigmoid(x), t)),
})

const withLogitsRule: Rule<null> = rule({
  name: 'bceWithLogits',
  strided: true,
  output: ([x, t]) => ({ shape: broadcast('bceWithLogits', x.dims, t.dims) }),
  run: (k, inputs, y) => {
    const [x, t] = aligned([...inputs, y])
    k.bceWithLogits(x, t, y)
  },
  saves: { inputs: [0, 1] },
  grad: (g, { inputs: [x, t] }, _, needs) => [
    needs[0] ? apply(withLogitsGradRule, [g, x, t], null) : null,
    needs[1] ? neg(mul(g, x)) : null,
  ],
  // x·(step(x) − t) + log(1 + e⁻ˡˣˡ), whose step at 0 is ½
  definition: ([x, t]) => add(mul(x, sub(mul(add(sign(x), 1), 0.5), t)), log1p(exp(neg(abs(x))))),
})

/** @internal Binary cross-entropy of logits, element by element. The public form is losses.bceWithLogits. */
export function bceWithLogitsElements(x: Tensor, target: Tensor): Tensor {
  checkTensor('bceWithLogits', x, 'logits')
  checkTensor('bceWithLogits', target, 'target')
  return applyTo(withLogitsRule, [x, target], pair('bceWithLogits', x, target, floatOf), null)
}

// ---- tolerances ------------------------------------------------------------------------------------------------------

// loss = (a + b)·logSum − a·(x[t] − top) − s/C·Σ w (x − top)
function crossEntropyError(call: Arguments, output: string): Allowed {
  if (output === 'top') return () => 0
  const [x, target] = [call.values('x'), call.values('target')]
  const [n, classes, smoothing] = [call.number('n'), call.number('classes'), call.number('smoothing')]
  const { off, of, atTarget, together } = shares(call.values('weight').map(Math.abs), classes, smoothing)
  const ofLogSum = 6 * eps * Math.log(classes + 1) + sumOfExponentials(classes)
  const errors = Float64Array.from({ length: n }, (_, r) => {
    const row = x.subarray(r * classes, (r + 1) * classes)
    const t = target[r]
    if (!(t in row)) return 0 // ignored
    const top = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
    const size = row.reduce((s, v, c) => s + of(c) * Math.abs(v - top), 0)
    const chosen = atTarget(t) * Math.abs(row[t] - top)
    return 4 * eps * chosen + off * (sumError(classes, size) + 4 * eps * size) + together(t) * ofLogSum
  })
  return (i, v) => allowedUlp(1, v) + (output === 'loss' ? errors[i] : ofLogSum)
}

// g·((a + b)·exp(x − top − logSum) − a·onehot − s/C·w), in three rounded terms.
function crossEntropyGradError(call: Arguments): Allowed {
  const [g, x, target, top, logSum] = ['g', 'x', 'target', 'top', 'logSum'].map(name => call.values(name))
  const classes = call.number('classes')
  const { off, of, atTarget, together } = shares(call.values('weight').map(Math.abs), classes, call.number('smoothing'))
  return (i, v) => {
    const row = Math.floor(i / classes)
    const t = x[i] - top[row] - logSum[row]
    const ofArgument = Math.abs(x[i] - top[row]) + Math.abs(t)
    const wanted = atTarget(target[row]) + off * of(i % classes)
    const ofExponential = together(target[row]) * Math.exp(t) * (ofArgument + 8)
    return allowedUlp(2, v) + finite(Math.abs(g[row]) * eps * (ofExponential + 8 * wanted))
  }
}
