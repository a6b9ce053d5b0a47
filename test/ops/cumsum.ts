import { type Case, of } from '../harness/cases.js'
import { lanes, real, whole } from '../harness/shapes.js'

export const cases: readonly Case[] = [
  ...lanes.map(n => of('cumsum', [real([n])], { args: [0] })),
  of('cumsum', [real([2, 3, 4])], { args: [1] }),
  of('cumsum', [real([2, 3, 4])], { args: [-1] }),
  of('cumsum', [whole([2, 5])], { args: [1], dtype: 'int32' }),
  of('cumsum', [real([60, 40, 31])], { args: [1], note: 'shared by threads' }),
  of('cumsum', [real([2, 0])], { args: [1], shape: [2, 0] }),
]
