/** How ops may be called: axes of scalars, lists or single numbers, options in place of axes; and what is said otherwise. */
import { describe, expect, it } from 'vitest'
import { concat, type GradusError, gradients, logicalOr, stack, type Tensor, tensor, zeros } from '../lib/index.js'
import { on } from './harness/cases.js'
import { devices } from './harness/devices.js'

type Form = readonly [title: string, call: (x: Tensor) => Tensor, wanted: unknown]

/** On [[0, 1, 2], [3, 4, 5]]. */
const forms: readonly Form[] = [
  [
    'pad([1, 0]) is the last dim',
    x => x.pad([1, 0]),
    [
      [0, 0, 1, 2],
      [0, 3, 4, 5],
    ],
  ],
  [
    'pad([0, 1, 1, 0]) is the last, then the first',
    x => x.pad([0, 1, 1, 0]),
    [
      [0, 0, 0, 0],
      [0, 1, 2, 0],
      [3, 4, 5, 0],
    ],
  ],
  [
    'pad of less than nothing cuts off',
    x =>
      x.pad([
        [-1, 1],
        [0, -2],
      ]),
    [[3], [0]],
  ],
  [
    'permute(1, 0)',
    x => x.permute(1, 0),
    [
      [0, 3],
      [1, 4],
      [2, 5],
    ],
  ],
  [
    'permute(-1, 0)',
    x => x.permute(-1, 0),
    [
      [0, 3],
      [1, 4],
      [2, 5],
    ],
  ],
  [
    'permute([1, 0])',
    x => x.permute([1, 0]),
    [
      [0, 3],
      [1, 4],
      [2, 5],
    ],
  ],
  [
    'reshape(3, 2)',
    x => x.reshape(3, 2),
    [
      [0, 1],
      [2, 3],
      [4, 5],
    ],
  ],
  ['reshape(-1)', x => x.reshape(-1), [0, 1, 2, 3, 4, 5]],
  [
    'expand(2, 2, 3)',
    x => x.expand(2, 2, 3),
    [
      [
        [0, 1, 2],
        [3, 4, 5],
      ],
      [
        [0, 1, 2],
        [3, 4, 5],
      ],
    ],
  ],
  ['sum().expand(3)', x => x.sum().expand(3), [15, 15, 15]],
  [
    'sum().expand(-1) of a dim',
    x => x.sum(1).expand(2, -1),
    [
      [3, 12],
      [3, 12],
    ],
  ],
  [
    'tile(1, 2)',
    x => x.tile(1, 2),
    [
      [0, 1, 2, 0, 1, 2],
      [3, 4, 5, 3, 4, 5],
    ],
  ],
  [
    'tile(2)',
    x => x.tile(2),
    [
      [0, 1, 2, 0, 1, 2],
      [3, 4, 5, 3, 4, 5],
    ],
  ],
  [
    'flip(0, 1)',
    x => x.flip(0, 1),
    [
      [5, 4, 3],
      [2, 1, 0],
    ],
  ],
  [
    'flip([])',
    x => x.flip([]),
    [
      [0, 1, 2],
      [3, 4, 5],
    ],
  ],
  [
    'squeeze(0)',
    x => x.squeeze(0),
    [
      [0, 1, 2],
      [3, 4, 5],
    ],
  ],
  ['squeeze()', x => x.reshape(1, 6, 1).squeeze(), [0, 1, 2, 3, 4, 5]],
  ['squeeze(0, 2)', x => x.reshape(1, 6, 1).squeeze(0, 2), [0, 1, 2, 3, 4, 5]],
  ['squeeze([])', x => x.reshape(1, 6).squeeze([]), [[0, 1, 2, 3, 4, 5]]],
  [
    'transpose(0, 1)',
    x => x.transpose(0, 1),
    [
      [0, 3],
      [1, 4],
      [2, 5],
    ],
  ],
  [
    'split(2, 1)',
    x => x.split(2, 1)[0],
    [
      [0, 1],
      [3, 4],
    ],
  ],
  ['split(0) of nothing', () => zeros([0]).split(0)[0], []],
  ['sum({ keepDims: true })', x => x.sum({ keepDims: true }), [[15]]],
  ['max({ keepDims: true })', x => x.max({ keepDims: true }), [[5]]],
  ['argmax({ keepDims: true })', x => x.argmax({ keepDims: true }), [[5]]],
  ['variance({ correction: 0 })', x => x.slice(0, [0, 2]).variance({ correction: 0 }), 0.25],
  ['std({ keepDims: true, correction: 0 })', x => x.slice(0, [0, 2]).std({ keepDims: true, correction: 0 }), [0.5]],
  ...['sum', 'mean', 'prod', 'max', 'min', 'logSumExp', 'variance', 'std', 'any', 'all'].map(
    (op): Form => [`${op}([]) is over all axes`, x => reduction(x, op, []).sub(reduction(x, op)), 0],
  ),
  ['sum([], { keepDims: true })', x => x.sum([], { keepDims: true }), [[15]]],
  // Of nothing that could be called a truth value, only truth is made.
  ['bool + bool', x => x.greater(2).add(x.less(5)).sum(), 6],
  ['indexSelect by a scalar', x => x.indexSelect(tensor(1).cast('int32')), [[3, 4, 5]]],
]
const reduction = (x: Tensor, op: string, axes?: number[]): Tensor =>
  (x as unknown as Record<string, (axes?: number[]) => Tensor>)[op](axes).cast('float32')

