import { type Case, of } from '../harness/cases.js'
import { real, values } from '../harness/shapes.js'

export const cases: readonly Case[] = [
  ...['variance', 'std'].flatMap(op => [
    of(op, [real([3, 4])]),
    of(op, [real([3, 4])], { args: [0], shape: [4] }),
    of(op, [real([3, 4])], { args: [1, { correction: 0, keepDims: true }], shape: [3, 1] }),
    of(op, [real([5, 1])], {
      args: [1, { correction: 0 }],
      expect: [0, 0, 0, 0, 0],
      noGradCheck: op === 'std' ? 'not smooth at 0' : undefined,
    }),
    of(op, [real([3])], { args: [0, { correction: 'x' }], throws: new RegExp(`^${op}: correction must be a number`) }),
  ]),
  of('variance', [values([1, 2, 3, 4])], { expect: 5 / 3, ulps: 1 }),
  of('std', [values([2, 2, 2])], { expect: 0, noGradCheck: 'not smooth at 0' }),
]
