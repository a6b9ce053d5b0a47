import type { DType } from '../../lib/dtype.js'
import { arange, concat, eye, full, linspace, noGrad, ones, stack, tensor, zeros } from '../../lib/index.js'
import { type Case, of } from '../harness/cases.js'
import { lanes, real, special, truth, whole } from '../harness/shapes.js'

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

export const cases: readonly Case[] = [
  ...everyDtype,
  of('contiguous', [real([3, 4])], { run: x => x.transpose().contiguous() }),
  of('concat', [real([2, 3]), whole([1, 3])], { run: (...x) => concat(x), dtype: 'float32', shape: [3, 3] }),
  of('concat', [real([2, 3]), real([2, 4])], {
    run: (...x) => concat(x),
    throws: /^concat: shapes must be equal except along axis 0, got \[2, 3\] and \[2, 4\]/,
  }),
  of('concat', [real([0, 2]), real([0, 3])], {
    run: (...x) => concat(x, 1),
    shape: [0, 5],
    note: 'nothing beside nothing',
  }),
  of('concat', [real([0]), real([2, 3])], { run: (...x) => concat(x), shape: [2, 3], note: 'starting with nothing' }),
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
    run: (x, y) => x.clone().assign_(y.detach()),
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
  of('arange', [], { run: () => arange(3, { dtype: 'float32' }), expect: [0, 1, 2], dtype: 'float32' }),
  of('arange', [], { run: () => arange(1, 3, { dtype: 'float32' }), expect: [1, 2], dtype: 'float32' }),
  of('arange', [], { run: () => arange(3e9, 3e9 + 3), throws: /^arange: 3000000000 is not an int32 value/ }),
  of('linspace', [], { run: () => linspace(0, 1, 3, { dtype: 'bool' }), expect: [false, true, true], dtype: 'bool' }),
  of('linspace', [], {
    run: () => linspace(0, 1, 50, { dtype: 'int32' }),
    expect: new Array(50).fill(0).fill(1, 49),
    dtype: 'int32',
  }),
  of('linspace', [], { run: () => linspace(-3, 3, 5, { dtype: 'int32' }), expect: [-3, -1, 0, 1, 3], dtype: 'int32' }),
  of('linspace', [], {
    run: () => linspace(0, 2 ** 31 - 1, 4, { dtype: 'int32' }),
    expect: [0, 715827882, 1431655764, 2147483647],
    dtype: 'int32',
  }),
  of('linspace', [], { run: () => linspace(1e8, 0, 7).slice([6]), expect: [0], note: 'ends where it should' }),
  of('linspace', [], { run: () => linspace(3, 9, 1), expect: [3] }),
  of('eye', [], { run: () => eye(1, { dtype: 'int32' }), expect: [[1]], dtype: 'int32' }),
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
    throws: /^tensor: nested arrays are ragged: expected 2 values in row \[1\], got 1/,
  }),
]