const onScalars: readonly Form[] = [
  ...[0, -1].flatMap((axis): Form[] => [
    ...['sum', 'mean', 'prod', 'max', 'min', 'logSumExp', 'cumsum', 'squeeze', 'flip'].map(
      (op): Form => [`${op}(${axis})`, x => method(x, op, axis), 3],
    ),
    [`softmax(${axis})`, x => x.softmax(axis), 1],
    [`logSoftmax(${axis})`, x => x.logSoftmax(axis), 0],
    [`argmax(${axis})`, x => x.argmax(axis), 0],
    [`argmin(${axis})`, x => x.argmin(axis), 0],
    [`any(${axis})`, x => x.any(axis), true],
    [`all(${axis})`, x => x.all(axis), true],
    [`variance(${axis}, correction 0)`, x => x.variance(axis, { correction: 0 }), 0],
    [`std(${axis})`, x => x.std(axis), Number.NaN],
    [`sum([${axis}], keepDims)`, x => x.sum([axis], { keepDims: true }), 3],
    [`transpose(0, ${axis})`, x => x.transpose(0, axis), 3],
    [`flatten(0, ${axis})`, x => x.flatten(0, axis), [3]],
    [`unsqueeze(${axis})`, x => x.unsqueeze(axis), [3]],
    [`gather`, x => x.gather(zeros([]).cast('int32'), axis), 3],
    [`indexSelect`, x => x.indexSelect(zeros([1]).cast('int32'), axis), 3],
  ]),
  ['softmax()', x => x.softmax(), 1],
  ['logSoftmax()', x => x.logSoftmax(), 0],
  ['permute()', x => x.permute(), 3],
  ['tile(2)', x => x.tile(2), [3, 3]],
  ['stack', x => stack([x, x]), [3, 3]],
]
const method = (x: Tensor, op: string, ...args: unknown[]): Tensor =>
  (x as unknown as Record<string, (...args: unknown[]) => Tensor>)[op](...args)

/** dtypes of two bool tensors together, and with a number or a truth value. */
const truths: readonly (readonly [op: string, other: 'bool' | number | boolean, dtype: string, values: unknown])[] = [
  ['add', 'bool', 'bool', [true, true, true, false]],
  ['mul', 'bool', 'bool', [true, false, false, false]],
  ['maximum', 'bool', 'bool', [true, true, true, false]],
  ['minimum', 'bool', 'bool', [true, false, false, false]],
  ['add', true, 'bool', [true, true, true, true]],
  ['mul', true, 'bool', [true, true, false, false]],
  ['add', 2, 'int32', [3, 3, 2, 2]],
  ['mul', 2.5, 'float32', [2.5, 2.5, 0, 0]],
  ['div', 2, 'float32', [0.5, 0.5, 0, 0]],
  ['pow', 2, 'int32', [1, 1, 0, 0]],
  ['remainder', 2, 'int32', [1, 1, 0, 0]],
  ['less', 'bool', 'bool', [false, false, true, false]],
  ['equal', true, 'bool', [true, true, false, false]],
]

