// The dtype that a type promises is the one that comes: every op, with tensors of all dtypes and numbers.
import { describe, expect, expectTypeOf, test } from 'vitest'
import type { DType } from '../lib/dtype.js'
import * as gradus from '../lib/index.js'
import { arange, full, linspace, randint, type Tensor, tensor, zeros } from '../lib/index.js'
import * as ops from '../lib/ops/index.js'
import type { Float, Into, Numeric } from '../lib/promotion.js'

const js = { device: 'js' } as const
const bool = tensor([[true, false]], js)
const int32 = tensor([[2, 3]], { dtype: 'int32', device: 'js' })
const float32 = tensor([[0.5, 1]], js)
const float64 = tensor([[0.5, 1]], { dtype: 'float64', device: 'js' })
const index = tensor([[0, 0]], { dtype: 'int32', device: 'js' })
const order: readonly DType[] = ['bool', 'int32', 'float32', 'float64']

type Op<Given extends DType> = <D extends DType>(x: Tensor<D>) => Tensor<Into<D, Given>>
/** Compiles only if the type is known, and is that of the row. */
type Known<D extends DType> = 0 extends 1 & D ? never : D
const row = <D extends DType>(x: Tensor<D>, dtype: Known<D>): [Tensor, DType] => [x, dtype]

const floats: Record<string, Op<Float>> = {
  ...{ cos: ops.cos, elu: ops.elu, erf: ops.erf, exp: ops.exp, expm1: ops.expm1, gelu: ops.gelu },
  ...{ leakyRelu: ops.leakyRelu, log: ops.log, log1p: ops.log1p, reciprocal: ops.reciprocal, rsqrt: ops.rsqrt },
  ...{ sigmoid: ops.sigmoid, silu: ops.silu, sin: ops.sin, softplus: ops.softplus, sqrt: ops.sqrt, tanh: ops.tanh },
  ...{ softmax: ops.softmax, logSoftmax: ops.logSoftmax, logSumExp: ops.logSumExp, mean: ops.mean },
  ...{ std: ops.std, variance: ops.variance, dropout: ops.dropout },
}
const numeric: Record<string, Op<Numeric>> = {
  ...{ abs: ops.abs, neg: ops.neg, relu: ops.relu, square: ops.square, floor: ops.floor, ceil: ops.ceil },
  ...{ round: ops.round, prod: ops.prod, sum: ops.sum, cumsum: x => ops.cumsum(x, 0) },
}
const same: Record<string, <D extends DType>(x: Tensor<D>) => Tensor<D>> = {
  ...{ max: ops.max, min: ops.min, sign: ops.sign },
  ...{ assign_: x => ops.assign_(x, 0), clone: ops.clone, contiguous: ops.contiguous },
  ...{ embedding: x => ops.embedding(x, index), gather: x => ops.gather(x, index, 0) },
  ...{
    indexSelect: x => ops.indexSelect(x, index.flatten()),
    pad: x =>
      ops.pad(x, [
        [1, 1],
        [0, 0],
      ]),
  },
  ...{ repeat: x => ops.repeat(x, 2, 0), tile: x => ops.tile(x, 2), flip: x => ops.flip(x, 0) },
  ...{ maskSelectSync: x => ops.maskSelectSync(x, bool), uniqueSync: x => ops.uniqueSync(x) },
  ...{ expand: x => ops.expand(x, [3, 2]), flatten: x => ops.flatten(x), permute: x => ops.permute(x, [1, 0]) },
  ...{ reshape: x => ops.reshape(x, [2]), slice: x => ops.slice(x, 0), squeeze: x => ops.squeeze(x) },
  ...{ split: x => ops.split(x, 1, 1)[1], transpose: x => ops.transpose(x), unsqueeze: x => ops.unsqueeze(x, 0) },
}
const always: Record<string, Op<'bool'>> = {
  ...{ all: ops.all, any: ops.any, isFinite: ops.isFinite, isNaN: ops.isNaN, logicalNot: ops.logicalNot },
}
const indices: Record<string, Op<'int32'>> = {
  ...{ argmax: ops.argmax, argmin: ops.argmin, nonzeroSync: ops.nonzeroSync },
}
const arithmetic: Record<string, gradus.Binary<Numeric>> = {
  ...{ sub: ops.sub, pow: ops.pow, remainder: ops.remainder },
}
const mixed: Record<string, gradus.Binary<DType>> = {
  ...{ add: ops.add, mul: ops.mul, maximum: ops.maximum, minimum: ops.minimum },
}
const quotients: Record<string, gradus.Binary<Float>> = { div: ops.div }
const comparisons: Record<string, gradus.Compare> = {
  ...{ equal: ops.equal, notEqual: ops.notEqual, less: ops.less, lessEqual: ops.lessEqual },
  ...{ greater: ops.greater, greaterEqual: ops.greaterEqual },
  ...{ logicalAnd: ops.logicalAnd, logicalOr: ops.logicalOr, logicalXor: ops.logicalXor },
}

/** As the type `Into`. */
function into(dtype: DType, given: readonly DType[]): DType {
  return given.length === 1 ? given[0] : given.includes(dtype) ? dtype : given[0]
}

describe.each([
  ['of floats', floats, order.slice(2)],
  ['of numbers', numeric, order.slice(1)],
  ['of anything', same, order],
  ['truth', always, ['bool']],
  ['indices', indices, ['int32']],
] as const)('functions: %s', (_, table, given) => {
  test.each(Object.entries(table))('%s', (_, op) => {
    for (const x of [bool, int32, float32, float64]) expect(op(x).dtype).toBe(into(x.dtype, given))
  })
})

