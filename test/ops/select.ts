import { maskSelectSync, nonzeroSync, uniqueSync } from '../../lib/index.js'
import { type Case, of } from '../harness/cases.js'
import { lanes, real, truth, values, whole } from '../harness/shapes.js'

export const cases: readonly Case[] = [
  ...lanes.map(n => of('maskSelectSync', [real([n]), truth([n])])),
  of('maskSelect', [real([3, 4]), truth([4])], { run: maskSelectSync, note: 'broadcast' }),
  of('maskSelect', [values([1, 2, 3]), values([1, 0, 1], 'bool')], { run: maskSelectSync, expect: [1, 3] }),
  of('maskSelect', [whole([9]), truth([9])], { run: maskSelectSync, dtype: 'int32' }),
  of(
    'maskSelect',
    [
      values([1, 2]),
      values(
        [
          [1, 0],
          [1, 1],
        ],
        'bool',
      ),
    ],
    {
      run: maskSelectSync,
      expect: [1, 1, 2],
      note: 'broadcast to the mask',
    },
  ),
  of('maskSelect', [real([3]), truth([2, 2])], {
    run: maskSelectSync,
    throws: /^maskSelect: shapes \[3\] and \[2, 2\] do not broadcast/,
  }),
  of(
    'nonzero',
    [
      values([
        [0, 3],
        [NaN, 0],
      ]),
    ],
    {
      run: nonzeroSync,
      expect: [
        [0, 1],
        [1, 0],
      ],
      dtype: 'int32',
    },
  ),
  of('nonzero', [truth([4, 5, 3])], { run: nonzeroSync }),
  of('nonzero', [real([0, 3])], { run: nonzeroSync, shape: [0, 2] }),
  of('nonzero', [whole([5000], 0, 2)], { run: nonzeroSync, note: 'long' }),
  of('unique', [values([3, 1, NaN, 3, NaN, -1])], { run: uniqueSync, expect: [-1, 1, 3, NaN, NaN] }),
  of('unique', [whole([40], 0, 9)], { run: uniqueSync, dtype: 'int32' }),
  of('unique', [real([0])], { run: uniqueSync, shape: [0] }),
]
