import { dropout, Generator, normal, rand, randint, randn, type Tensor, uniform } from '../../lib/index.js'
import { type Case, of } from '../harness/cases.js'
import { lanes, real, values } from '../harness/shapes.js'

const from = (seed: number) => ({ generator: new Generator(seed) })

// Random123's known answer for philox4x32-10 with counter and key 0: 6627e8d5 e169c58d bc57ac4c 9b00dbd8.
const known = [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8].map(word => (word >>> 8) * 2 ** -24)

const within = (x: Tensor, low: number, high: number): Tensor => x.greaterEqual(low).logicalAnd(x.less(high)).all()
const near = (x: Tensor, wanted: number, by: number): Tensor => x.sub(wanted).abs().less(by)

export const cases: readonly Case[] = [
  ...lanes.flatMap(n => [
    of('rand', [], { run: () => rand([n], from(n)), shape: [n] }),
    of('randn', [], { run: () => randn([n], from(n)), shape: [n] }),
    of('randint', [], { run: () => randint([n], -5, 5, from(n)), shape: [n], dtype: 'int32' }),
    of('dropout', [real([n])], { run: x => dropout(x, 0.5, from(n)) }),
  ]),
  of('rand', [], { run: () => rand([4], from(0)), expect: known, note: 'known answer' }),
  of('rand', [], { run: () => rand([70001], from(2 ** 53 - 1)), note: 'largest seed, shared by threads' }),
  of('randn', [], { run: () => randn([40001], from(2 ** 40 + 1)), note: 'shared by threads' }),
  of('uniform', [], { run: () => uniform([33], -3, 7, from(5)) }),
  of('normal', [], { run: () => normal([33], 10, 0.1, from(5)) }),
  of('randint', [], { run: () => randint([20001], -(2 ** 31), 2 ** 31 - 1, from(9)), note: 'widest range' }),
  of('randint', [], {
    run: () => randint([20], 0, 7, { ...from(9), dtype: 'float32' }),
    note: 'as float32',
    throws: undefined,
    dtype: 'float32',
  }),
  of('randint', [], {
    run: () => randint([6], -5, 100, from(3)),
    expect: [80, 7, 63, 75, 23, 52],
    note: 'the same numbers for ever',
  }),
  // Of 2³² words, 2³⁰ are one too many for 3·2³⁰ values: every third value would come twice as often.
  of('randint', [], {
    run: () =>
      near(
        randint([30000], -(2 ** 30), 2 ** 31, from(4))
          .remainder(3)
          .equal(2)
          .sum(),
        10000,
        300,
      ),
    expect: true,
    note: 'unbiased over 3·2³⁰ values',
  }),
  of('randint', [], { run: () => randint([20001], -(2 ** 31), 2 ** 30 + 1, from(4)), note: 'words drawn again' }),
  of('randint', [], {
    run: () => {
      const x = randint([3000], 2 ** 31 - 200, 2 ** 31 - 1, { ...from(1), dtype: 'float32' })
      return x.less(2 ** 31 - 1).all()
    },
    expect: true,
    note: 'as float32, below high after rounding',
  }),
  ...(
    [
      [100, 101],
      [1, 1 + 2 ** -23],
      [-1, -1 + 2 ** -24],
      [0.3, 0.3000001],
      [-1, 0],
      [16777214, 16777216],
      [-3e38, 3e38],
      [0, 1e-37],
    ] as const
  ).flatMap(([low, high]) => [
    of('uniform', [], {
      run: () => within(uniform([20000], low, high, from(7)), Math.fround(low), high),
      expect: true,
      note: `from ${low} to below ${high}`,
    }),
    of('uniform', [], { run: () => uniform([200], low, high, from(7)), note: `${low} to ${high}` }),
  ]),
  of('uniform', [], { run: () => uniform([3], 5, 5, from(1)), expect: [5, 5, 5], note: 'one value' }),
  of('uniform', [], { run: () => uniform([2], 0, 1e39), throws: /^uniform: 1e\+39 is beyond the range of float32/ }),
  of('normal', [], { run: () => normal([2], 1e39, 1), throws: /^normal: 1e\+39 is beyond the range of float32/ }),
  of('randint', [], {
    run: () => randint([2], 0, 2, { dtype: 'bool' }),
    throws: /^randint: expected a dtype of numbers, got bool/,
  }),
  of('dropout', [real([3, 4])], { run: x => dropout(x, 0.3, from(1)) }),
  of('dropout', [real([3])], { run: x => dropout(x, 0, from(1)), note: 'nothing' }),
  of('dropout', [values([1, 2])], { run: x => dropout(x, 1, from(1)), expect: [0, 0], note: 'everything' }),
  of('dropout', [real([20001])], { run: x => dropout(x, 0.1, from(1)), note: 'shared by threads' }),
  of('dropout', [real([2])], { args: [1.5], throws: /^dropout: p must be from 0 to 1, got 1\.5/ }),
  of('randint', [], {
    run: () => randint([2], 5, 5),
    throws: /^randint: low and high must be whole numbers with low < high, got 5 and 5/,
  }),
  of('rand', [], {
    run: () => rand([2], { dtype: 'int32' }),
    throws: /^rand|^uniform: expected a floating dtype, got int32.*Hint: use randint/,
  }),
]
