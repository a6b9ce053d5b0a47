import { full } from '../../lib/index.js'
import { type Case, of } from '../harness/cases.js'
import { anyShape, lanes, real, special, truth, values, whole } from '../harness/shapes.js'

const sums = ['sum', 'mean', 'logSumExp']
const folds = ['prod', 'max', 'min']
const indices = ['argmax', 'argmin']
const truths = ['any', 'all']
const keep = { keepDims: true }
const not0 = { low: 0.4, high: 1.6 }

const everyReduction: Case[] = [
  ...[...sums, 'prod'].flatMap(op => [
    of(op, [real([0, 2, 3])], { args: [[1, 2]], shape: [0] }),
    of(op, [real([2, 0, 3])], { args: [[0, 2]], shape: [0] }),
    of(op, [real([2, 0, 3])], { args: [[0, 1]], shape: [3], noSecond: 'not finite' }),
  ]),
  ...[...sums, ...folds].flatMap(op => [
    // A maximum over nothing is refused.
    ...lanes
      .filter(n => n > 0 || sums.includes(op))
      .map(n => of(op, [real([n], not0)], { shape: [], noSecond: n === 0 && op !== 'sum' ? 'not finite' : undefined })),
    ...lanes.filter(n => n > 0).map(n => of(op, [real([n, 3], not0)], { args: [0], shape: [3] })),
    ...lanes.filter(n => n > 0).map(n => of(op, [real([3, n], not0)], { args: [0], shape: [n] })),
    of(op, [real([], not0)], { shape: [] }),
    of(op, [real([2, 3, 4], not0)], { args: [[0, 2]], shape: [3] }),
    of(op, [real([2, 3, 4], not0)], { args: [1, keep], shape: [2, 1, 4] }),
    of(op, [real([2, 3, 4], not0)], { args: [-1], shape: [2, 3] }),
    of(op, [real([2, 3, 4], not0)], { args: [null, keep], shape: [1, 1, 1] }),
    of(op, [real(anyShape(op, 4), not0)], { args: [[1, 3]], note: 'random shape' }),
    of(op, [real([3, 0], not0)], { args: [0], shape: [0] }),
    of(op, [special], { note: 'special values', noGradCheck: 'not finite' }),
    of(op, [whole([3, 5])], { args: [1], dtype: op === 'mean' || op === 'logSumExp' ? 'float32' : 'int32' }),
    of(op, [truth([3, 5])], { args: [0] }),
    of(op, [real([2, 3])], {
      args: [2],
      throws: new RegExp(`^${op}: axis 2 is outside a tensor of rank 2.*Hint: use -2 to 1`),
    }),
    of(op, [real([2, 3])], { args: [[0, 0]], throws: new RegExp(`^${op}: axes must differ`) }),
    of(op, [real([2, 3])], {
      args: [0, { keepdims: true }],
      throws: new RegExp(`^${op}: unknown option 'keepdims'.*did you mean 'keepDims'`),
    }),
  ]),
  ...indices.flatMap(op => [
    ...lanes.filter(n => n > 0).map(n => of(op, [real([n])], { dtype: 'int32' })),
    of(op, [real([3, 5])], { args: [0] }),
    of(op, [real([3, 5])], { args: [1, keep], shape: [3, 1] }),
    of(op, [whole([4, 6])], { args: [1], note: 'ties' }),
    of(op, [special], { note: 'special values' }),
    of(op, [real([0, 3])], {
      args: [0],
      throws: new RegExp(`^${op}: shape \\[0, 3\\] has no elements along the reduced axes`),
    }),
    of(op, [real([0, 3])], { args: [1], shape: [0] }),
  ]),
  ...truths.flatMap(op => [
    ...lanes.map(n => of(op, [truth([n])], { shape: [] })),
    of(op, [truth([3, 4])], { args: [0] }),
    of(op, [truth([3, 4])], { args: [1, keep] }),
    of(op, [truth([2, 0, 3])], { args: [1], shape: [2, 3] }),
    of(op, [truth([2, 3, 0])], { args: [[1, 2]], shape: [2] }),
    of(op, [whole([3, 4], 0, 2)], { args: [0] }),
    of(op, [special]),
  ]),
]

/** The branches of native/kernels/reduce.cc; each crosses its threshold. */
const branches: Case[] = ['sum', 'prod', 'max', 'min', 'mean'].flatMap(op => [
  of(op, [real([5001], { low: 0.999, high: 1.001 })], { note: 'more than one leaf' }),
  of(op, [real([3, 4097])], { args: [1], note: 'leaves of rows' }),
  of(op, [real([70003], { low: 0.9999, high: 1.0001 })], { note: 'few outputs: leaves shared by threads' }),
  of(op, [real([2, 66000], { low: 0.9999, high: 1.0001 })], {
    args: [1],
    note: 'two outputs, leaves shared by threads',
  }),
  of(op, [real([40, 50, 40], { low: 0.9999, high: 1.0001 })], { args: [[0, 2]], note: 'rows and blocks' }),
  of(op, [real([150, 37], { low: 0.9, high: 1.1 })], { args: [0], note: 'columns in blocks of 64 rows, odd strip' }),
  of(op, [real([300, 1000], { low: 0.9, high: 1.1 })], { args: [0], note: 'columns shared by threads' }),
  of(op, [real([5, 70, 30, 9], { low: 0.99, high: 1.01 })], { args: [[1]], note: 'columns with outer dims' }),
  of(op, [real([7, 70, 9], { low: 0.99, high: 1.01 })], { args: [[0, 2]], note: 'kept in the middle' }),
  of(op, [real([2000, 40], { low: 0.99, high: 1.01 })], { args: [1], note: 'outputs shared by threads' }),
  of(op, [whole([70003], -2, 3)], { note: 'int32, few outputs' }),
  of(op, [whole([150, 37], -2, 3)], { args: [0], note: 'int32 columns' }),
])

