/** Every case × device × check. */
import { describe, expect, it } from 'vitest'
import type { Buf } from '../lib/dtype.js'
import { gradcheck, gradients, lockstep, maskSelect, nonzero, type Tensor, tensor, unique } from '../lib/index.js'
import { apply } from '../lib/ops/define.js'
import * as harness from './harness/cases.js'
import { type Case, call, dataOf, type FusedCall, families, forwardAndBackward, make, on } from './harness/cases.js'
import { agree, flat, largestOf, sameBits, within } from './harness/compare.js'
import { checkFixture, fixtures, titleOf } from './harness/fixtures.js'
import { seed } from './harness/shapes.js'
import { viewsOf } from './harness/views.js'

console.log(`GRADUS_SEED=${seed} repeats these inputs`)

// ---- checks ----------------------------------------------------------------------------------------------------------

function checkValue(c: Case): void {
  const y = call(c, make(c))
  const data = y.dataSync()
  if (c.shape) expect(y.shape).toEqual(c.shape)
  if (c.dtype) expect(y.dtype).toBe(c.dtype)
  if (c.expect === undefined) return
  if (c.ulps === undefined) sameBits('result', data, flat(c.expect))
  else within('result', data, flat(c.expect), c.ulps)
}

/** Errors come at the call, or, where they depend on values, at the read. */
function checkError(c: Case): void {
  expect(() => call(c, make(c)).dataSync()).toThrow(c.throws)
}

/** A few elements of each input; the others take the same path. */
const elements = 6

async function checkGradient(c: Case, secondOrder: boolean): Promise<void> {
  const inputs = on('js', () => make(c))
  await gradcheck((...x) => call(c, x), inputs, { elements, secondOrder })
}

async function checkLockstep(c: Case): Promise<void> {
  const { differences, commands } = await lockstep(() => forwardAndBackward(c).y.dataSync())
  expect(commands).toBeGreaterThan(0)
  const texts = differences.map(
    d => `${d.kernel}.${d.output}[${d.index}] (${d.count}): native ${d.native}, js ${d.js}: ${d.error} > ${d.allowed}`,
  )
  if (texts.length > 0) throw new Error(texts.join('\n'))
}

/** Powers of two from ¼ to 4, whose sums and products are exact in any order. */
function exactData(c: Case): Buf[] {
  const exact = (v: number): number =>
    v && Number.isFinite(v) ? Math.sign(v) * 2 ** Math.max(-2, Math.min(2, Math.round(Math.log2(Math.abs(v))))) : v
  return dataOf(c).map(data => (data instanceof Float32Array ? data.map(exact) : data))
}

/** Views give the bits of their contiguous copies. */
function checkViews(c: Case): void {
  const plain = make(c, { data: exactData(c) })
  const result = (inputs: Tensor[]) => call(c, inputs).dataSync()
  const wanted = result(plain)
  for (const [kind, inputs] of viewsOf(plain)) sameBits(kind, result(inputs), wanted)
  const repeated = plain.map(x => (x.rank > 0 && x.shape[0] > 1 ? x.slice([0, 1]).expand(x.shape) : x))
  sameBits('expanded', result(repeated), result(repeated.map(x => x.clone())))
}

interface Outcome {
  readonly value: ArrayLike<number>
  readonly grads: readonly ArrayLike<number>[]
}

function outcome(run: (inputs: Tensor[]) => Tensor, { inputs }: FusedCall): Outcome {
  const x = inputs.map(i => tensor(i.data, i.shape, { dtype: i.dtype, requiresGrad: i.dtype === 'float64' }))
  const y = run(x)
  const leaves = x.filter(t => t.requiresGrad)
  const weights = Float64Array.from({ length: y.size }, (_, i) => 1 + (i % 5) / 4)
  const found = y.requiresGrad ? gradients(y, leaves, { gradient: tensor(weights, y.shape), allowUnused: true }) : []
  const grads = leaves.map((leaf, i) => found[i]?.dataSync() ?? new Float64Array(leaf.size))
  return { value: y.dataSync(), grads }
}

/** A fused rule gives what its definition gives, and so do the gradients. */
function checkFused(call: FusedCall): void {
  const { rule, inputs, p } = call
  const fused = outcome(x => apply(rule, x, p), call)
  const composed = outcome(x => rule.definition!(x, p), call)
  const scale = Math.max(1, ...inputs.map(i => largestOf(i.data)))
  agree(`${rule.name}: value`, fused.value, composed.value, scale)
  for (const [i, g] of fused.grads.entries()) agree(`${rule.name}: gradient ${i}`, g, composed.grads[i], scale)
}

function checkAllFused(c: Case): void {
  on('js', () => harness.fusedCalls(() => forwardAndBackward(c, { float: 'float64' })).forEach(checkFused))
}

// ---- the cross product -----------------------------------------------------------------------------------------------

/** One test for each case. Titles may be equal; numbers tell them apart. */
function each(name: string, cases: readonly Case[], check: (c: Case) => void | Promise<void>): void {
  if (cases.length === 0) return
  const numbered = cases.map((c, i) => [`${i}: ${harness.titleOf(c)}`, c] as const)
  describe(name, () => it.each(numbered)('%s', (_, c) => check(c)))
}

for (const { stem, cases } of families) {
  const good = cases.filter(c => !c.throws)
  const small = good.filter(c => !harness.isLarge(c))
  const smooth = small.filter(harness.isDifferentiable)
  describe(stem, () => {
    for (const device of harness.devices)
      describe.skipIf(!harness.has(device))(device, () => {
        each('value', good, c => on(device, () => checkValue(c)))
        each(
          'error',
          cases.filter(c => c.throws),
          c => on(device, () => checkError(c)),
        )
        each(
          'views',
          small.filter(c => !c.noViews && c.inputs.length > 0),
          c => on(device, () => checkViews(c)),
        )
      })
    each('gradient', smooth, c => checkGradient(c, false))
    each(
      'second derivative',
      smooth.filter(c => !c.noSecond),
      c => checkGradient(c, true),
    )
    each(
      'fused is composed',
      small.filter(c => !c.noFused),
      checkAllFused,
    )
    describe.skipIf(!harness.has('native'))('native', () => each('lock-step with js', good, checkLockstep))
  })
}

describe('PyTorch', () => {
  const numbered = fixtures.map((f, i) => [`${i}: ${titleOf(f)}`, f] as const)
  for (const device of harness.devices)
    describe.skipIf(!harness.has(device))(device, () =>
      it.each(numbered)('%s', (_, f) => on(device, () => checkFixture(f))),
    )
})

describe('promises give what the Sync twins give', () => {
  for (const device of harness.devices)
    it.skipIf(!harness.has(device))(device, async () => {
      const x = tensor([0, 2, 0, 3], { device })
      expect(Array.from(await (await maskSelect(x, x.greater(0))).data())).toEqual([2, 3])
      expect(await (await nonzero(x)).toArray()).toEqual([[1], [3]])
      expect(Array.from(await (await unique(x)).data())).toEqual([0, 2, 3])
    })
})
