import { exp } from '../../lib/index.js'
import { type Case, of } from '../harness/cases.js'
import { anyShape, lanes, type Range, real, special, truth, values, whole } from '../harness/shapes.js'

/** Every function, with a range where it and its derivative are smooth. */
const functions: readonly (readonly [op: string, range?: Range, ...args: unknown[]])[] = [
  ['neg'],
  ['abs', { kinks: [0] }],
  ['sign', { kinks: [0] }],
  ['square'],
  ['floor', { kinks: 'whole' }],
  ['ceil', { kinks: 'whole' }],
  ['round', { kinks: 'half' }],
  ['exp'],
  ['expm1'],
  ['log', { low: 0.2, high: 4 }],
  ['log1p', { low: -0.7, high: 4 }],
  ['sqrt', { low: 0.2, high: 4 }],
  ['rsqrt', { low: 0.3, high: 4 }],
  ['reciprocal', { low: 0.3, high: 3 }],
  ['sin', { low: -9, high: 9 }],
  ['cos', { low: -9, high: 9 }],
  ['tanh'],
  ['sigmoid'],
  ['relu', { kinks: [0] }],
  ['silu'],
  ['softplus'],
  ['erf'],
  ['leakyRelu', { kinks: [0] }],
  ['leakyRelu', { kinks: [0] }, 0.3],
  ['elu', { kinks: [0] }],
  ['elu', { kinks: [0] }, 0.7],
  ['gelu'],
  ['gelu', {}, { approximate: 'tanh' }],
  ['clamp', { kinks: [-1, 1] }, -1, 1],
  ['clamp', { kinks: [0.7] }, null, 0.7],
]

/** Does int32 stay int32? */
function keepsInt(op: string, args: readonly unknown[]): boolean {
  const bounded = op === 'clamp' && args.every(bound => bound === null || Number.isInteger(bound))
  return bounded || ['neg', 'abs', 'sign', 'square', 'floor', 'ceil', 'round', 'relu'].includes(op)
}

const everyFunction: Case[] = functions.flatMap(([op, range, ...args]) => [
  ...lanes.map(n => of(op, [real([n], range)], { args })),
  of(op, [real([], range)], { args, shape: [] }),
  of(op, [real([2, 0, 3], range)], { args, shape: [2, 0, 3] }),
  of(op, [real(anyShape(op, 3), range)], { args, note: 'random shape' }),
  of(op, [special], { args, note: 'special values', noGradCheck: 'not smooth' }),
  of(op, [whole([7], 1, 9)], { args, dtype: keepsInt(op, args) ? 'int32' : 'float32' }),
  of(op, [truth([5])], {
    args,
    note: 'bool',
    dtype: op === 'sign' ? 'bool' : keepsInt(op, args) ? 'int32' : 'float32',
  }),
])

export const cases: readonly Case[] = [
  ...everyFunction,
  of('exp', [real([70001])], { note: 'shared by threads' }),
  of('gelu', [real([40, 1001], { low: -6, high: 6 })], {
    note: 'rows shared by threads',
    run: x => x.transpose().gelu(),
  }),
  of('exp', [values([0, 1, -1])], { expect: [1, Math.E, 1 / Math.E], ulps: 2 }),
  ...['floor', 'ceil', 'round'].map(op =>
    of(op, [values([2 ** 31 - 1, -(2 ** 31)], 'int32')], { expect: [2 ** 31 - 1, -(2 ** 31)] }),
  ),
  of('neg', [values([-(2 ** 31), 5], 'int32')], { expect: [-(2 ** 31), -5], note: 'wraps' }),
  of('square', [values([65536, 46341, -7], 'int32')], { expect: [0, -2147479015, 49], note: 'wraps' }),
  of('abs', [values([-(2 ** 31), -3], 'int32')], { expect: [-(2 ** 31), 3], note: 'wraps' }),
  of('round', [values([0.5, 1.5, 2.5, -0.5, -1.5, 8388609])], {
    expect: [0, 2, 2, -0, -2, 8388609],
    note: 'half to even',
    noGradCheck: 'kinks',
  }),
  of('relu', [values([-1, 0, 2, NaN])], { expect: [0, 0, 2, NaN], noGradCheck: 'kink' }),
  of('clamp', [values([-5, 0, 5])], { args: [-1, 1], expect: [-1, 0, 1] }),
  of('clamp', [values([-5, 0, 5], 'int32')], { args: [-1, 1], expect: [-1, 0, 1], dtype: 'int32' }),
  of('clamp', [values([-5, 5], 'int32')], { args: [null, 1], expect: [-5, 1] }),
  of('clamp', [values([-5, 5], 'int32')], { args: [Infinity], expect: [Infinity, Infinity], dtype: 'float32' }),
  of('clamp', [values([0], 'int32')], { args: [0.5, 2.5], expect: [0.5], dtype: 'float32' }),
  of('clamp', [values([0], 'int32')], { args: [3e9], expect: [3e9], dtype: 'float32' }),
  of('clamp', [values([16777217, -5], 'int32')], { args: [0, 1e10], expect: [16777217, 0], dtype: 'int32' }),
  of('clamp', [values([0.7])], { args: [0.7, 2], note: 'float32 0.7 is at the bound', noGradCheck: 'kink' }),
  of('gelu', [values([-12, -6, -3, 0, 3, 12])], { note: 'far left' }),
  of('tanh', [values([1e-30, -1e-30, 9.1, -9.1, 0.625])], { note: 'edges' }),
  of('sin', [values([1e4, 1e6, 3e38, -12345.678])], {
    note: 'large angles',
    noGradCheck: 'differences lose the phase',
  }),
  of('leakyRelu', [real([2])], { args: ['x'], throws: /^leakyRelu: slope must be a number, got 'x'/ }),
  of('clamp', [real([2])], { args: [NaN], throws: /^clamp: min must be a number, got NaN/ }),
  of('gelu', [real([2])], {
    args: [{ approximate: 'fast' }],
    throws: /^gelu: approximate must be 'none' or 'tanh', got 'fast'/,
  }),
  of('gelu', [real([2])], { args: [{ aproximate: 'tanh' }], throws: /^gelu: unknown option 'aproximate'/ }),
  of('exp', [], {
    run: () => exp(undefined as never),
    throws: /^exp: input must be a tensor, got undefined.*Hint: make one with tensor/,
  }),
]
