// What the compiler must refuse; test/consumer has what it must accept. Checked by tsc; runs only to be counted.
import { expectTypeOf, test } from 'vitest'
import {
  add,
  arange,
  dense,
  eye,
  full,
  losses,
  type Model,
  metrics,
  nn,
  optim,
  randint,
  type Tensor,
  tensor,
  where,
  zeros,
} from '../lib/index.js'

test('wrong calls do not compile', () => {
  const x = zeros([2])
  const refused = () => {
    // @ts-expect-error sizes are numbers
    zeros('3')
    // @ts-expect-error options come last
    zeros(2, { dtype: 'int32' }, 3)
    // @ts-expect-error no such method
    x.rleu()
    // @ts-expect-error no list
    Math.max(...x)
    // @ts-expect-error no number
    x < 1
    // @ts-expect-error a word of PyTorch
    x.cuda()
    // @ts-expect-error the axis is a number
    x.softmax('last')
    // @ts-expect-error unknown dtype
    x.cast('float16')
    // @ts-expect-error unknown dtype
    zeros([2], { dtype: 'float16' })
    // @ts-expect-error unknown option
    zeros([2], { dtypes: 'int32' })
    // @ts-expect-error text is no operand
    x.add('1')
    // @ts-expect-error nor is a list
    add(x, [1, 2])
    // @ts-expect-error a matrix product with a number
    x.matmul(2)
    // @ts-expect-error read-only
    x.shape[0] = 3
    // @ts-expect-error read-only
    x.dtype = 'float32'
  }
  expectTypeOf(refused).toBeFunction()
})

test('a dtype is not another', () => {
  const refused = async (x: Tensor<'float32'>, i: Tensor<'int32'>, b: Tensor<'bool'>, some: Tensor) => {
    // @ts-expect-error the dtype does not follow from what is wanted
    const a: Tensor<'int32'> = zeros([2])
    // @ts-expect-error
    const c: Tensor<'float32'> = zeros([2], { dtype: 'int32' })
    // @ts-expect-error
    const d: Float32Array = await x.argmax().data()
    // @ts-expect-error also of a tensor of unknown dtype
    const e: Float32Array = await some.argmax().data()
    // @ts-expect-error
    const f: Int32Array = await x.data()
    // @ts-expect-error
    const g: Tensor<'float32'> = x.greater(0)
    // @ts-expect-error
    const h: Tensor<'int32'> = i.mul(0.5)
    // @ts-expect-error
    const j: Tensor<'int32'> = i.div(2)
    // @ts-expect-error
    const k: Tensor<'float32'> = x.add(tensor(new Float64Array(2)))
    // @ts-expect-error
    const l: Tensor<'bool'> = b.sum()
    // @ts-expect-error
    const m: Tensor<'int32'> = where(b, x, i)
    // @ts-expect-error
    const n: Tensor<'float32'> = [arange(3), randint([3], 0, 2)][0]
    // @ts-expect-error
    const o: Tensor<'float32'> = full([2], true)
    // @ts-expect-error
    const p: nn.Parameter<'float64'> = new nn.Parameter(eye(2))
    return [a, c, d, e, f, g, h, j, k, l, m, n, o, p]
  }
  expectTypeOf(refused).toBeFunction()
})

test('a shape that was written is checked', () => {
  const refused = (x: Tensor<'float32', readonly [2, 3]>) => {
    // @ts-expect-error another size
    const a: Tensor<'float32', readonly [2, 3]> = zeros([2, 4])
    // @ts-expect-error another rank
    const b: Tensor<'float32', readonly [6]> = x.reshape([3, 2])
    // @ts-expect-error
    const c: Tensor<'float32', readonly [3]> = x.relu()
    return [a, b, c]
  }
  expectTypeOf(refused).toBeFunction()
})

test('names of optimizers, losses, metrics and activations are literals', () => {
  const accepted = (model: Model) => {
    model.compile({ optimizer: 'Adam', loss: 'mse', metrics: ['acc', 'binary_crossentropy', (p: Tensor) => p.mean()] })
    model.compile({
      optimizer: { name: 'sgd', learningRate: 1, momentum: 0.9 },
      loss: 'sparse_categorical_crossentropy',
    })
    model.compile({ optimizer: new optim.Adam(model.parameters()), loss: losses.mse })
    return dense(1, { activation: 'leaky_relu' })
  }
  const refused = (model: Model) => {
    // @ts-expect-error
    model.compile({ optimizer: 'adamm', loss: 'mse' })
    // @ts-expect-error
    model.compile({ optimizer: 'rmsprop', loss: 'mse' })
    // @ts-expect-error
    model.compile({ optimizer: { name: 'adm' }, loss: 'mse' })
    // @ts-expect-error
    model.compile({ optimizer: 'adam', loss: 'mee' })
    // @ts-expect-error
    model.compile({ optimizer: 'adam', loss: 'mse', metrics: ['accuracie'] })
    // @ts-expect-error
    model.compile({ optimizer: 'adam', loss: 'mse', metrics: [metrics.f1] })
    // @ts-expect-error
    return dense(1, { activation: 'rleu' })
  }
  expectTypeOf(accepted).toBeFunction()
  expectTypeOf(refused).toBeFunction()
})
