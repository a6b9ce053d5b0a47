/** Cases of single ops, by family. */
import { zeros } from '../../creation.js'
import { rand, randint, randn } from '../../draws.js'
import * as ops from '../../ops/index.js'
import { tidy } from '../../scope.js'
import { format } from '../../shape.js'
import type { Tensor } from '../../tensor.js'
import { type Case, flopOf, million, moves, square, type Work } from './case.js'

type Prepare = Case['prepare']
const nativeOnly = true

function binary(
  name: string,
  f: (a: Tensor, b: Tensor) => Tensor,
  n: number,
  options: { nativeOnly?: boolean } = {},
): Case {
  const prepare: Prepare = i => {
    const [a, b] = [i.positive(n), i.positive(n)]
    return () => f(a, b).dispose()
  }
  return { name, shape: `${n}`, work: moves(n, n, n), prepare, ...options }
}

/** A matrix and a second operand that is broadcast. */
function broadcast(name: string, other: readonly number[]): Case {
  const prepare: Prepare = i => {
    const [a, b] = [i.normal(...square), i.normal(...other)]
    return () => ops.add(a, b).dispose()
  }
  return { name, shape: `${format(square)} + ${format(other)}`, work: moves(square, other, square), prepare }
}

/** An op with one operand. `work`, unless given, is reading it and writing as much. */
function unary(
  name: string,
  f: (x: Tensor) => Tensor,
  shape: readonly number[],
  options: { work?: Work; nativeOnly?: boolean } = {},
): Case {
  const prepare: Prepare = i => {
    const x = i.positive(...shape)
    return () => f(x).dispose()
  }
  return {
    name,
    shape: shape.length === 1 ? `${shape[0]}` : format(shape),
    work: moves(shape, shape),
    prepare,
    ...options,
  }
}

const where: Case = {
  name: 'where',
  shape: `${million}`,
  work: { bytes: 13 * million }, // the condition has one byte
  prepare: i => {
    const [a, b] = [i.normal(million), i.normal(million)]
    const condition = i.hold(ops.less(a, b))
    return () => ops.where(condition, a, b).dispose()
  },
}

export const elementwise: readonly Case[] = [
  binary('add', ops.add, 1000),
  binary('add', ops.add, 65536),
  binary('add', ops.add, million),
  binary('add', ops.add, 16 * million, { nativeOnly }),
  broadcast('add row', [1024]),
  broadcast('add column', [1024, 1]),
  unary('relu', ops.relu, [million]),
  unary('sqrt', ops.sqrt, [million]),
  unary('exp', ops.exp, [1000]),
  unary('exp', ops.exp, [million]),
  unary('log', ops.log, [million]),
  unary('sin', ops.sin, [million]),
  unary('tanh', ops.tanh, [million]),
  unary('sigmoid', ops.sigmoid, [million]),
  unary('gelu', ops.gelu, [million]),
  binary('pow', ops.pow, million),
  where,
]

const toOne = { work: moves(million) }
const toRow = { work: moves(square, 1024) }
export const reduce: readonly Case[] = [
  unary('sum', x => ops.sum(x), [1000], { work: moves(1000) }),
  unary('sum', x => ops.sum(x), [million], toOne),
  unary('sum', x => ops.sum(x), [16 * million], { work: moves(16 * million), nativeOnly }),
  unary('sum, axis 0', x => ops.sum(x, 0), square, toRow),
  unary('sum, axis 1', x => ops.sum(x, 1), square, toRow),
  unary('max, axis 0', x => ops.max(x, 0), square, toRow),
  unary('max, axis 1', x => ops.max(x, 1), square, toRow),
  unary('argmax, axis 0', x => ops.argmax(x, 0), square, toRow),
  unary('argmax, axis 1', x => ops.argmax(x, 1), square, toRow),
  unary('cumsum, axis 1', x => ops.cumsum(x, 1), square),
]

/** C[m, n] = A[m, k]·B[k, n]; `turned` says which operand is a transposed view. */
function product(
  name: string,
  m: number,
  k: number,
  n: number,
  options: { turned?: 'a' | 'b'; nativeOnly?: boolean } = {},
): Case {
  const { turned, ...rest } = options
  const prepare: Prepare = i => {
    const a = turned === 'a' ? i.hold(ops.transpose(i.normal(k, m))) : i.normal(m, k)
    const b = turned === 'b' ? i.hold(ops.transpose(i.normal(n, k))) : i.normal(k, n)
    return () => ops.matmul(a, b).dispose()
  }
  return { name, shape: `${m}×${k} · ${k}×${n}`, work: { flop: flopOf(m, k, n) }, prepare, ...rest }
}

const batched: Case = {
  name: 'batched',
  shape: '64 × (64×64 · 64×64)',
  work: { flop: 64 * flopOf(64, 64, 64) },
  prepare: i => {
    const [a, b] = [i.normal(64, 64, 64), i.normal(64, 64, 64)]
    return () => ops.matmul(a, b).dispose()
  },
}

