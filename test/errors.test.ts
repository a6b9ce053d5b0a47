// Bad input: the error names the op, what was expected, what came, and a hint; everything else goes on working.
import { describe, expect, test } from 'vitest'
import {
  arange,
  concat,
  customGrad,
  full,
  grad,
  gradients,
  noGrad,
  ones,
  rand,
  randint,
  stack,
  type Tensor,
  tensor,
  tidy,
  zeros,
} from '../lib/index.js'
import { devices, hasNative } from './harness/devices.js'

describe.each(devices)('%s', device => {
  const x = () => ones([2, 3], { device })
  const cases: [string, () => unknown, RegExp][] = [
    [
      'matmul',
      () => x().matmul(x()),
      /^matmul: inner sizes must match, got \[2, 3\] × \[2, 3\] \(3 ≠ 2\)\. Hint: transpose one operand\?$/,
    ],
    [
      'broadcast',
      () => x().add(ones([2], { device })),
      /^add: shapes \[2, 3\] and \[2\] do not broadcast \(3 ≠ 2\)\. Hint/,
    ],
    ['reshape', () => x().reshape([4]), /^reshape: cannot see \[2, 3\] \(6 elements\) as \[4\]/],
    [
      'two open sizes',
      () => x().reshape([-1, -1]),
      /reshape: sizes must be whole numbers of at least 0, got -1 at position 0/,
    ],
    ['axis outside', () => x().sum(2), /^sum: axis 2 is outside a tensor of rank 2\. Hint: use -2 to 1$/],
    ['axis twice', () => x().sum([0, -2]), /sum: axes must differ, got \[0, 0\]/],
    ['axis fraction', () => x().softmax(0.5), /softmax: axis must be a whole number, got 0\.5/],
    [
      'ragged',
      () => tensor([[1, 2], [3]], { device }),
      /^tensor: nested arrays are ragged: expected 2 values in row \[1\], got 1\. Hint/,
    ],
    ['too deep', () => tensor([1, [2]] as never, { device }), /tensor: expected numbers, got an array of 1 at \[1\]/],
    [
      'NaN as int',
      () => tensor([Number.NaN], { dtype: 'int32', device }),
      /^tensor: NaN at \[0\] is not an int32 value\. Hint: use dtype float32$/,
    ],
    [
      'int64 too large',
      () => tensor(new BigInt64Array([2n ** 40n]), { device }),
      /tensor: 1099511627776 at \[0\] is not an int32 value/,
    ],
    ['shape of values', () => tensor([1, 2, 3], [2], { device }), /tensor: 3 values do not fill shape \[2\]/],
    [
      'text',
      () => tensor(['a'] as never, { device }),
      /tensor: expected numbers, got 'a' at \[0\]\. Hint: convert texts/,
    ],
    ['dtype', () => zeros([1], { dtype: 'float16' as never, device }), /zeros: expected a dtype \(.*\), got 'float16'/],
    [
      'shape',
      () => zeros([2, -1], { device }),
      /zeros: sizes must be whole numbers of at least 0, got -1 at position 1/,
    ],
    [
      'too large',
      () => zeros([2 ** 30, 2 ** 30], { device }),
      /zeros: shape \[1073741824, 1073741824\] has too many elements/,
    ],
    [
      'option',
      () => zeros([1], { dType: 'int32', device } as never),
      /zeros: unknown option 'dType'\. Hint: did you mean 'dtype'\?/,
    ],
    ['device', () => zeros([1], { device: 'gpu' as never }), /expected 'native' or 'js'|gpu/],
    ['fill int', () => full([1], 0.5, { dtype: 'int32', device }), /full: 0\.5 is not an int32 value/],
    [
      'rand int',
      () => rand([1], { dtype: 'int32', device }),
      /rand: expected a floating dtype, got int32\. Hint: use randint/,
    ],
    [
      'randint range',
      () => randint([1], 3, 3, { device }),
      /randint: low and high must be whole numbers with low < high, got 3 and 3/,
    ],
    ['arange step', () => arange(0, 1, 0, { device }), /arange: step must not be 0/],
    [
      'concat',
      () => concat([x(), ones([3, 3], { device })], 1),
      /concat: shapes must be equal except along axis 1, got \[2, 3\] and \[3, 3\]/,
    ],
    ['stack none', () => stack([]), /stack: expected a list of at least one tensor, got an array of 0/],
    [
      'not a tensor',
      () => concat([1 as never]),
      /concat: input 0 must be a tensor, got 1\. Hint: make one with tensor/,
    ],
    ['permute', () => x().permute([0, 0]), /permute: order must name each of the 2 axes once, got \[0, 0\]/],
    ['expand', () => x().expand([4, 3]), /expand: shape \[2, 3\] cannot be expanded to \[4, 3\]/],
    ['slice outside', () => x().slice(2), /slice: index 2 is outside axis 0 of size 2/],
    ['slice ranges', () => x().slice(0, 0, 0), /slice: 3 ranges for a tensor of rank 2/],
    ['slice step', () => x().slice([0, 1, 0]), /slice: step must not be 0/],
    ['split', () => x().split([1, 1], 1), /split: sizes \[1, 1\] add up to 2, but axis 1 has 3/],
    ['empty max', () => zeros([0, 2], { device }).max(0), /max: shape \[0, 2\] has no elements along the reduced axes/],
    [
      'index dtype',
      () => x().indexSelect(ones([1], { device })),
      /indexSelect: index must be int32, got float32\. Hint: use index\.cast/,
    ],
    [
      'gather rank',
      () => x().gather(tensor([0], { dtype: 'int32', device }), 0),
      /gather: index of shape \[1\] does not fit into \[2, 3\] along axis 0/,
    ],
    [
      'oneHot',
      () => tensor([0], { dtype: 'int32', device }).oneHot(0),
      /oneHot: classes must be a whole number above 0, got 0/,
    ],
    ['dropout', () => x().dropout(1.5), /dropout: p must be from 0 to 1, got 1\.5/],
    ['gelu option', () => x().gelu({ approximate: 'erf' as never }), /gelu: approximate must be 'none' or 'tanh'/],
    ['item', () => x().itemSync(), /itemSync: expected one element, got shape \[2, 3\]/],
    ['add undefined', () => x().add(undefined as never), /add: operand must be a tensor, got undefined/],
    [
      'backward shape',
      () => x().requiresGrad_().mul(1).backward(),
      /backward: expected a tensor with one element, got shape \[2, 3\]\. Hint: reduce/,
    ],
    [
      'backward of nothing',
      () => x().sum().backward(),
      /backward: the tensor does not depend on anything that requires a gradient/,
    ],
    [
      'gradient of int',
      () => tensor([1], { dtype: 'int32', device }).requiresGrad_(),
      /only floating tensors have gradients, got int32/,
    ],
    [
      'requiresGrad_ of a result',
      () => x().requiresGrad_().mul(2).requiresGrad_(false),
      /the tensor is the result of an operation/,
    ],
    [
      'in place while recording',
      () => x().requiresGrad_().assign_(0),
      /assign_: a tensor that requires a gradient cannot be changed in place while recording\. Hint: wrap it in noGrad/,
    ],
    [
      'unused',
      () => gradients(x().requiresGrad_().sum(), [x().requiresGrad_()]),
      /gradients: the result does not depend on input 0/,
    ],
    [
      'async noGrad',
      () => noGrad(async () => 1),
      /noGrad: expected a synchronous function, got one that returns a promise/,
    ],
    ['async tidy', () => tidy(async () => 1), /tidy: expected a synchronous function/],
    ['async grad', () => grad((async (t: Tensor) => t) as never)(x()), /grad: expected a synchronous function/],
    [
      'customGrad',
      () =>
        customGrad({ forward: t => t.mul(2), backward: () => [] })(x().requiresGrad_())
          .sum()
          .backward(),
      /customGrad: backward must return 1 gradients/,
    ],
    ['JSON', () => JSON.stringify({ t: x() }), /toJSON: a tensor has no JSON form\. Hint: use await t\.toArray/],
    [
      'postMessage',
      () => structuredClone({ t: x() }),
      /postMessage: a tensor cannot be sent to another thread\. Hint: send await t\.data/,
    ],
  ]
  test.each(cases)('%s', (_, run, message) => {
    expect(run).toThrow(message)
  })

  test('after all of them, everything works', async () => {
    expect(await x().sum().item()).toBe(6)
  })

  test('a second walk, and a value changed in place', async () => {
    const w = tensor([2], { device }).requiresGrad_()
    const y = w.square().sum()
    y.backward()
    expect(() => y.backward()).toThrow(
      /backward: the graph of \w+ was walked before, and is gone\. Hint: use backward\(\{ retainGraph: true \}\)/,
    )
    const z = w.mul(w).sum()
    noGrad(() => w.assign_(5))
    expect(() => z.backward()).toThrow(/backward: a value that mul saved was changed in place by assign_/)
    expect(await w.item()).toBe(5)
  })
})

