import { concat, noGrad, zeros } from '../../lib/index.js'
import { type AdamNumbers, adamStep, type SgdNumbers, sgdStep } from '../../lib/ops/step.js'
import type { Tensor } from '../../lib/tensor.js'
import { type Case, of } from '../harness/cases.js'
import { lanes, real, values } from '../harness/shapes.js'

const like = (x: Tensor, n = x.size) => zeros([n], { dtype: x.dtype, device: x.device })
const clock = (x: Tensor) => zeros([1], { dtype: 'int32', device: x.device })

/** Three steps of gradient descent from the weight, with one gradient: weight and velocity. */
function sgd(w0: Tensor, g: Tensor, more: Partial<SgdNumbers>): Tensor {
  return noGrad(() => {
    const numbers = { learningRate: 0.1, momentum: 0, dampening: 0, weightDecay: 0, nesterov: false, ...more }
    const [w, v, time] = [w0.detach().clone(), like(w0, numbers.momentum ? w0.size : 0), clock(w0)]
    for (let i = 0; i < 3; i++) sgdStep(w, g, v, time, numbers)
    return concat([w, v])
  })
}

/** Three steps of Adam: weight, both moments and the peak. */
function adam(
  w0: Tensor,
  g: Tensor,
  { decoupled = false, ...more }: Partial<AdamNumbers> & { decoupled?: boolean } = {},
  amsgrad = false,
): Tensor {
  return noGrad(() => {
    const numbers = {
      learningRate: 0.1,
      betas: [0.9, 0.999] as const,
      epsilon: 1e-8,
      weightDecay: 0,
      rawEpsilon: false,
      ...more,
    }
    const [w, m, v, peak, time] = [w0.detach().clone(), like(w0), like(w0), like(w0, amsgrad ? w0.size : 0), clock(w0)]
    for (let i = 0; i < 3; i++) adamStep(w, i === 1 ? g.mul(0.1) : g, m, v, peak, time, numbers, decoupled)
    return concat([w, m, v, peak])
  })
}

const noGradCheck = 'changes in place, no gradient'
const noViews = 'optimizers own contiguous state'
const pair = (n: number) => [real([n]), real([n])]
const one = (op: string, n: number, note: string, run: Case['run']) =>
  of(op, pair(n), { note, run, noGradCheck, noViews })

export const cases: readonly Case[] = [
  ...lanes.flatMap(n => [
    one('sgd', n, 'momentum', (w, g) => sgd(w, g, { momentum: 0.9 })),
    one('adam', n, '', (w, g) => adam(w, g)),
    one('adam', n, 'AMSGrad', (w, g) => adam(w, g, {}, true)),
  ]),
  one('sgd', 9, 'plain', (w, g) => sgd(w, g, {})),
  one('sgd', 9, 'decay', (w, g) => sgd(w, g, { weightDecay: 0.3 })),
  one('sgd', 9, 'dampening', (w, g) => sgd(w, g, { momentum: 0.8, dampening: 0.5 })),
  one('sgd', 9, 'nesterov', (w, g) => sgd(w, g, { momentum: 0.8, nesterov: true, weightDecay: 0.1 })),
  one('sgd', 70001, 'shared by threads', (w, g) => sgd(w, g, { momentum: 0.9 })),
  one('adam', 9, 'decay', (w, g) => adam(w, g, { weightDecay: 0.3 })),
  one('adam', 9, 'decoupled decay', (w, g) => adam(w, g, { weightDecay: 0.3, decoupled: true })),
  one('adam', 9, 'Keras epsilon', (w, g) => adam(w, g, { rawEpsilon: true, epsilon: 1e-3 }, true)),
  one('adam', 70001, 'shared by threads', (w, g) => adam(w, g)),
  of('sgd', [values([1]), values([1])], {
    run: (w, g) => sgd(w, g, { momentum: 0.5 }),
    expect: [1 - 0.1 - 0.15 - 0.175, 1.75],
    ulps: 2,
    noGradCheck,
    noViews,
  }),
]