/** Equal numbers, whose rounding errors all point one way: the bound does not grow with their number. */
const equalNumbers: Case[] = [0.1, 1.1].flatMap(v =>
  ['sum', 'mean', 'variance'].flatMap(op =>
    (
      [
        [[2 ** 18], [0], 'flat'],
        [[2 ** 17, 3], [0], 'columns'],
        [[3, 2 ** 17], [1], 'rows'],
        [[4, 2 ** 13, 5], [0, 1], 'columns of blocks'],
        [[2 ** 15, 3, 4], [0, 2], 'short rows'],
        [[2 ** 12, 20, 3], [0, 1], 'columns in rows of 20'],
      ] as const
    ).map(([shape, axes, note]) =>
      of(op, [real(shape, { low: v, high: v })], { args: [axes], note: `equal numbers, ${note}`, large: true }),
    ),
  ),
)

export const cases: readonly Case[] = [
  ...everyReduction,
  ...branches,
  ...equalNumbers,
  of('mean', [], {
    run: () =>
      full([1, 2], 1.1)
        .expand([2 ** 22, 2])
        .mean(0),
    expect: [1.1, 1.1],
    ulps: 12,
  }),
  of('sum', [], {
    run: () => full([2 ** 20, 2], 0.1).sum(0),
    expect: new Array(2).fill(Math.fround(0.1) * 2 ** 20),
    ulps: 12,
  }),
  of('prod', [values([1e30, 1e30, 1e-30, 1e-30, 2])], {
    expect: 2,
    ulps: 1,
    note: 'products on the way leave float32',
  }),
  of('prod', [real([2 ** 16, 2], { low: 1.00001, high: 1.00001 })], { args: [0], note: 'many near 1, columns' }),
  of('prod', [real([2 ** 16], { low: 1.00001, high: 1.00001 })], { note: 'many near 1' }),
  of('sum', [real([300, 301])], { note: 'strided rows', run: x => x.slice(null, [null, null, 3]).sum(1) }),
  of('sum', [real([200, 301])], { note: 'all of a strided view', run: x => x.slice(null, [null, null, -2]).sum() }),
  of('sum', [real([2, 2, 2, 2, 2, 2, 3])], { args: [[0, 2, 4, 6]], note: 'seven dims that do not merge' }),
  of('argmax', [real([70003])], { note: 'long' }),
  of('argmin', [real([400, 300])], { args: [0], note: 'columns' }),
  of('any', [truth([400, 300])], { args: [1] }),
  of('all', [values(new Array(5000).fill(1), 'bool')], { expect: true }),
  of(
    'sum',
    [
      values([
        [1, 2],
        [3, 4],
      ]),
    ],
    { expect: 10 },
  ),
  of('sum', [values([2 ** 31 - 1, 1], 'int32')], { expect: -(2 ** 31), note: 'wraps' }),
  of('sum', [], {
    run: () =>
      full([1], 2 ** 31 - 1, { dtype: 'int32' })
        .expand([2 ** 23])
        .sum(),
    expect: -(2 ** 23),
    note: 'wraps, a sum beyond 2⁵³',
  }),
  of('sum', [truth([9])], { dtype: 'int32', note: 'counts' }),
  of('mean', [real([0])], { expect: NaN, noGradCheck: 'not finite' }),
  of('mean', [real([0, 2])], { args: [0], expect: [NaN, NaN], noGradCheck: 'not finite' }),
  of('prod', [values([3, 0, 2])], { expect: 0 }),
  of(
    'prod',
    [
      values([
        [3, 0, 2],
        [0, 0, 5],
      ]),
    ],
    { args: [1], expect: [0, 0] },
  ),
  of('prod', [values([65537, 65537], 'int32')], { expect: 131073, note: 'wraps' }),
  of(
    'max',
    [
      values([
        [1, 5],
        [5, 2],
      ]),
    ],
    { args: [0], expect: [5, 5] },
  ),
  of('max', [values([1, NaN, 2])], { expect: NaN, noGradCheck: 'NaN' }),
  of('max', [real([0])], { throws: /^max: shape \[0\] has no elements along the reduced axes/ }),
  of('argmax', [values([1, 3, 3])], { expect: 1 }),
  of('argmax', [real([2, 3])], { args: [[0, 1]], throws: /^argmax: axis must be one axis, got \[0, 1\]/ }),
  of('argmax', [values([1, NaN, 3, NaN])], { expect: 1 }),
  of('any', [truth([0])], { expect: false }),
  of('all', [truth([0])], { expect: true }),
  of('logSumExp', [values([1000, 1000])], { expect: 1000 + Math.LN2, ulps: 1 }),
  of('logSumExp', [values([-Infinity, -Infinity])], { expect: -Infinity, noGradCheck: 'not finite' }),
]
