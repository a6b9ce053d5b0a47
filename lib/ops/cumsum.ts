/** The running sum.                                         twin: native/kernels/cumsum.cc   cases: test/ops/cumsum.ts */
import { promote } from '../dtype.js'
import { type Slices, slicesOf } from '../shape.js'
import type { Tensor } from '../tensor.js'
import { applyTo, cast, checkTensor, kernels, type Rule, rule } from './define.js'
import { flip } from './view.js'

kernels({
  cumsum: (x, y, outer, n, inner) => {
    if (y.length === 0) return // outer or inner may be too large to count through
    for (let o = 0; o < outer; o++)
      for (let i = 0; i < inner; i++) {
        let s = 0
        for (let k = 0; k < n; k++) {
          const at = (o * n + k) * inner + i
          s += x[at]
          y[at] = s
        }
      }
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
export function cumsum(x: Tensor, axis: number): Tensor {
  checkTensor('cumsum', x)
  return applyTo(cumsumRule, [x], [cast(x, promote(x.dtype, 'int32'))], slicesOf('cumsum', x.dims, axis))
}
