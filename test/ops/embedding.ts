import { embedding, type Tensor, zeros } from '../../lib/index.js'
import { type Case, of } from '../harness/cases.js'
import { lanes, real, truth, values, whole } from '../harness/shapes.js'

const int = (nested: Parameters<typeof values>[0]) => values(nested, 'int32')

/** The gradient of weights [2, 1] of which 2²⁰ indices name the first, each with the gradient 0.1. */
function added(pick: (weight: Tensor, index: Tensor) => Tensor): Tensor {
  const weight = zeros([2, 1], { requiresGrad: true })
  pick(weight, zeros([2 ** 20], { dtype: 'int32' }))
    .mul(0.1)
    .sum()
    .backward()
  return weight.grad!
}

const everySize: Case[] = [
  ...lanes.map(n => of('indexSelect', [real([4, n]), whole([3], 0, 4)])),
  ...lanes.filter(n => n > 0).map(n => of('indexSelect', [real([2, n]), whole([5], 0, n)], { args: [1] })),
  ...lanes.map(n => of('gather', [real([4, n]), whole([3, n], 0, 4)], { args: [0] })),
  ...lanes.map(n => of('embedding', [real([5, 3]), whole([n], 0, 5)])),
  ...[whole, truth].flatMap(make => [
    of('indexSelect', [make([4, 3]), whole([5], 0, 4)]),
    of('gather', [make([4, 3]), whole([2, 3], 0, 4)], { args: [0] }),
  ]),
]

export const cases: readonly Case[] = [
  ...everySize,
  of('embedding', [real([3, 2]), whole([2 ** 18], 0, 2)], {
    note: 'the gradient adds many equal numbers to two rows',
    run: (x, i) => embedding(x, i).mul(0.1).sum(),
  }),
  of('gather', [real([3, 2]), whole([2 ** 17, 2], 0, 2)], {
    note: 'the gradient adds many equal numbers to two elements',
    run: (x, i) => x.gather(i, 0).mul(0.1).sum(),
  }),
  of('gather', [real([3, 40]), whole([50, 40], 0, 2)], { args: [0], note: 'gradient by strips of 16 columns' }),
  of('embedding', [real([30, 70]), whole([50], 0, 30)], { note: 'some rows once, some often, strips of 64 columns' }),
  of('indexAdd', [], {
    run: () => added((w, i) => embedding(w, i)),
    expect: [[Math.fround(0.1) * 2 ** 20], [0]],
    ulps: 1,
  }),
  of('scatterAdd', [], {
    run: () => added((w, i) => w.gather(i.unsqueeze(1), 0)),
    expect: [[Math.fround(0.1) * 2 ** 20], [0]],
    ulps: 1,
  }),
  of('gather', [real([3, 4]), whole([3, 2], 0, 4)], { args: [1], shape: [3, 2] }),
  of('gather', [real([3, 4, 5]), whole([2, 6, 3], 0, 4)], { args: [1], note: 'smaller index' }),
  of('gather', [real([3, 4]), whole([0, 4], 0, 3)], { args: [0], shape: [0, 4] }),
  of('gather', [real([200, 300]), whole([250, 300], 0, 200)], { args: [0], note: 'rows shared by threads' }),
  of('gather', [real([60, 50, 40]), whole([60, 30, 40], 0, 50)], { args: [1], note: 'outer shared by threads' }),
  of('indexSelect', [real([2, 3, 4]), whole([5], 0, 3)], { args: [1], shape: [2, 5, 4] }),
  of('indexSelect', [real([500, 70]), whole([800], 0, 500)], { note: 'strips of 64 columns, shared by threads' }),
  of('indexSelect', [real([9, 300]), whole([400], 0, 9)], { note: 'many of few: strips of columns' }),
  of('indexSelect', [real([40, 9, 65]), whole([30], 0, 9)], { args: [1], note: 'outer and strips' }),
  of('indexSelect', [real([3, 2]), int([])], { shape: [0, 2] }),
  of(
    'indexSelect',
    [
      values([
        [1, 2],
        [3, 4],
      ]),
      int([1, 1, 0]),
    ],
    {
      expect: [
        [3, 4],
        [3, 4],
        [1, 2],
      ],
    },
  ),
  of('embedding', [real([7, 4]), whole([2, 3], 0, 7)], { shape: [2, 3, 4] }),
  of('embedding', [real([7, 4]), whole([], 0, 7)], { shape: [4] }),
  of('oneHot', [whole([5], 0, 4)], { args: [4], dtype: 'float32', shape: [5, 4] }),
  of('oneHot', [whole([2, 3], 0, 4)], { args: [4], shape: [2, 3, 4] }),
  of('oneHot', [int([])], { args: [4], shape: [0, 4] }),
  of('oneHot', [whole([900], 0, 100)], { args: [100], note: 'shared by threads', large: true }),
  of('oneHot', [int([1, 0])], {
    args: [2],
    expect: [
      [0, 1],
      [1, 0],
    ],
  }),
  of('indexSelect', [real([3, 2]), int([0, 3])], {
    throws: /^indexSelect: index 3 at position 1 is out of range for size 3\. Hint: indices run from 0 to 2/,
  }),
  of('indexSelect', [real([3, 2]), int([-1])], { throws: /^indexSelect: index -1 at position 0 is out of range/ }),
  of('gather', [real([3, 2]), int([[0, 7]])], {
    args: [0],
    throws: /^gather: index 7 at position 1 is out of range/,
  }),
  of('embedding', [real([3, 2]), int([5])], { throws: /^embedding: index 5 at position 0 is out of range/ }),
  of('oneHot', [int([0, 4])], { args: [4], throws: /^oneHot: index 4 at position 1 is out of range/ }),
  of('indexSelect', [real([3, 2]), real([2])], {
    throws: /^indexSelect: index must be int32, got float32.*Hint: use index\.cast\('int32'\)/,
  }),
  of('indexSelect', [real([3, 2]), int([[0]])], {
    throws: /^indexSelect: index must have one dim.*Hint: use gather\(\)/,
  }),
  of('gather', [real([3, 2]), int([[0, 0, 0]])], {
    args: [0],
    throws: /^gather: index of shape \[1, 3\] does not fit into \[3, 2\] along axis 0/,
  }),
  of('embedding', [real([3]), int([0])], { throws: /^embedding: weight must have two dims/ }),
  of('oneHot', [int([0])], { args: [0], throws: /^oneHot: classes must be a whole number above 0, got 0/ }),
]
