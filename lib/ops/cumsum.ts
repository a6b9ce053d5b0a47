/** The running sum.                                         twin: native/kernels/cumsum.cc   cases: test/ops/cumsum.ts */
import { type DType, promote } from '../dtype.js'
import type { Into, Numeric } from '../promotion.js'
import { type Slices, slicesOf } from '../shape.js'
import type { Tensor } from '../tensor.js'
import { applyTo, cast, checkTensor, kernels, type Rule, rule } from './define.js'
import { forSlices, plusOf } from './loops.js'
import { flip } from './view.js'

kernels({
  cumsum: (x, y, outer, n, inner) => {
    const plus = plusOf(y)
    return forSlices(outer, n, inner, at => {
      let s = 0
      for (let k = 0; k < n; k++) {
        s = plus(s, x[at + k * inner])
        y[at + k * inner] = s
      }
    })
  },
})

const cumsumRule: Rule<Slices> = rule({
  name: 'cumsum',
  output: ([x]) => ({ shape: x.dims }),
  run: (k, [x], y, { outer, n, inner }) => k.cumsum(x, y, outer, n, inner),
  // xₖ is part of every sum from k on.
  grad: (g, _, { axis }) => [flip(cumsum(flip(g, axis), axis), axis)],
})

/** The running sum along `axis`. */
export function cumsum<D extends DType>(x: Tensor<D>, axis: number): Tensor<Into<D, Numeric>> {
  checkTensor('cumsum', x)
  return applyTo(cumsumRule, [x], [cast(x, promote(x.dtype, 'int32'))], slicesOf('cumsum', x.dims, axis))
}
