import { zeros } from '../../lib/index.js'
import { probe } from '../../lib/ops/probe.js'
import type { Tensor } from '../../lib/tensor.js'
import { type Case, of } from '../harness/cases.js'

function probed(n: number): Tensor {
  const y = zeros([n])
  probe(y, 7)
  return y
}

// The peak is only one if the work is done: whole blocks of 384 elements or not, on one thread or several.
export const cases: readonly Case[] = [0, 1, 47, 384, 385, 4000].map(n =>
  of('probe', [], { note: `${n} elements`, run: () => probed(n) }),
)
