/** Fused losses.                                              twin: native/kernels/loss.cc   cases: test/ops/loss.ts */
import { type Buf, floatOf } from '../dtype.js'
import { ShapeError } from '../errors.js'
import { IndexFault } from '../runtime/js.js'
import { type Allowed, type Arguments, allowedUlp, eps, finite, sumError, ulpAnd } from '../runtime/tolerance.js'
import { broadcast, format } from '../shape.js'
import type { Tensor } from '../tensor.js'
import { add, mul, sub } from './binary.js'
import { equal, where } from './compare.js'
import { aligned, apply, applyTo, cast, checkTensor, kernels, pair, type Rule, rule } from './define.js'
import { checkIndex, oneHot } from './embedding.js'
import { logistic } from './functions.js'
import { forPlaces, forSlices, map2, map3 } from './loops.js'
import { sum } from './reduce.js'
import { logSoftmax, softmax, sumOfExponentials } from './softmax.js'
import { abs, exp, log1p, neg, relu, sigmoid } from './unary.js'
import { unsqueeze } from './view.js'

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

kernels(
  {
    // loss = logSum − (1 − s)·(x[t] − top) − s/C·Σ (x − top), with logSum = log Σ exp(x − top)
    crossEntropy: (x, target, loss, top, logSum, n, classes, ignoreIndex, smoothing) => {
      checkTargets(target, classes, ignoreIndex)
      return forSlices(n, classes, 1, (_, r) => {
        const row = Array.from(x.subarray(r * classes, (r + 1) * classes))
        const m = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
        const log = Math.log(row.reduce((s, v) => s + Math.exp(v - m), 0))
        top[r] = m
        logSum[r] = log
        const rest = smoothing === 0 ? 0 : (smoothing / classes) * row.reduce((s, v) => s + v - m, 0)
        loss[r] = target[r] === ignoreIndex ? 0 : log - (1 - smoothing) * (row[target[r]] - m) - rest
      })
    },
    // dx = g·(exp(x − top − logSum) − (1 − s)·onehot(t) − s/C)
    crossEntropyGrad: (g, x, target, top, logSum, dx, n, classes, ignoreIndex, smoothing) => {
      checkTargets(target, classes, ignoreIndex)
      return forPlaces(n, classes, 1, (r, c, _, at) => {
        const onehot = c === target[r] ? 1 - smoothing : 0
        dx[at] =
          target[r] === ignoreIndex ? 0 : g[r] * (Math.exp(x[at] - top[r] - logSum[r]) - onehot - smoothing / classes)
      })
    },
    bceWithLogits: (x, target, y) =>
      map2(x, target, y, (x, t) => Math.max(x, 0) - x * t + Math.log1p(Math.exp(-Math.abs(x)))),
    bceWithLogitsGrad: (g, x, target, dx) => map3(g, x, target, dx, (g, x, t) => g * (logistic(x) - t)),
  },
  {
    crossEntropy: crossEntropyError,
    crossEntropyGrad: crossEntropyGradError,
    bceWithLogits: ulpAnd(3, ['x', 'target'], (x, t) => finite(4 * eps * (Math.abs(x) + Math.abs(x * t)))),
    bceWithLogitsGrad: ulpAnd(2, ['g', 'x', 'target'], (g, x, t) =>
      finite(Math.abs(g) * eps * (8 * logistic(x) + 2 * Math.abs(t))),
    ),
  },
)

/** 1 − s at the target, s/C everywhere, 0 in ignored rows; and which rows count. */
function distribution(
  x: Tensor,
  target: Tensor,
  { classes, ignoreIndex, smoothing }: Classes,
): { wanted: Tensor; counts: Tensor } {
  const ignored = equal(target, ignoreIndex)
  const counts = unsqueeze(cast(where(ignored, 0, 1), x.dtype), 1)
  const hot = cast(oneHot(where(ignored, 0, target), classes), x.dtype)
  return { wanted: mul(add(mul(hot, 1 - smoothing), smoothing / classes), counts), counts }
}

const crossEntropyGradRule: Rule<Classes> = rule({
  name: 'crossEntropyGrad',
  output: ([, x]) => ({ shape: x.dims, dtype: x.dtype }),
  run: (k, [g, x, target, top, logSum], dx, p) =>
    k.crossEntropyGrad(g, x, target, top, logSum, dx, p.n, p.classes, p.ignoreIndex, p.smoothing),
  definition: ([g, x, target], p) => {
    const { wanted, counts } = distribution(x, target, p)
    return mul(unsqueeze(g, 1), sub(mul(softmax(x, 1), counts), wanted))
  },
})