describe.each([
  ['arithmetic', arithmetic, order.slice(1)],
  ['mixed', mixed, order],
  ['quotients', quotients, order.slice(2)],
  ['comparisons', comparisons, ['bool']],
] as const)('functions of two: %s', (_, table, given) => {
  test.each(Object.entries(table))('%s', (name, op) => {
    for (const a of [bool, int32, float32, float64])
      for (const b of [bool, int32, float32, float64]) {
        if (name === 'sub' && a === bool && b === bool) continue // refused
        const common = order[Math.max(order.indexOf(a.dtype), order.indexOf(b.dtype))]
        expect((op as gradus.Compare)(a, b).dtype).toBe(into(common, given))
      }
  })
})

test('operands of two dtypes, and numbers', () => {
  const rows = [
    row(bool.add(bool), 'bool'),
    row(bool.add(int32), 'int32'),
    row(int32.mul(float32), 'float32'),
    row(float32.sub(float64), 'float64'),
    row(float64.div(bool), 'float64'),
    row(int32.div(int32), 'float32'),
    row(int32.add(2), 'int32'),
    row(int32.add(-2), 'int32'),
    row(int32.add(true), 'int32'),
    row(bool.mul(true), 'bool'),
    row(bool.sub(int32), 'int32'),
    row(int32.add(0.5), 'float32'),
    row(int32.mul(1e-7), 'float32'),
    row(bool.add(2), 'int32'),
    row(bool.mul(0.5), 'float32'),
    row(float32.add(2), 'float32'),
    row(float64.add(0.5), 'float64'),
    row(ops.sub(1, float32), 'float32'),
    row(ops.sub(0.5, int32), 'float32'),
    row(float32.mul(Math.PI), 'float32'),
    row(int32.matmul(int32.transpose()), 'int32'),
    row(bool.matmul(bool.transpose()), 'int32'),
    row(float32.matmul(float64.transpose()), 'float64'),
    row(bool.where(int32, 0), 'int32'),
    row(bool.where(1, 0.5), 'float32'),
    row(bool.where(true, false), 'bool'),
    row(bool.where(bool, true), 'bool'),
    row(ops.where(int32, float32, float64), 'float64'),
    row(gradus.concat([bool, int32]), 'int32'),
    row(gradus.stack([int32, float32, float64]), 'float64'),
    row(bool.concat([bool, bool]), 'bool'),
    row(int32.stack(float32), 'float32'),
    row(index.oneHot(3), 'float32'),
    row(int32.clamp(0, 5), 'int32'),
    row(int32.clamp(null, 5), 'int32'),
    row(int32.clamp(0.5), 'float32'),
    row(bool.clamp(0), 'int32'),
    row(float64.clamp(0, 0.5), 'float64'),
    row(ops.clamp(int32, 0, 2.5), 'float32'),
    row(float32.cast('int32'), 'int32'),
    row(int32.to('js').detach(), 'int32'),
  ]
  for (const [x, dtype] of rows) expect(x.dtype).toBe(dtype)
})

test('creation', () => {
  const rows = [
    row(zeros([1]), 'float32'),
    row(zeros([1], { dtype: 'bool' }), 'bool'),
    row(full([1], 2), 'float32'),
    row(full([1], false), 'bool'),
    row(full([1], 2, { dtype: 'int32' }), 'int32'),
    row(arange(5), 'int32'),
    row(arange(-3, 8), 'int32'),
    row(arange(0, 8, 2), 'int32'),
    row(arange(0.5), 'float32'),
    row(arange(0, 1, 0.25), 'float32'),
    row(arange(0, 4, { dtype: 'float64' }), 'float64'),
    row(linspace(0, 1, 5), 'float32'),
    row(randint([1], 0, 5), 'int32'),
    row(gradus.rand([1], { dtype: 'float64', device: 'js' }), 'float64'),
    row(gradus.onesLike(bool), 'bool'),
    row(tensor(1), 'float32'),
    row(tensor(true), 'bool'),
    row(tensor([]), 'float32'),
    row(tensor(5n), 'int32'),
    row(tensor([[true], [3n]]), 'int32'),
    row(tensor([1n, 0.5]), 'float32'),
    row(tensor([[1], [2]]), 'float32'),
    row(tensor([[true], [2.5]]), 'float32'),
    row(tensor(new Float64Array(1)), 'float64'),
    row(tensor([new Float32Array(2), new Float32Array(2)]), 'float32'),
    row(tensor([new Uint8Array(2), [true, false]]), 'int32'),
    row(tensor([new Int16Array(2), [1, 2]]), 'float32'),
    row(tensor(new BigInt64Array(1)), 'int32'),
    row(tensor(new Uint8ClampedArray(1)), 'int32'),
    row(tensor(Buffer.from([1])), 'int32'),
    row(tensor([1], { dtype: 'bool' }), 'bool'),
    row(tensor(int32), 'int32'),
    row(tensor([1, 2, 3, 4], [2, 2], { dtype: 'float64' }), 'float64'),
  ]
  for (const [x, dtype] of rows) expect(x.dtype).toBe(dtype)
})

test('every op is here, and a method in types', () => {
  expectTypeOf<Exclude<keyof typeof ops, keyof Tensor>>().toBeNever()
  const tables = [floats, numeric, same, always, indices, arithmetic, mixed, quotients, comparisons]
  const elsewhere = ['cast', 'clamp', 'matmul', 'oneHot', 'where', 'maskSelect', 'nonzero', 'unique']
  expect([...tables.flatMap(table => Object.keys(table)), ...elsewhere].sort()).toEqual(Object.keys(ops).sort())
})
