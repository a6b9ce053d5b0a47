import { type Case, of } from '../harness/cases.js'
import { anyShape, lanes, type Range, real, specialPairs, truth, values, whole } from '../harness/shapes.js'

const functions: readonly (readonly [op: string, a?: Range, b?: Range])[] = [
  ['add'],
  ['sub'],
  ['mul'],
  ['div', {}, { low: 0.4, high: 2 }],
  ['pow', { low: 0.3, high: 2 }],
  ['maximum'],
  ['minimum'],
  ['remainder', { low: 3.2, high: 3.8 }, { low: 1.2, high: 1.5 }],
]

const everyFunction: Case[] = functions.flatMap(([op, a, b]) => {
  const pair = (x: readonly number[], y: readonly number[]) => [real(x, a), real(y, b)]
  const [outer, n] = anyShape(op, 2)
  return [
    ...lanes.map(n => of(op, pair([n], [n]))),
    of(op, pair([], []), { shape: [] }),
    of(op, pair([3, 1], [1, 4]), { shape: [3, 4] }),
    of(op, pair([outer, n], [n]), { note: 'random row' }),
    of(op, pair([2, 3, 4], [3, 1])),
    of(op, pair([0, 3], [3]), { shape: [0, 3] }),
    of(op, pair([2, 3], []), { note: 'scalar' }),
    of(op, [real([5], a)], { args: [1.25], note: 'number' }),
    of(op, [real([5], b)], {
      note: 'number first',
      run: y => (y as never as Record<string, unknown>) && calls[op](1.75, y),
    }),
    of(op, specialPairs, { note: 'special values', noGradCheck: 'not smooth' }),
    of(op, [whole([40]), whole([40], 1, 6)], { dtype: op === 'div' ? 'float32' : 'int32' }),
    of(op, [truth([5]), whole([5], 1, 4)], { note: 'bool and int32' }),
    of(op, [whole([4], 1, 5), real([4], b)], { note: 'int32 and float32', dtype: 'float32' }),
    of(op, pair([2], [3]), {
      throws: new RegExp(
        `^${op}: shapes \\[2\\] and \\[3\\] do not broadcast \\(2 ≠ 3\\).*Hint: dims must be equal or 1`,
      ),
    }),
    of(op, [real([2])], { args: ['x'], throws: new RegExp(`^${op}: operand must be a tensor, got 'x'`) }),
  ]
})

import * as calls_ from '../../lib/ops/binary.js'
import type { TensorLike } from '../../lib/ops/define.js'
import type { Tensor } from '../../lib/tensor.js'

const calls = calls_ as unknown as Record<string, (a: TensorLike, b: TensorLike) => Tensor>
const int = (list: number[]) => values(list, 'int32')

export const cases: readonly Case[] = [
  of('add', [values([0, 1], 'int32')], { args: [2 ** 40 + 1], throws: /^add: 1099511627777 is not an int32 value/ }),
  ...everyFunction,
  of('add', [real([70001]), real([70001])], { note: 'shared by threads' }),
  of('mul', [real([300, 257]), real([257])], { note: 'rows shared by threads' }),
  of('sub', [real([200, 1]), real([1, 300])], { note: 'outer, shared by threads', large: true }),
  of('add', [real([2, 1, 2, 1, 2, 1, 3]), real([1, 2, 1, 2, 1, 2, 1])], { note: 'seven dims that do not merge' }),
  of('add', [int([2 ** 31 - 1]), int([1])], { expect: [-(2 ** 31)], note: 'wraps' }),
  of('mul', [int([65537]), int([65537])], { expect: [131073], note: 'wraps' }),
  of('sub', [int([-(2 ** 31)]), int([1])], { expect: [2 ** 31 - 1], note: 'wraps' }),
  of('div', [int([1, 7]), int([2, 0])], { expect: [0.5, Infinity], dtype: 'float32' }),
  of('pow', [int([2, -1, -1, 3, 1, 5]), int([10, -3, -2, -1, -1, 0])], { expect: [1024, -1, 1, 0, 1, 1] }),
  of('pow', [values([-2, -2, 0, 0, 1]), values([2, 3, 0, 2, NaN])], {
    expect: [4, -8, 1, 0, 1],
    noGradCheck: 'log of a negative base',
  }),
  of('pow', [real([5], { low: 0.5, high: 2 })], { args: [3] }),
  of('pow', [values([-1.5, 0.5, 2])], {
    args: [2],
    noSecond: 'the slope in the exponent is not defined for negative bases',
  }),
  of('remainder', [int([7, -7, 7, -7, 5]), int([3, 3, -3, -3, 0])], { expect: [1, 2, -2, -1, 0] }),
  of('remainder', [values([7, -7, 7, -7]), values([3, 3, -3, -3])], {
    expect: [1, 2, -2, -1],
    noGradCheck: 'fixture',
  }),
  of('remainder', [values([3e38, 1e30, 5.5]), values([0.7, 3, Infinity])], {
    note: 'large quotients',
    noGradCheck: 'steps',
  }),
  of('maximum', [values([1, NaN, 3]), values([2, 1, NaN])], { expect: [2, NaN, NaN], noGradCheck: 'NaN' }),
  of('add', [], {
    run: () => calls.add(1, 2),
    throws: /^add: expected a tensor, got 1 and 2.*Hint: make one with tensor/,
  }),
]
