import { type Case, of } from '../harness/cases.js'
import { lanes, real, special, specialPairs, truth, values, whole } from '../harness/shapes.js'

const pairs = [
  'equal',
  'notEqual',
  'less',
  'lessEqual',
  'greater',
  'greaterEqual',
  'logicalAnd',
  'logicalOr',
  'logicalXor',
]
const tests = ['logicalNot', 'isNaN', 'isFinite']

const everyFunction: Case[] = [
  ...pairs.flatMap(op => [
    ...lanes.map(n => of(op, [whole([n], 0, 3), whole([n], 0, 3)], { dtype: 'bool' })),
    ...lanes.map(n => of(op, [real([n]), real([n])], { dtype: 'bool' })),
    of(op, specialPairs, { note: 'special values' }),
    of(op, [truth([9]), truth([9])]),
    of(op, [real([3, 1]), real([4])], { shape: [3, 4] }),
    of(op, [real([]), real([])], { shape: [] }),
    of(op, [real([0, 2]), real([2])], { shape: [0, 2] }),
    of(op, [real([6])], { args: [0.5], note: 'number' }),
    of(op, [whole([6], 0, 3)], { args: [1], note: 'number' }),
    of(op, [real([2]), real([3])], { throws: new RegExp(`^${op}: shapes \\[2\\] and \\[3\\] do not broadcast`) }),
  ]),
  ...tests.flatMap(op => [
    ...lanes.map(n => of(op, [real([n])], { dtype: 'bool' })),
    of(op, [special], { note: 'special values' }),
    of(op, [truth([9])]),
    of(op, [whole([9], 0, 2)]),
    of(op, [real([])], { shape: [] }),
  ]),
]

export const cases: readonly Case[] = [
  ...[
    ...(['less', 'lessEqual', 'notEqual'] as const).map(op => [op, 3e9, true] as const),
    ...(['equal', 'greater', 'greaterEqual'] as const).map(op => [op, 3e9, false] as const),
    // As float32 these would be the ends of int32.
    ...(['less', 'lessEqual', 'notEqual'] as const).map(op => [op, 2 ** 31, true] as const),
    ...(['equal', 'greater', 'greaterEqual'] as const).map(op => [op, 2 ** 31 - 0.5, false] as const),
    ...(['equal', 'less', 'lessEqual'] as const).map(op => [op, -(2 ** 31) - 1, false] as const),
    ...(['notEqual', 'greater', 'greaterEqual'] as const).map(op => [op, -(2 ** 31) - 1, true] as const),
  ].map(([op, than, is]) =>
    of(op, [values([0, 2 ** 31 - 1, -(2 ** 31)], 'int32')], {
      args: [than],
      expect: [is, is, is],
      note: 'beyond int32',
    }),
  ),
  of('equal', [values([0], 'int32')], { args: [NaN], expect: [false] }),
  of('where', [values([1, 0], 'bool')], {
    args: [undefined, 1],
    throws: /^where: a choice must be a tensor, got undefined/,
  }),
  ...everyFunction,
  ...lanes.map(n => of('where', [truth([n]), real([n]), real([n])])),
  of('where', [truth([3, 1]), real([4]), real([3, 4])]),
  of('where', [truth([2, 3, 1]), real([1, 4]), real([])]),
  of('where', [real([5]), real([5]), real([5])], { note: 'float condition', noGradCheck: 'steps in the condition' }),
  of('where', [truth([6]), whole([6]), whole([6])], { dtype: 'int32' }),
  of('where', [truth([6]), truth([6]), truth([6])], { dtype: 'bool' }),
  of('where', [truth([5]), real([5])], { args: [2] }),
  of('where', [truth([5])], { args: [1, 0], dtype: 'float32' }),
  of('where', [truth([0, 3]), real([3]), real([])], { shape: [0, 3] }),
  of('where', [truth([]), real([]), real([])], { shape: [] }),
  of('where', [truth([300, 1]), real([301]), real([300, 1])], { note: 'rows shared by threads', large: true }),
  of('where', [values([true, false], 'bool'), values([1, NaN]), values([NaN, 2])], {
    expect: [1, 2],
    noGradCheck: 'NaN',
  }),
  of('equal', [values([1, NaN, 3]), values([1, NaN, 4])], { expect: [true, false, false] }),
  of('less', [values([1, 2]), values([1.5])], { expect: [true, false] }),
  of('logicalAnd', [values([0, NaN, 2]), values([1, 1, 1])], { expect: [false, true, true] }),
  of('less', [real([40001]), real([40001])], { note: 'shared by threads' }),
  of('where', [truth([2]), real([3]), real([1])], {
    throws: /^where: shapes \[2\] and \[3\] and \[1\] do not broadcast/,
  }),
]
