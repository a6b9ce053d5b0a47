/** Every case × device × check. */
import { describe, expect, it } from 'vitest'
import { gradcheck, gradients, lockstep, tensor } from '../lib/index.js'
import { apply } from '../lib/ops/define.js'
import type { Tensor } from '../lib/tensor.js'
import {
  type Case,
  call,
  dataOf,
  devices,
  type FusedCall,
  forwardAndBackward,
  fusedCalls,
  hasNative,
  isDifferentiable,
  isLarge,
  make,
  on,
  titleOf,
} from './harness/cases.js'
import { agree, flat, sameBits, within } from './harness/compare.js'
import { seed } from './harness/shapes.js'
import { viewsOf } from './harness/views.js'
import { families } from './ops/index.js'

console.log(`GRADUS_SEED=${seed} repeats these inputs`)

/** Titles may be equal; numbers tell them apart. */
const numbered = (cases: readonly Case[]) => cases.map((c, i) => [`${i}: ${titleOf(c)}`, c] as const)

function checkValue(c: Case): void {
  const inputs = make(c)
  const y = call(c, inputs)
  const data = y.dataSync()
  if (c.shape) expect(y.shape).toEqual(c.shape)
  if (c.dtype) expect(y.dtype).toBe(c.dtype)
  if (c.expect === undefined) return
  if (c.ulps === undefined) sameBits('result', data, flat(c.expect))
  else within('result', data, flat(c.expect), c.ulps)
}

function checkError(c: Case): void {
  const run = () => call(c, make(c)).dataSync()
  expect(run).toThrow(c.throws)
}

/** A few elements of each input: the others take the same path. */
const sampled = { elements: 6 }

async function checkLockstep(c: Case): Promise<void> {
  const { differences, commands } = await lockstep(() => {
    forwardAndBackward(c).y.dataSync()
  })
  expect(commands).toBeGreaterThan(0)
  expect(
    differences
      .map(
        d =>
          `${d.kernel}.${d.output}[${d.index}] (${d.count}): native ${d.native}, js ${d.js}, error ${d.error} > ${d.allowed}`,
      )
      .join('\n'),
  ).toBe('')
}

/** Multiples of ¼, whose sums and short products are exact in any order. */
function exactData(c: Case) {
  return dataOf(c).map(data => (data instanceof Float32Array ? data.map(v => Math.round(v * 4) / 4) : data))
}

function checkViews(c: Case): void {
  const plain = make(c, { data: exactData(c) })
  const wanted = call(c, plain).dataSync()
  for (const [kind, view] of viewsOf(plain)) sameBits(kind, call(c, view).dataSync(), wanted)
  const repeated = plain.map(x => (x.rank > 0 && x.shape[0] > 1 ? x.slice([0, 1]).expand(x.shape) : x))
  sameBits(
    'expanded',
    call(c, repeated).dataSync(),
    call(
      c,
      repeated.map(x => x.clone()),
    ).dataSync(),
  )
}

function both({ rule, inputs, p }: FusedCall): { value: ArrayLike<number>; grads: ArrayLike<number>[] }[] {
  return [(x: Tensor[]) => apply(rule, x, p), (x: Tensor[]) => rule.definition!(x, p)].map(run => {
    const x = inputs.map(i => tensor(i.data, i.shape, { dtype: i.dtype, requiresGrad: i.dtype === 'float64' }))
    const y = run(x)
    const leaves = x.filter(t => t.requiresGrad)
    const gradient = tensor(
      Float64Array.from({ length: y.size }, (_, i) => 1 + (i % 5) / 4),
      y.shape,
    )
    const found = y.requiresGrad ? gradients(y, leaves, { gradient, allowUnused: true }) : []
    return { value: y.dataSync(), grads: leaves.map((leaf, i) => found[i]?.dataSync() ?? new Float64Array(leaf.size)) }
  })
}

function checkFused(call: FusedCall): void {
  const [fused, composed] = both(call)
  agree(`${call.rule.name}: value`, fused.value, composed.value)
  fused.grads.forEach((g, i) => agree(`${call.rule.name}: gradient ${i}`, g, composed.grads[i]))
}

for (const { stem, cases } of families) {
  const good = cases.filter(c => !c.throws)
  const small = good.filter(c => !isLarge(c))
  const smooth = small.filter(isDifferentiable)
  describe(stem, () => {
    for (const device of devices) {
      describe.skipIf(device === 'native' && !hasNative)(device, () => {
        describe('value', () => it.each(numbered(good))('%s', (_, c) => on(device, () => checkValue(c))))
        describe('error', () =>
          it.each(numbered(cases.filter(c => c.throws)))('%s', (_, c) => on(device, () => checkError(c))))
        describe('views', () =>
          it.each(numbered(small.filter(c => !c.noViews && c.inputs.length)))('%s', (_, c) =>
            on(device, () => checkViews(c)),
          ))
      })
    }
    describe('gradient', () =>
      it.each(numbered(smooth))(
        '%s',
        async (_, c) =>
          void (await gradcheck(
            (...x) => call(c, x),
            on('js', () => make(c)),
            sampled,
          )),
      ))
    describe('second derivative', () =>
      it.each(numbered(smooth.filter(c => !c.noSecond)))(
        '%s',
        async (_, c) =>
          void (await gradcheck(
            (...x) => call(c, x),
            on('js', () => make(c)),
            { ...sampled, secondOrder: true },
          )),
      ))
    describe.skipIf(!hasNative)('native and js in lock-step', () =>
      it.each(numbered(good))('%s', (_, c) => checkLockstep(c)),
    )
    describe('fused is composed', () =>
      it.each(numbered(small.filter(c => !c.noFused)))('%s', (_, c) =>
        on('js', () => fusedCalls(() => forwardAndBackward(c, { float: 'float64' })).forEach(checkFused)),
      ))
  })
}