const crossEntropyRule: Rule<Classes> = rule({
  name: 'crossEntropy',
  output: (_, { n }) => ({ shape: [n] }),
  extras: ([x], { n }) => [
    { shape: [n], dtype: x.dtype },
    { shape: [n], dtype: x.dtype },
  ],
  run: (k, [x, target], loss, p, [top, logSum]) =>
    k.crossEntropy(x, target, loss, top, logSum, p.n, p.classes, p.ignoreIndex, p.smoothing),
  saves: { inputs: [0, 1] },
  grad: (g, { inputs: [x, target], extras: [top, logSum] }, p) => [
    apply(crossEntropyGradRule, [g, x, target, top, logSum], p),
    null,
  ],
  definition: ([x, target], p) => neg(sum(mul(distribution(x, target, p).wanted, logSoftmax(x, 1)), 1)),
})

/** @internal Cross-entropy of logits [n, classes] and int32 targets [n], per row. The public form is losses.crossEntropy. */
export function crossEntropyRows(x: Tensor, target: Tensor, ignoreIndex: number, smoothing: number): Tensor {
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
  return applyTo(crossEntropyRule, [x, target], [cast(x, floatOf(x.dtype)), target], p)
}

const bceGradRule: Rule<null> = rule({
  name: 'bceWithLogitsGrad',
  strided: true,
  output: ([g]) => ({ shape: g.dims }),
  run: (k, inputs, dx) => {
    const [g, x, t] = aligned([...inputs, dx])
    k.bceWithLogitsGrad(g, x, t, dx)
  },
  definition: ([g, x, t]) => mul(g, sub(sigmoid(x), t)),
})

const bceRule: Rule<null> = rule({
  name: 'bceWithLogits',
  strided: true,
  output: ([x, t]) => ({ shape: broadcast('bceWithLogits', x.dims, t.dims) }),
  run: (k, inputs, y) => {
    const [x, t] = aligned([...inputs, y])
    k.bceWithLogits(x, t, y)
  },
  saves: { inputs: [0, 1] },
  grad: (g, { inputs: [x, t] }, _, needs) => [
    needs[0] ? apply(bceGradRule, [g, x, t], null) : null,
    needs[1] ? neg(mul(g, x)) : null,
  ],
  definition: ([x, t]) => add(sub(relu(x), mul(x, t)), log1p(exp(neg(abs(x))))),
})

/** @internal Binary cross-entropy of logits, element by element. The public form is losses.bceWithLogits. */
export function bceWithLogitsElements(x: Tensor, target: Tensor): Tensor {
  checkTensor('bceWithLogits', x, 'logits')
  checkTensor('bceWithLogits', target, 'target')
  return applyTo(bceRule, [x, target], pair('bceWithLogits', x, target, floatOf), null)
}

// ---- tolerances ------------------------------------------------------------------------------------------------------

// loss = logSum − (1 − s)·(x[t] − top) − s/C·Σ (x − top)
function crossEntropyError(call: Arguments, output: string): Allowed {
  if (output === 'top') return () => 0
  const [x, target] = [call.values('x'), call.values('target')]
  const [n, classes, smoothing] = [call.number('n'), call.number('classes'), call.number('smoothing')]
  const ofLogSum = 4 * eps * Math.log(classes + 1) + sumOfExponentials(classes)
  const errors = Float64Array.from({ length: n }, (_, r) => {
    const row = x.subarray(r * classes, (r + 1) * classes)
    const top = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
    const size = row.reduce((s, v) => s + Math.abs(v - top), 0)
    const chosen = Math.abs((row[target[r]] ?? top) - top)
    return 4 * eps * chosen + (smoothing / classes) * (sumError(classes, size) + 4 * eps * size)
  })
  return (i, v) => allowedUlp(1, v) + ofLogSum + (output === 'loss' ? errors[i] : 0)
}

// g·(exp(x − top − logSum) − onehot − s/C), in three rounded terms.
function crossEntropyGradError(call: Arguments): Allowed {
  const [g, x, top, logSum] = ['g', 'x', 'top', 'logSum'].map(name => call.values(name))
  const classes = call.number('classes')
  return (i, v) => {
    const row = Math.floor(i / classes)
    const t = x[i] - top[row] - logSum[row]
    const ofArgument = Math.abs(x[i] - top[row]) + Math.abs(t)
    return allowedUlp(2, v) + Math.abs(g[row]) * eps * (Math.exp(t) * (ofArgument + 6) + 8)
  }
}
