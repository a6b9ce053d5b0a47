import { sizeOf } from '../../lib/shape.js'
import { type Case, of } from '../harness/cases.js'
import { anyShape, lanes, real, special, values, whole } from '../harness/shapes.js'

const peak = (shape: number[]): number[] => [1, ...new Array(sizeOf(shape) - 1).fill(-0.3)]

const everyFunction: Case[] = ['softmax', 'logSoftmax'].flatMap(op => [
  ...lanes.map(n => of(op, [real([3, n])])),
  ...lanes.map(n => of(op, [real([4, n])], { args: [0], note: 'columns' })),
  of(op, [real([1])]),
  of(op, [real([2, 3, 5])], { args: [1], note: 'inner' }),
  of(op, [real(anyShape(op, 4))], { args: [2], note: 'random shape' }),
  of(op, [real([0, 3])], { shape: [0, 3] }),
  of(op, [real([3, 0])], { shape: [3, 0] }),
  of(op, [whole([2, 4])], { dtype: 'float32' }),
  of(op, [special], { note: 'special values', noGradCheck: 'not finite' }),
  of(op, [real([2, 9], { low: -90, high: 90 })], { note: 'far apart' }),
  of(
    op,
    [
      values([
        [-Infinity, 0, 1],
        [-Infinity, -Infinity, -Infinity],
      ]),
    ],
    { note: 'masked', noGradCheck: 'not finite' },
  ),
  of(op, [real([300, 401])], { note: 'rows shared by threads' }),
  of(op, [real([20, 40, 67])], { args: [1], note: 'strips of columns shared by threads' }),
  of(op, [real([3, 5000], { low: -9, high: 9 })], { note: 'long rows' }),
  // Equal numbers, whose rounding errors all point one way; the largest apart, or each exponential would be 1.
  ...[
    { shape: [1, 2 ** 18], axis: 1, note: 'a row' },
    { shape: [2 ** 18, 1], axis: 0, note: 'a column' },
    { shape: [2 ** 16, 3], axis: 0, note: 'columns' },
  ].flatMap(({ shape, axis, note }) => [
    of(op, [values(peak(shape), 'float32', shape)], {
      run: x => (op === 'softmax' ? x.softmax(axis) : x.logSoftmax(axis)).mul(0.1).sum(),
      note: `equal numbers and equal gradients, ${note}`,
      large: true,
    }),
  ]),
  of(op, [real([3])], { args: [1], throws: new RegExp(`^${op}: axis 1 is outside a tensor of rank 1`) }),
])

export const cases: readonly Case[] = [
  ...everyFunction,
  of('softmax', [values([0, 0])], { expect: [0.5, 0.5] }),
  of('softmax', [values([1000, 1000])], { expect: [0.5, 0.5] }),
  of('logSoftmax', [values([0, 0])], { expect: [-Math.LN2, -Math.LN2], ulps: 1 }),
]
