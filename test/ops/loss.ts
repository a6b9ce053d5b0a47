import { losses } from '../../lib/index.js'
import { bceElements, bceWithLogitsElements, crossEntropyRows } from '../../lib/ops/loss.js'
import type { Tensor } from '../../lib/tensor.js'
import { type Case, of } from '../harness/cases.js'
import { lanes, real, special, values, whole } from '../harness/shapes.js'

const int = (list: number[]) => values(list, 'int32')
const plain = (x: Tensor, t: Tensor) => crossEntropyRows(x, t, -100, 0)
const inside = { low: 0.1, high: 0.9 }
const smooth = (x: Tensor, t: Tensor) => crossEntropyRows(x, t, -100, 0.1)

export const cases: readonly Case[] = [
  ...lanes.filter(n => n > 0).map(n => of('crossEntropy', [real([3, n]), whole([3], 0, n)], { run: plain })),
  ...lanes
    .filter(n => n > 0)
    .map(n => of('crossEntropy', [real([3, n]), whole([3], 0, n)], { run: smooth, note: 'smoothed' })),
  of('crossEntropy', [real([4, 5]), int([1, -100, 0, -100])], { run: plain, note: 'ignored rows' }),
  of('crossEntropy', [real([4, 5]), int([1, 2, 0, 2])], {
    run: (x, t) => crossEntropyRows(x, t, 2, 0.2),
    note: 'ignored class, smoothed',
  }),
  of('crossEntropy', [real([0, 5]), int([])], { run: plain, shape: [0] }),
  of('crossEntropy', [real([2, 0]), int([-100, -100])], {
    run: plain,
    throws: /^crossEntropy: expected at least one class, got logits of shape \[2, 0\]/,
  }),
  of('crossEntropy', [real([3, 7], { low: -90, high: 90 }), whole([3], 0, 7)], { run: plain, note: 'far apart' }),
  of('crossEntropy', [real([200, 130]), whole([200], 0, 130)], { run: smooth, note: 'rows shared by threads' }),
  ...[plain, smooth].map(run =>
    of('crossEntropy', [values([[2, ...new Array(2 ** 18).fill(0.7)]]), int([3])], {
      run,
      note: `equal numbers${run === smooth ? ', smoothed' : ''}`,
      large: true,
    }),
  ),
  of('crossEntropy', [whole([3, 4]), whole([3], 0, 4)], { run: plain, dtype: 'float32' }),
  of(
    'crossEntropy',
    [
      values([
        [0, 0],
        [1000, 0],
      ]),
      int([0, 0]),
    ],
    { run: plain, expect: [Math.LN2, 0], ulps: 1 },
  ),
  of('crossEntropy', [real([2, 3]), int([0, 3])], {
    run: plain,
    throws: /^crossEntropy: index 3 at position 1 is out of range/,
  }),
  of('crossEntropy', [real([2, 3]), int([0])], {
    run: plain,
    throws: /^crossEntropy: expected logits \[n, classes\] and targets \[n\], got \[2, 3\] and \[1\]/,
  }),
  of('crossEntropy', [real([2, 3]), real([2])], {
    run: plain,
    throws: /^crossEntropy: index must be int32, got float32/,
  }),
  ...lanes.map(n => of('bceWithLogits', [real([n]), real([n], { low: 0, high: 1 })], { run: bceWithLogitsElements })),
  of('bceWithLogits', [real([3, 4]), real([4], { low: 0, high: 1 })], {
    run: bceWithLogitsElements,
    note: 'broadcast',
  }),
  of('bceWithLogits', [real([5], { low: -90, high: 90 }), real([], { low: 0, high: 1 })], {
    run: bceWithLogitsElements,
    note: 'far apart',
  }),
  of('bceWithLogits', [special, real([], { low: 0, high: 1 })], {
    run: bceWithLogitsElements,
    note: 'special values',
    noGradCheck: 'not finite',
  }),
  of('bceWithLogits', [values([0, 0, 0]), values([0, 0.5, 1])], {
    run: bceWithLogitsElements,
    expect: [Math.LN2, Math.LN2, Math.LN2],
    ulps: 1,
    note: 'undecided',
  }),
  of('bceWithLogits', [real([300, 130]), real([300, 130], { low: 0, high: 1 })], {
    run: bceWithLogitsElements,
    note: 'shared by threads',
  }),
  of('bceWithLogits', [real([2]), real([3])], {
    run: bceWithLogitsElements,
    throws: /^bceWithLogits: shapes \[2\] and \[3\] do not broadcast/,
  }),
  ...lanes.map(n => of('bce', [real([n], inside), real([n], inside)], { run: bceElements })),
  of('bce', [real([3, 4], inside), real([4], inside)], { run: bceElements, note: 'broadcast' }),
  of('bce', [real([300, 130], inside), real([300, 130], inside)], { run: bceElements, note: 'shared by threads' }),
  of('bce', [values([0, 0, 1, 1, NaN, 1e-30]), values([0, 1, 0, 1, 1, 1])], {
    run: bceElements,
    expect: [0, 100, 100, 0, NaN, 69.0775528],
    ulps: 1,
    noGradCheck: 'ends',
    noFused: 'NaN',
  }),
  of('bce', [values([1e-8, 1e-6, 1e-3]), values([0, 0, 0])], {
    run: bceElements,
    expect: [1e-8, 1.0000005e-6, 1.0005003e-3],
    ulps: 4,
    note: 'nearly sure',
    noGradCheck: 'differences leave the range',
  }),
  of('bce', [values([0.5, -0.25, 7]), values([1, 1, 1])], {
    run: bceElements,
    throws: /^bce: probabilities must be in \[0, 1\], got -0\.25 at position 1\. Hint: for logits, use bceWithLogits/,
  }),
  of('bce', [values([0.5, 0.5]), values([1, 2])], {
    run: bceElements,
    throws: /^bce: targets must be in \[0, 1\], got 2 at position 1$/,
  }),
  ...lanes
    .filter(n => n > 0)
    .map(n =>
      of('crossEntropy', [real([3, n]), whole([3], 0, n), whole([n], 0, 3)], {
        run: (x, t, w) => crossEntropyRows(x, t, -100, n % 2 ? 0.1 : 0, w),
        note: 'weighted',
      }),
    ),
  of('huber', [real([6], { kinks: [-1, 1] })], {
    run: x => losses.huber(x, x.detach().mul(0), { reduction: 'none' }),
  }),
  of('smoothL1', [real([6], { kinks: [-0.5, 0.5] })], {
    run: x => losses.smoothL1(x, x.detach().mul(0), { reduction: 'none', beta: 0.5 }),
  }),
]
