/** Optimizer steps, in place; no gradient.                       twin: native/kernels/step.cc   cases: test/ops/step.ts */
import type { Buf } from '../dtype.js'
import { type Allowed, type Arguments, eps, finite } from '../runtime/tolerance.js'
import type { Tensor } from '../tensor.js'
import { kernels } from './define.js'
import { forEach } from './loops.js'

/** base^exponent by squaring, in the order of the native twin. */
function power(base: number, exponent: number): number {
  let result = 1
  for (let e = exponent; e > 0; e >>= 1) {
    if (e & 1) result *= base
    base *= base
  }
  return result
}

/** Numbers as the kernels see them: float32 where the weights are. */
const rounding = (w: Buf): ((value: number) => number) => (w instanceof Float32Array ? Math.fround : value => value)

kernels(
  {
    *sgdStep(w, g, velocity, time, rate, momentum, dampening, decay, nesterov) {
      const r = rounding(w)
      const fresh = time[0] === 0 ? 1 : r(1 - dampening)
      const update = (i: number): void => {
        let d = g[i] + r(decay) * w[i]
        if (momentum !== 0) {
          velocity[i] = r(momentum) * velocity[i] + fresh * d
          d = nesterov ? d + r(momentum) * velocity[i] : velocity[i]
        }
        w[i] -= r(rate) * d
      }
      yield* forEach(w.length, update)
      if (momentum !== 0) time[0]++ // updates of the velocity, of which the first is g
    },
    *adamStep(w, g, m, v, peak, time, rate, beta1, beta2, epsilon, decay, decoupled, rawEpsilon) {
      const r = rounding(w)
      const t = time[0] + 1
      const correct1 = 1 - power(beta1, t)
      const correct2 = Math.sqrt(1 - power(beta2, t))
      const step = r(rawEpsilon ? (rate * correct2) / correct1 : rate / correct1)
      const root = r(rawEpsilon ? 1 : correct2)
      const coupled = r(decoupled ? 0 : decay)
      const keep = r(decoupled ? 1 - rate * decay : 1)
      const update = (i: number): void => {
        const d = g[i] + coupled * w[i]
        m[i] = r(beta1) * m[i] + r(1 - beta1) * d
        v[i] = r(beta2) * v[i] + r(1 - beta2) * d * d
        if (peak.length) peak[i] = Math.max(peak[i], v[i])
        const second = peak.length ? peak[i] : v[i]
        w[i] = w[i] * keep - (step * m[i]) / (Math.sqrt(second) / root + r(epsilon))
      }
      yield* forEach(w.length, update)
      time[0] = t
    },
  },
  { sgdStep: sgdError, adamStep: adamError },
)

export interface SgdNumbers {
  readonly learningRate: number
  readonly momentum: number
  readonly dampening: number
  readonly weightDecay: number
  readonly nesterov: boolean
}

/** @internal One step of gradient descent, with momentum if the velocity is as long as the weight. */
export function sgdStep(w: Tensor, g: Tensor, velocity: Tensor, time: Tensor, n: SgdNumbers): void {
  w.storage.stream.k.sgdStep(
    w,
    g,
    velocity,
    time,
    n.learningRate,
    n.momentum,
    n.dampening,
    n.weightDecay,
    Number(n.nesterov),
  )
  w.storage.written('sgdStep')
}

export interface AdamNumbers {
  readonly learningRate: number
  readonly betas: readonly [number, number]
  readonly epsilon: number
  readonly weightDecay: number
  /** ε is added to √v before its bias is corrected, as Keras does. */
  readonly rawEpsilon: boolean
}

/**
 * @internal One step of Adam; with AMSGrad if the peak is as long as the weight. `decoupled`: decay acts on the weight
 * itself, not through the moments, as in AdamW.
 */
export function adamStep(
  w: Tensor,
  g: Tensor,
  m: Tensor,
  v: Tensor,
  peak: Tensor,
  time: Tensor,
  n: AdamNumbers,
  decoupled: boolean,
): void {
  w.storage.stream.k.adamStep(
    w,
    g,
    m,
    v,
    peak,
    time,
    n.learningRate,
    n.betas[0],
    n.betas[1],
    n.epsilon,
    n.weightDecay,
    Number(decoupled),
    Number(n.rawEpsilon),
  )
  w.storage.written('adamStep')
}

// ---- tolerances ------------------------------------------------------------------------------------------------------

/** Error of d = g + decay·w, which may cancel. */
function decayed(g: number, w: number, decay: number): number {
  return 2 * eps * (Math.abs(g) + Math.abs(decay * w))
}

function sgdError(call: Arguments, output: string): Allowed {
  if (output === 'time') return () => 0
  const [w, g, velocity] = ['w', 'g', 'velocity'].map(name => call.values(name))
  const [rate, momentum, decay] = ['rate', 'momentum', 'decay'].map(name => call.number(name))
  return i => {
    const d = Math.abs(g[i]) + Math.abs(decay * w[i])
    const v = momentum ? Math.abs(momentum * velocity[i]) + d : d
    const ofDirection = decayed(g[i], w[i], decay) + 8 * eps * v
    return output === 'velocity'
      ? ofDirection
      : 2 * eps * Math.abs(w[i]) + Math.abs(rate) * (2 * ofDirection + 8 * eps * v)
  }
}

function adamError(call: Arguments, output: string): Allowed {
  if (output === 'time') return () => 0
  const [w, g, m, v, peak] = ['w', 'g', 'm', 'v', 'peak'].map(name => call.values(name))
  const n = Object.fromEntries(
    ['rate', 'beta1', 'beta2', 'epsilon', 'decay', 'decoupled', 'rawEpsilon'].map(name => [name, call.number(name)]),
  )
  const t = call.values('time')[0] + 1
  const [correct1, correct2] = [1 - n.beta1 ** t, Math.sqrt(1 - n.beta2 ** t)]
  const coupled = n.decoupled ? 0 : n.decay
  return i => {
    const d = g[i] + coupled * w[i]
    const ofD = decayed(g[i], w[i], coupled)
    const ofM = (1 - n.beta1) * ofD + 4 * eps * (Math.abs(n.beta1 * m[i]) + Math.abs((1 - n.beta1) * d))
    const second = n.beta2 * v[i] + (1 - n.beta2) * d * d
    const ofV = 2 * (1 - n.beta2) * Math.abs(d) * ofD + 6 * eps * second
    if (output === 'm') return ofM
    if (output === 'v' || output === 'peak') return ofV + 2 * eps * (peak[i] ?? 0)
    const used = Math.max(second, peak[i] ?? 0)
    const root = Math.sqrt(used) / (n.rawEpsilon ? 1 : correct2) + n.epsilon
    const step = (n.rawEpsilon ? n.rate * correct2 : n.rate) / correct1
    const first = n.beta1 * m[i] + (1 - n.beta1) * d
    const ofUpdate = (step / root) * (ofM + Math.abs(first) * (finite(ofV / (2 * used)) + 8 * eps))
    return 4 * eps * Math.abs(w[i]) + ofUpdate
  }
}
