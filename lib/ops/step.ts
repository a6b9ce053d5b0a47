/** Optimizer steps, in place; no gradient.                       twin: native/kernels/step.cc   cases: test/ops/step.ts */
import type { Buf } from '../dtype.js'
import type { Tensor } from '../tensor.js'
import { kernels } from './define.js'

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

kernels({
  sgdStep: (w, g, velocity, time, rate, momentum, dampening, decay, nesterov) => {
    const r = rounding(w)
    const fresh = time[0] === 0 ? 1 : r(1 - dampening)
    for (let i = 0; i < w.length; i++) {
      let d = g[i] + r(decay) * w[i]
      if (momentum !== 0) {
        velocity[i] = r(momentum) * velocity[i] + fresh * d
        d = nesterov ? d + r(momentum) * velocity[i] : velocity[i]
      }
      w[i] -= r(rate) * d
    }
    time[0]++
  },
  adamStep: (w, g, m, v, peak, time, rate, beta1, beta2, epsilon, decay, decoupled, rawEpsilon) => {
    const r = rounding(w)
    const t = time[0] + 1
    const correct1 = 1 - power(beta1, t)
    const correct2 = Math.sqrt(1 - power(beta2, t))
    const step = r(rawEpsilon ? (rate * correct2) / correct1 : rate / correct1)
    const root = r(rawEpsilon ? 1 : correct2)
    const coupled = r(decoupled ? 0 : decay)
    const keep = r(decoupled ? 1 - rate * decay : 1)
    for (let i = 0; i < w.length; i++) {
      const d = g[i] + coupled * w[i]
      m[i] = r(beta1) * m[i] + r(1 - beta1) * d
      v[i] = r(beta2) * v[i] + r(1 - beta2) * d * d
      if (peak.length) peak[i] = Math.max(peak[i], v[i])
      const second = peak.length ? peak[i] : v[i]
      w[i] = w[i] * keep - (step * m[i]) / (Math.sqrt(second) / root + r(epsilon))
    }
    time[0] = t
  },
})

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
  readonly beta1: number
  readonly beta2: number
  readonly epsilon: number
  readonly weightDecay: number
  /** Decay acts on the weight itself, not through the moments: AdamW. */
  readonly decoupled: boolean
  /** ε is added to √v before its bias is corrected, as Keras does. */
  readonly rawEpsilon: boolean
}

/** @internal One step of Adam; with AMSGrad if the peak is as long as the weight. */
export function adamStep(w: Tensor, g: Tensor, m: Tensor, v: Tensor, peak: Tensor, time: Tensor, n: AdamNumbers): void {
  w.storage.stream.k.adamStep(
    w,
    g,
    m,
    v,
    peak,
    time,
    n.learningRate,
    n.beta1,
    n.beta2,
    n.epsilon,
    n.weightDecay,
    Number(n.decoupled),
    Number(n.rawEpsilon),
  )
  w.storage.written('adamStep')
}