export const matmul: readonly Case[] = [
  ...[32, 64, 128, 256, 512].map(n => product('square', n, n, n)),
  product('square', 1024, 1024, 1024, { nativeOnly }),
  product('odd', 257, 257, 257),
  product('linear', 128, 784, 512, { turned: 'b' }),
  product('weight gradient', 512, 128, 784, { turned: 'a' }),
  product('input gradient', 128, 512, 256),
  product('ten classes', 128, 256, 10, { turned: 'b' }),
  product('batch 1', 1, 1024, 1024, { turned: 'b' }),
  product('skinny', 64, 1024, 4096, { nativeOnly }),
  batched,
]

export const softmax: readonly Case[] = [
  unary('softmax', x => ops.softmax(x), [128, 10]),
  unary('softmax', x => ops.softmax(x), square),
  unary('softmax, axis 0', x => ops.softmax(x, 0), square),
  unary('logSoftmax', x => ops.logSoftmax(x), square),
  {
    name: 'softmax gradient',
    shape: format(square),
    work: moves(square, square, square),
    prepare: i => {
      const [g, y, dx] = [i.normal(...square), i.positive(...square), i.zeros(...square)]
      return () => dx.storage.stream.k.softmaxGrad(g, y, dx, 1024, 1024, 1)
    },
  },
]

/** A view, written out. */
function viewed(view: (x: Tensor) => Tensor): (x: Tensor) => Tensor {
  return x => {
    const v = view(x)
    const y = ops.contiguous(v)
    v.dispose()
    return y
  }
}

export const movement: readonly Case[] = [
  unary('copy', ops.clone, [million]),
  unary('copy', ops.clone, [16 * million], { nativeOnly }),
  unary('transpose', viewed(ops.transpose), square),
  unary('transpose', viewed(ops.transpose), [4096, 4096], { nativeOnly }),
  unary(
    'NCHW to NHWC',
    viewed(x => ops.permute(x, [0, 2, 3, 1])),
    [32, 64, 28, 28],
  ),
  unary(
    'every 2nd column',
    viewed(x => ops.slice(x, null, [null, null, 2])),
    square,
    { work: moves(million / 2, million / 2) },
  ),
  unary(
    'flip, axis 1',
    viewed(x => ops.flip(x, 1)),
    square,
  ),
  unary(
    'pad by 1',
    x =>
      ops.pad(x, [
        [1, 1],
        [1, 1],
      ]),
    square,
    { work: moves(square, [1026, 1026]) },
  ),
  unary('cast to int32', x => ops.cast(x, 'int32'), square),
  unary('zeros', x => zeros(square, { device: x.device }), square, { work: moves(square) }),
]

const [words, width, drawn] = [10000, 128, 4096]
export const embedding: readonly Case[] = [
  {
    name: 'embedding',
    shape: `${drawn} of [${words}, ${width}]`,
    work: moves(drawn, drawn * width, drawn * width),
    prepare: i => {
      const [x, index] = [i.normal(words, width), i.below(words, drawn)]
      return () => tidy(() => void ops.embedding(x, index))
    },
  },
  {
    name: 'embedding gradient',
    shape: `${drawn} of [${words}, ${width}]`,
    work: moves(drawn, drawn * width, words * width),
    prepare: i => {
      const [g, index, y] = [i.normal(drawn, width), i.below(words, drawn), i.zeros(words, width)]
      return () => y.storage.stream.k.indexAdd(g, index, y, 1, words, drawn, width)
    },
  },
  {
    name: 'gather, axis 1',
    shape: '[1024, 256] of 1024',
    work: moves(1024 * 256, 1024 * 256, 1024 * 256),
    prepare: i => {
      const [x, index] = [i.normal(...square), i.below(1024, 1024, 256)]
      return () => ops.gather(x, index, 1).dispose()
    },
  },
  {
    name: 'scatterAdd, axis 1',
    shape: '[1024, 256] to 1024',
    work: moves(1024 * 256, 1024 * 256, square),
    prepare: i => {
      const [g, index, y] = [i.normal(1024, 256), i.below(1024, 1024, 256), i.zeros(...square)]
      return () => y.storage.stream.k.scatterAdd(g, index, y, 1024, 1024, 256, 1)
    },
  },
  {
    name: 'oneHot',
    shape: '4096 of 1000',
    work: moves(4096, 4096 * 1000),
    prepare: i => {
      const index = i.below(1000, 4096)
      return () => ops.oneHot(index, 1000).dispose()
    },
  },
]

const shape = `${million}`
export const random: readonly Case[] = [
  { name: 'uniform', shape, work: moves(million), prepare: i => () => rand([million], i.source).dispose() },
  { name: 'normal', shape, work: moves(million), prepare: i => () => randn([million], i.source).dispose() },
  { name: 'randint', shape, work: moves(million), prepare: i => () => randint([million], 0, 1000, i.source).dispose() },
  {
    name: 'dropout',
    shape,
    work: moves(million, million),
    prepare: i => {
      const x = i.normal(million)
      return () => ops.dropout(x, 0.5, { generator: i.generator }).dispose()
    },
  },
]
