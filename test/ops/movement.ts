import type { DType } from '../../lib/dtype.js'
import { arange, concat, eye, full, linspace, noGrad, ones, stack, tensor, zeros } from '../../lib/index.js'
import { type Case, type Family, of } from '../harness/cases.js'
import { anyShape, lanes, real, special, truth, values, whole } from '../harness/shapes.js'

const dtypes: readonly DType[] = ['float32', 'int32', 'bool']

const everyDtype: Case[] = [
  ...dtypes.flatMap(to => [
    of('cast', [special], { args: [to], dtype: to, note: 'special values', noGradCheck: 'steps' }),
    of('cast', [whole([17])], { args: [to], dtype: to }),
    of('cast', [truth([17])], { args: [to], dtype: to }),
    of('cast', [real([0])], { args: [to], shape: [0] }),
    of('cast', [real([], { low: 2, high: 3 })], { args: [to], shape: [] }),
    of('cast', [real([300, 123])], { note: `rows to ${to}, shared by threads`, run: x => x.transpose().cast(to) }),
  ]),
  of('cast', [real([9])], { note: 'there and back', run: x => x.cast('float64').cast('float32') }),
  of('cast', [whole([9])], { args: ['float64'], dtype: 'float64' }),
  ...[real, whole, truth].flatMap(make => [
    ...lanes.map(n => of('clone', [make([n])])),
    of('clone', [make([3, 4, 5])], { note: 'turned round', run: x => x.permute([2, 0, 1]).clone() }),
    of('clone', [make([300, 203])], { note: 'transposed, tiles shared by threads', run: x => x.transpose().clone() }),
    of('clone', [make([40, 60, 30])], { note: 'planes shared by threads', run: x => x.permute([0, 2, 1]).clone() }),
    of('concat', [make([2, 3]), make([2, 0]), make([2, 4])], { run: (...x) => concat(x, 1), shape: [2, 7] }),
    of('pad', [make([2, 3])], {
      args: [
        [
          [1, 0],
          [0, 2],
        ],
        { value: 1 },
      ],
      shape: [3, 5],
    }),
  ]),
]

export const movement: Family = {
  stem: 'movement',
  cases: [
    ...everyDtype,
    of('reshape', [real([2, 6])], { args: [[3, -1]], shape: [3, 4] }),
    of('reshape', [real([2, 6])], { run: x => x.transpose().reshape([3, 4]), note: 'of a transposed view' }),
    of('reshape', [real([0, 3])], { args: [[3, 0]], shape: [3, 0] }),
    of('reshape', [real([2, 3])], {
      args: [[4, -1]],
      throws: /^reshape: cannot see \[2, 3\] \(6 elements\) as \[4, -1\]/,
    }),
    of('reshape', [real([2, 3])], { args: ['6'], throws: /^reshape: expected a shape \(an array of sizes\), got '6'/ }),
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
    of('squeeze', [real([2, 3])], { args: [0], throws: /^squeeze: axis 0 has size 2, not 1/ }),
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
    of('contiguous', [real([3, 4])], { run: x => x.transpose().contiguous() }),
    of('concat', [real([2, 3]), whole([1, 3])], { run: (...x) => concat(x), dtype: 'float32', shape: [3, 3] }),
    of('concat', [real([2, 3]), real([2, 4])], {
      run: (...x) => concat(x),
      throws: /^concat: shapes must be equal except along axis 0, got \[2, 3\] and \[2, 4\]/,
    }),
    of('concat', [], { run: () => concat([]), throws: /^concat: expected a list of at least one tensor/ }),
    of('stack', [real([2, 3]), real([2, 3])], { run: (...x) => stack(x, 1), shape: [2, 2, 3] }),
    of('stack', [real([2]), real([3])], {
      run: (...x) => stack(x),
      throws: /^stack: shapes must be equal, got \[2\] and \[3\]/,
    }),
    of('pad', [real([2, 0])], {
      args: [
        [
          [1, 1],
          [1, 0],
        ],
      ],
      shape: [4, 1],
    }),
    of('pad', [real([2, 2, 2, 2, 2, 2, 2])], {
      args: [new Array(7).fill([1, 0])],
      note: 'seven dims that do not merge',
    }),
    of('pad', [real([2, 3])], { args: [[[1, 1]]], throws: /^pad: expected \[before, after\] for each of the 2 dims/ }),
    of('tile', [real([2, 3])], { args: [[2, 1, 2]], shape: [2, 2, 6] }),
    of('tile', [real([3])], { args: [0], shape: [0] }),
    of('repeat', [real([2, 3])], { args: [2, 1], shape: [2, 6] }),
    of('clone', [real([2, 2, 2, 2, 2, 2, 2])], {
      run: x => x.permute([6, 4, 2, 0, 1, 3, 5]).clone(),
      note: 'seven dims turned round',
    }),
    of('assign_', [real([3, 4]), real([4])], {
      run: (x, y) => noGrad(() => x.detach().clone().assign_(y)),
      note: 'broadcast',
    }),
    of('assign_', [real([3, 4]), real([2, 2])], {
      run: (x, y) =>
        noGrad(() => {
          const t = x.detach().clone()
          t.slice([0, 2], [null, null, 3]).assign_(y)
          return t
        }),
      note: 'through a view',
    }),
    of('assign_', [whole([3, 4]), real([])], {
      run: (x, y) => x.clone().assign_(y),
      dtype: 'int32',
      note: 'converted',
    }),
    of('assign_', [real([6])], {
      run: x =>
        noGrad(() => {
          const t = x.detach().clone()
          return t.assign_(t.flip(0))
        }),
      note: 'from itself',
    }),
    of('assign_', [real([2])], {
      run: x => x.clone().requiresGrad_().assign_(0),
      throws: /^assign_: a tensor that requires a gradient cannot be changed in place.*Hint: wrap it in noGrad/,
    }),
    ...lanes.map(n => of('arange', [], { run: () => arange(n), shape: [n], dtype: 'int32' })),
    of('arange', [], { run: () => arange(0, 70001, 0.5), note: 'shared by threads' }),
    of('arange', [], { run: () => arange(2, 8, 2), expect: [2, 4, 6] }),
    of('linspace', [], { run: () => linspace(0, 1, 5), expect: [0, 0.25, 0.5, 0.75, 1] }),
    of('eye', [], {
      run: () => eye(2, 3),
      expect: [
        [1, 0, 0],
        [0, 1, 0],
      ],
    }),
    of('zeros', [], { run: () => zeros([2, 0]), shape: [2, 0] }),
    of('ones', [], { run: () => ones([300, 300]), note: 'shared by threads' }),
    of('full', [], { run: () => full([3], true), expect: [true, true, true], dtype: 'bool' }),
    of('tensor', [], {
      run: () => tensor([[1, 2], [3]]),
      throws: /^tensor: nested arrays are ragged: expected 2 values at depth 1, got 1/,
    }),
  ],
}
