// Types: what the compiler must know, and what it must refuse. Checked by tsc; runs only to be counted.
import { expectTypeOf, test } from 'vitest'
import { dense, matmul, nn, ones, optim, type Shape, sequential, type Tensor, tensor, zeros } from '../lib/index.js'

test('literal shapes go through creation and operations that keep or combine them', () => {
  const a = zeros([2, 3])
  expectTypeOf(a).toEqualTypeOf<Tensor<readonly [2, 3]>>()
  expectTypeOf(a.relu().softmax(0).gelu({ approximate: 'tanh' })).toEqualTypeOf<Tensor<readonly [2, 3]>>()
  expectTypeOf(matmul(a, ones([3, 4]))).toEqualTypeOf<Tensor<readonly [2, 4]>>()
  expectTypeOf(a.reshape([3, 2])).toMatchTypeOf<Tensor>()
  expectTypeOf(a.sum(0)).toEqualTypeOf<Tensor<Shape>>()
  expectTypeOf(a.matmul(ones([3, 4]))).toEqualTypeOf<Tensor<readonly [2, 4]>>()
  expectTypeOf(a.add(a)).toEqualTypeOf<Tensor<readonly [2, 3]>>()
  expectTypeOf(a.mul(2)).toEqualTypeOf<Tensor<readonly [2, 3]>>()
  expectTypeOf(ones([3]).add(a)).toEqualTypeOf<Tensor<Shape>>()
})

test('shapes that are not known are no obstacle', () => {
  const x: Tensor = tensor([[1, 2]])
  expectTypeOf(x.add(1).matmul(x.transpose()).mean()).toMatchTypeOf<Tensor>()
  const f = (t: Tensor) => t
  expectTypeOf(f(zeros([2, 3]))).toEqualTypeOf<Tensor>()
})

test('wrong calls do not compile', () => {
  const x = zeros([2])
  const refused = () => {
    // @ts-expect-error a shape must be an array
    zeros(3)
    // @ts-expect-error no such method
    x.rleu()
    // @ts-expect-error the axis is a number
    x.softmax('last')
    // @ts-expect-error unknown dtype
    x.cast('float16')
    // @ts-expect-error another shape
    const y: Tensor<readonly [3]> = x.relu()
    return y
  }
  expectTypeOf(refused).toBeFunction()
})

test('documented uses compile', () => {
  const model = sequential([dense(1, { inputShape: [2] })])
  model.compile({ optimizer: new optim.Adam(model.parameters()), loss: 'huber' })
  class Pair extends nn.Module {
    forward(a: Tensor, b: Tensor): [Tensor, Tensor] {
      return [b, a]
    }
  }
  expectTypeOf(new Pair().forward).returns.toEqualTypeOf<[Tensor, Tensor]>()
})
