/** The arithmetic peak, for `gradus bench`; no public op.                              twin: native/kernels/probe.cc */
import type { Tensor } from '../tensor.js'
import { kernels } from './define.js'
import { forEach } from './loops.js'

kernels({
  // y[i] = x/2 + 1, `rounds` times, from x = i mod 1024. Rounded at each step, as float32 registers are.
  probe: (y, rounds) => {
    const round = y instanceof Float32Array ? Math.fround : (v: number) => v
    return forEach(y.length, i => {
      let x = i % 1024
      for (let r = 0; r < rounds; r++) x = round(x * 0.5 + 1)
      y[i] = x
    })
  },
})

/** @internal Issues 2 · rounds · y.size floating-point operations that touch no memory. */
export function probe(y: Tensor, rounds: number): void {
  y.storage.stream.k.probe(y, rounds)
}