/** What is said where a call does not fit. */
const refused: readonly (readonly [title: string, call: (x: Tensor) => unknown, error: RegExp])[] = [
  ['sum dim', x => method(x, 'sum', { dim: 0 }), /^sum: unknown option 'dim'\. Hint: the axes are the first argument/],
  ['sum axis', x => method(x, 'sum', 0, { axis: 0 }), /^sum: unknown option 'axis'\. Hint: the axes are the first/],
  [
    'keepdim',
    x => method(x, 'max', { keepdim: true }),
    /^max: unknown option 'keepdim'\. Hint: did you mean 'keepDims'/,
  ],
  [
    'keepdim by position',
    x => method(x, 'sum', 0, true),
    /^sum: options must be an object, got true. Hint: write { keepDims: true }/,
  ],
  ['axes by position', x => method(x, 'sum', 0, 1), /^sum: options must be an object, got 1/],
  ['axis text', x => method(x, 'sum', 'x'), /^sum: axes must be a whole number or a list of them, got 'x'/],
  ['keepDims text', x => method(x, 'sum', { keepDims: 'no' }), /^sum: keepDims must be true or false, got 'no'/],
  ['unbiased', x => method(x, 'std', { unbiased: true }), /^std: unknown option 'unbiased'\. Hint: .*correction/],
  ['max of two', x => method(x, 'max', x), /^max: axes must be .* got a Tensor\. Hint: .*maximum/],
  [
    'clamp by a tensor',
    x => method(x, 'clamp', x),
    /^clamp: min must be a number, got a Tensor\. Hint: with tensors: max/,
  ],
  [
    'pad of too few',
    x =>
      x.pad([
        [-2, -1],
        [0, 0],
      ]),
    /^pad: cannot put -2 and -1 elements around 2/,
  ],
  ['flip()', x => x.flip(), /^flip: expected the axes to reverse/],
  ['flip twice', x => x.flip(0, 0), /^flip: axes must differ/],
  ['permute of one', x => x.permute(1), /^permute: order must name each of the 2 axes once, got \[1\]/],
  ['permute of none', x => x.permute(), /^permute: order must name each of the 2 axes once, got \[\]/],
  ['expand of text', x => method(x, 'expand', 'x'), /^expand: sizes must be whole numbers/],
  [
    'repeat as in PyTorch',
    x => method(x, 'repeat', 2),
    /^repeat: expected a count and an axis\. Hint: PyTorch's repeat/,
  ],
  ['repeat of a list', x => method(x, 'repeat', [2, 2]), /^repeat: expected a count and an axis\. Hint: PyTorch's/],
  ['gather as in PyTorch', x => method(x, 'gather', 0, x), /^gather: index must be a tensor, got 0\. Hint: the index/],
  ['split of a scalar', () => zeros([]).split(1), /^split: a scalar has no axes/],
  ['concat of scalars', () => concat([zeros([]), zeros([])]), /^concat: a scalar has no axes/],
  ['bool − bool', x => x.greater(1).sub(x.less(2)), /^sub: truth values have no difference\. Hint: use logicalXor/],
  ['sum(1) of a scalar', () => zeros([]).sum(1), /^sum: axis 1 is outside a tensor of rank 0\. Hint: use -1 to 0/],
  ['flatten backwards', x => x.flatten(1, 0), /^flatten: start must not come after end, got 1 and 0/],
]

describe.each(devices)('%s', device => {
  const matrix = (): Tensor =>
    tensor(
      [
        [0, 1, 2],
        [3, 4, 5],
      ],
      { device, requiresGrad: true },
    )
  const scalar = (): Tensor => tensor(3, { device, requiresGrad: true })

  it.each(forms)('%s', (_, call, wanted) =>
    on(device, () => {
      expect(call(matrix()).toArraySync()).toEqual(wanted)
    }),
  )

  it.each(onScalars)('scalar.%s', (_, call, wanted) =>
    on(device, () => {
      const x = scalar()
      const y = call(x)
      expect(y.toArraySync()).toEqual(wanted)
      if (!y.requiresGrad) return
      const [g] = gradients(y.sum(), [x])
      expect(g!.shape).toEqual([])
    }),
  )

  it.each(truths)('bool.%s(%s) is %s', (op, other, dtype, values) =>
    on(device, () => {
      const a = tensor([true, true, false, false])
      const y = method(a, op, other === 'bool' ? tensor([true, false, true, false]) : other)
      expect([y.dtype, y.toArraySync()]).toEqual([dtype, values])
    }),
  )

  it('extremes of truth values are truth values', () =>
    on(device, () => {
      const x = tensor([
        [true, false],
        [false, false],
      ])
      expect(x.max(1).toArraySync()).toEqual([true, false])
      expect(x.min(0, { keepDims: true }).toArraySync()).toEqual([[false, false]])
      expect(logicalOr(x, true).min().toArraySync()).toBe(true)
    }))

  it('functions of floats take int32 as it is', () =>
    on(device, () => {
      const x = tensor([100, 101], { dtype: 'int32' })
      expect(x.logSumExp().itemSync()).toBeCloseTo(101.31326, 4)
      expect(x.std().itemSync()).toBeCloseTo(Math.SQRT1_2, 6)
      expect(x.mean().itemSync()).toBe(100.5)
      expect(x.softmax().dtype).toBe('float32')
      const large = tensor([2 ** 31 - 1, 16777217], { dtype: 'int32' })
      for (const y of [large.floor(), large.ceil(), large.round()])
        expect([y.dtype, y.toArraySync()]).toEqual(['int32', [2 ** 31 - 1, 16777217]])
      expect(large.equal(16777216).toArraySync()).toEqual([false, false])
      expect(large.less(2 ** 40).toArraySync()).toEqual([true, true])
    }))

  it.each(refused)('%s is refused', (_, call, error) =>
    on(device, () => {
      let found: unknown
      try {
        call(matrix())
      } catch (e) {
        found = e
      }
      expect((found as GradusError | undefined)?.code).toMatch(/^GRADUS_/)
      expect(String((found as Error).message)).toMatch(error)
    }),
  )
})