describe.skipIf(!hasNative)('two devices', () => {
  test('never mix silently', async () => {
    const [a, b] = [ones([2], { device: 'js' }), ones([2], { device: 'native' })]
    expect(() => a.add(b)).toThrow(
      /add: tensors are on different devices: js and native\. Hint: copy one of them: x\.to\('native'\)/,
    )
    expect(() => noGrad(() => a.assign_(b))).toThrow(/assign_: a tensor on the native device met one on the js device/)
    const w = ones([2], { device: 'native' }).requiresGrad_()
    expect(() => {
      w.grad = a
    }).toThrow(/grad: expected \[2\] float32 on native, got Tensor\(\[2\] float32, js\)/)
    expect(() => w.backward({ gradient: a })).toThrow(/backward: the gradient must be on native, got one on js/)
    expect(await a.to('native').add(b).toArray()).toEqual([2, 2])
  })

  test('gradients go back over a copy to another device', async () => {
    const w = tensor([1, 2], { device: 'js' }).requiresGrad_()
    w.mul(3).to('native').square().sum().backward()
    expect(w.grad!.device).toBe('js')
    expect(await w.grad!.toArray()).toEqual([18, 36])
  })

  test('float64 arithmetic is for js', async () => {
    const x = tensor(new Float64Array([1, 2]), { device: 'native' })
    expect(() => x.exp()).toThrow(
      /the native device has no float64 form of exp, only float32\. Hint: use x\.cast\('float32'\)/,
    )
    expect(await x.to('js').exp().cast('float32').to('native').sum().item()).toBeCloseTo(Math.E + Math.E ** 2, 5)
  })
})
