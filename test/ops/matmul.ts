import { type Case, of } from '../harness/cases.js'
import { anyShape, lanes, real, special, truth, values, whole } from '../harness/shapes.js'

const [m, k, n] = anyShape('matmul', 3, 40)

/** Equal numbers, whose rounding errors all point one way. */
const equal = (shape: number[], v: number) => real(shape, { low: v, high: v })

/** m × k × n of the branches in native/kernels/matmul.cc. */
const sizes: readonly (readonly [m: number, k: number, n: number, why: string])[] = [
  [7, 641, 17, 'K above 512 + 128: two blocks'],
  [5, 1700, 33, 'four blocks of K'],
  [3, 9, 2051, 'N above 2048: two blocks, tails'],
  [2, 645, 2050, 'blocks of K and of N'],
  [200, 20, 70, 'several blocks of M'],
  [130, 70, 90, 'shared by threads'],
  [13, 300, 131, 'shared by threads, tails'],
  [1, 300, 400, 'a row'],
  [400, 300, 1, 'a column'],
]

const everySize: Case[] = [
  ...lanes.flatMap(size => [
    of('matmul', [real([size, 5]), real([5, 3])]),
    of('matmul', [real([5, size]), real([size, 3])]),
    of('matmul', [real([3, 5]), real([5, size])]),
  ]),
  ...[31, 32, 33, 47, 48, 49, 63, 64, 65].map(size =>
    of('matmul', [real([7, 6]), real([6, size])], { note: 'tile edges' }),
  ),
  ...sizes.flatMap(([m, k, n, note]) => [
    of('matmul', [real([m, k]), real([k, n])], { note, large: true }),
    of('matmul', [real([k, m]), real([n, k])], {
      note: `${note}, both transposed`,
      large: true,
      run: (a, b) => a.detach().transpose().matmul(b.detach().transpose()),
    }),
  ]),
]

export const cases: readonly Case[] = [
  of('matmul', [real([2, 2, 2, 2, 2, 2, 3]), real([3, 2])], {
    note: 'five batch dims that do not merge',
    run: (a, b) => a.permute([4, 2, 0, 3, 1, 5, 6]).matmul(b),
    shape: [2, 2, 2, 2, 2, 2, 2],
  }),
  ...everySize,
  of('matmul', [real([m, k]), real([k, n])], { note: 'random shape' }),
  of('matmul', [real([3]), real([3])], { shape: [] }),
  of('matmul', [real([3]), real([3, 2])], { shape: [2] }),
  of('matmul', [real([2, 3]), real([3])], { shape: [2] }),
  of('matmul', [real([4, 2, 3]), real([3, 5])], { shape: [4, 2, 5] }),
  of('matmul', [real([4, 1, 2, 3]), real([5, 3, 2])], { shape: [4, 5, 2, 2] }),
  of('matmul', [real([2, 3]), real([4, 3, 2])], { shape: [4, 2, 2] }),
  of('matmul', [real([0, 2, 3]), real([3, 2])], { shape: [0, 2, 2] }),
  of('matmul', [real([2, 0]), real([0, 3])], {
    expect: [
      [0, 0, 0],
      [0, 0, 0],
    ],
  }),
  of('matmul', [equal([1, 2 ** 20], 0.3), equal([2 ** 20, 2], 0.3)], { note: 'long K, equal numbers', large: true }),
  of('matmul', [equal([20, 2, 9000], 0.7), equal([20, 9000, 3], 0.7)], { note: 'batches of long K, equal numbers' }),
  of('matmul', [equal([6, 512], 1), equal([512, 16], 0.5476)], { note: 'a block of K, equal numbers' }),
  of('matmul', [real([70, 9000]), real([9000, 90])], { note: 'long K, shared by threads', large: true }),
  of('matmul', [real([60, 20, 24]), real([60, 24, 18])], { note: 'many small products, one thread each' }),
  of('matmul', [real([40, 9, 700]), real([700, 11])], { note: 'small products with blocks of K', large: true }),
  of('matmul', [real([2, 130, 260]), real([2, 260, 131])], { note: 'few large products, threads in each' }),
  of('matmul', [real([4, 140, 180]), real([180, 190])], {
    note: 'large products by size, threads in each',
    large: true,
    run: (a, b) => a.detach().matmul(b.detach()),
  }),
  of('matmul', [real([8, 50, 3, 6])], {
    note: 'heads: strided batch',
    run: x => x.permute([0, 2, 1, 3]).matmul(x.permute([0, 2, 3, 1])),
  }),
  of('matmul', [real([20, 31]), real([31, 20])], {
    note: 'strided both ways',
    run: (a, b) => a.slice(null, [null, null, -2]).matmul(b.slice([null, null, -2], [null, null, 3])),
  }),
  of('matmul', [whole([13, 7]), whole([7, 11])], { dtype: 'int32' }),
  of('matmul', [whole([5, 60, 70]), whole([70, 40])], { dtype: 'int32', note: 'shared by threads' }),
  of('matmul', [values([[65536]], 'int32'), values([[65536]], 'int32')], { expect: [[0]], note: 'wraps' }),
  of('matmul', [truth([3, 4]), truth([4, 2])], { dtype: 'int32' }),
  of('matmul', [whole([2, 3]), real([3, 2])], { dtype: 'float32' }),
  of('matmul', [special, special], {
    note: 'special values',
    run: (a, b) => a.unsqueeze(1).matmul(b.unsqueeze(0)),
    noGradCheck: 'not finite',
  }),
  of(
    'matmul',
    [
      values([
        [1, 2],
        [3, 4],
      ]),
      values([1, 10]),
    ],
    { expect: [21, 43] },
  ),
  of('matmul', [real([2, 3]), real([4, 5])], {
    throws: /^matmul: inner sizes must match, got \[2, 3\] × \[4, 5\] \(3 ≠ 4\)\. Hint: transpose one operand\?/,
  }),
  of('matmul', [real([]), real([4, 5])], {
    throws: /^matmul: operands must have at least one dim.*Hint: use mul\(\) for scalars/,
  }),
  of('matmul', [real([2, 3, 4]), real([3, 4, 5])], { throws: /^matmul: shapes \[2\] and \[3\] do not broadcast/ }),
]
