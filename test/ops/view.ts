import { noGrad } from '../../lib/index.js'
import type { Tensor } from '../../lib/tensor.js'
import { type Case, of } from '../harness/cases.js'
import { anyShape, real, values } from '../harness/shapes.js'

/** The base after a change through the view. */
const through = (view: (x: Tensor) => Tensor) => (x: Tensor) =>
  noGrad(() => {
    const base = x.detach().clone()
    view(base).assign_(7)
    return base
  })
const noGradCheck = 'changes in place'

export const cases: readonly Case[] = [
  of('unsqueeze', [real([2, 3])], {
    note: 'view of a view',
    run: through(x => x.transpose().unsqueeze(0)),
    noGradCheck,
  }),
  of('squeeze', [values([[1], [2]])], {
    note: 'view of a view',
    run: through(x => x.transpose().squeeze(0).slice([1])),
    expect: [[1], [7]],
    noGradCheck,
  }),
  of('reshape', [real([4, 6])], {
    note: 'splits strided dims',
    run: through(x => x.slice(null, [0, 4]).reshape([4, 2, 2])),
    noGradCheck,
  }),
  of('reshape', [real([2, 3, 4])], {
    note: 'merges where strides allow',
    run: x => x.permute([2, 0, 1]).reshape([4, 6]),
  }),
  of('reshape', [real([2, 3, 4])], {
    note: 'copies where they do not',
    run: x => x.permute([1, 0, 2]).reshape([6, 4]),
  }),
  of('reshape', [real([6])], { note: 'repeated', run: x => x.slice([0, 1]).expand([6]).reshape([2, 3]) }),
  of('reshape', [real([2, 6])], { args: [[3, -1]], shape: [3, 4] }),
  of('reshape', [real([2, 6])], { run: x => x.transpose().reshape([3, 4]), note: 'of a transposed view' }),
  of('reshape', [real([0, 3])], { args: [[3, 0]], shape: [3, 0] }),
  of('reshape', [real([2, 3])], {
    args: [[4, -1]],
    throws: /^reshape: cannot see \[2, 3\] \(6 elements\) as \[4, -1\]/,
  }),
  of('reshape', [real([2, 3])], {
    args: ['6'],
    throws: /^reshape: sizes must be whole numbers of at least 0, got '6'/,
  }),
  of('flatten', [real([2, 3, 4])], { args: [1], shape: [2, 12] }),
  of('flatten', [real([])], { shape: [1] }),
  of('permute', [real(anyShape('permute', 3))], { args: [[2, 0, 1]] }),
  of('permute', [real([2, 3])], {
    args: [[0, 0]],
    throws: /^permute: order must name each of the 2 axes once, got \[0, 0\]/,
  }),
  of('transpose', [real([2, 3, 4])], { shape: [2, 4, 3] }),
  of('transpose', [real([2, 3, 4])], { args: [0, 2], shape: [4, 3, 2] }),
  of('transpose', [real([3])], { throws: /^transpose: expected at least 2 dims, got shape \[3\]/ }),
  of('expand', [real([3, 1])], { args: [[2, 3, 4]], shape: [2, 3, 4] }),
  of('expand', [real([3, 1])], { args: [[-1, 4]], shape: [3, 4] }),
  of('expand', [real([3, 1])], { args: [[3, 0]], shape: [3, 0] }),
  of('expand', [real([3])], {
    args: [[4]],
    throws: /^expand: shape \[3\] cannot be expanded to \[4\].*Hint: only dims of size 1 can/,
  }),
  of('squeeze', [real([1, 3, 1])], { shape: [3] }),
  of('squeeze', [real([1, 3, 1])], { args: [-1], shape: [1, 3] }),
  of('squeeze', [real([2, 3])], { args: [0], shape: [2, 3] }),
  of('unsqueeze', [real([2, 3])], { args: [-1], shape: [2, 3, 1] }),
  of('slice', [real([4, 6])], {
    args: [
      [1, 3],
      [null, null, 2],
    ],
    shape: [2, 3],
  }),
  of('slice', [real([4, 6])], { args: [-1, [null, null, -1]], shape: [6] }),
  of('slice', [real([4, 6])], { args: [[3, 1]], shape: [0, 6] }),
  of('slice', [real([5])], { args: [[10, null, -2]], shape: [3] }),
  of('slice', [real([300, 301])], {
    args: [
      [null, null, -1],
      [1, null, 3],
    ],
    note: 'large',
    run: x => x.slice([null, null, -1], [1, null, 3]).clone(),
  }),
  of(
    'slice',
    [
      values([
        [1, 2, 3],
        [4, 5, 6],
      ]),
    ],
    {
      args: [
        [0, 2],
        [null, null, -1],
      ],
      expect: [
        [3, 2, 1],
        [6, 5, 4],
      ],
    },
  ),
  of('slice', [real([4])], { args: [4], throws: /^slice: index 4 is outside axis 0 of size 4/ }),
  of('slice', [real([4])], { args: [[0, 2, 0]], throws: /^slice: step must not be 0/ }),
  of('slice', [real([4])], { args: [0, 0], throws: /^slice: 2 ranges for a tensor of rank 1/ }),
  of('slice', [real([4])], {
    args: ['x'],
    throws: /^slice: expected an index, \[start, end, step\] or null, got 'x'/,
  }),
  of('split', [real([7, 2])], { run: x => x.split(3)[2], shape: [1, 2] }),
  of('split', [real([2, 5])], { run: x => x.split([2, 3], 1)[1], shape: [2, 3] }),
  of('split', [real([5])], { args: [[2, 2]], throws: /^split: sizes \[2, 2\] add up to 4, but axis 0 has 5/ }),
  of('flip', [real([3, 4])], { args: [0] }),
  of('flip', [real([3, 4])], { args: [[0, 1]] }),
]
