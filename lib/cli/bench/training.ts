/** Cases of training: losses, optimizer steps, whole steps; and what an op costs that has nothing to compute. */
import { zeros } from '../../creation.js'
import * as losses from '../../losses.js'
import { ReLU } from '../../nn/activation.js'
import { Sequential } from '../../nn/container.js'
import { Linear } from '../../nn/linear.js'
import { add } from '../../ops/binary.js'
import { adamStep, sgdStep } from '../../ops/step.js'
import { Adam } from '../../optim/adam.js'
import { tidy } from '../../scope.js'
import { format } from '../../shape.js'
import type { Tensor } from '../../tensor.js'
import { type Case, flopOf, type Inputs, million, moves, type Work } from './case.js'

// ---- losses ----------------------------------------------------------------------------------------------------------

/** One forward and backward. */
function walk(x: Tensor, loss: () => Tensor): void {
  tidy(() => loss().backward())
  x.grad?.dispose()
  x.grad = null
}

function crossEntropy(n: number, classes: number): Case[] {
  const shape = format([n, classes])
  const operands = (i: Inputs): [Tensor, Tensor] => [i.normal(n, classes), i.below(classes, n)]
  return [
    {
      name: 'crossEntropy',
      shape,
      work: moves(n * classes),
      prepare: i => {
        const [x, target] = operands(i)
        return () => tidy(() => void losses.crossEntropy(x, target, { reduction: 'none' }))
      },
    },
    {
      name: '… and gradient',
      shape,
      work: moves(n * classes, n * classes, n * classes), // read twice, since a sum comes first
      prepare: i => {
        const [x, target] = operands(i)
        x.requiresGrad_()
        return () => walk(x, () => losses.crossEntropy(x, target))
      },
    },
  ]
}

const many = 65536
export const loss: readonly Case[] = [
  ...crossEntropy(128, 10),
  ...crossEntropy(1024, 1000),
  {
    name: 'bceWithLogits',
    shape: `${many}`,
    work: moves(many, many, many),
    prepare: i => {
      const [x, target] = [i.normal(many), i.positive(many)]
      return () => tidy(() => void losses.bceWithLogits(x, target, { reduction: 'none' }))
    },
  },
  {
    name: 'mse and gradient',
    shape: `${many}`,
    work: moves(many, many, many),
    prepare: i => {
      const [x, target] = [i.normal(many).requiresGrad_(), i.normal(many)]
      return () => walk(x, () => losses.mse(x, target))
    },
  },
]

// ---- optimizer steps -------------------------------------------------------------------------------------------------

const sgd = { learningRate: 1e-6, momentum: 0.9, dampening: 0, weightDecay: 0, nesterov: false }
const adam = {
  learningRate: 1e-6,
  betas: [0.9, 0.999],
  epsilon: 1e-8,
  weightDecay: 0,
  rawEpsilon: false,
} as const
const timeOf = (i: Inputs): Tensor => i.hold<Tensor>(zeros([1], { device: i.device, dtype: 'int32' }))

function steps(n: number): Case[] {
  return [
    {
      name: 'sgd, momentum',
      shape: `${n}`,
      work: moves(n, n, n, n, n),
      prepare: i => {
        const [w, g, velocity, time] = [i.normal(n), i.normal(n), i.zeros(n), timeOf(i)]
        return () => sgdStep(w, g, velocity, time, sgd)
      },
    },
    {
      name: 'adam',
      shape: `${n}`,
      work: moves(n, n, n, n, n, n, n),
      prepare: i => {
        const [w, g, m, v, peak, time] = [i.normal(n), i.normal(n), i.zeros(n), i.zeros(n), i.zeros(0), timeOf(i)]
        return () => adamStep(w, g, m, v, peak, time, adam, false)
      },
    },
  ]
}
export const step: readonly Case[] = [1000, many, million].flatMap(steps)

// ---- whole training steps --------------------------------------------------------------------------------------------

/** A classifier: forward, backward, Adam. Its products run forward, for ∂W, and, but for the first layer, for ∂x. */
function perceptron(sizes: readonly number[], batch: number): Case {
  const products = sizes.slice(1).map((n, i) => flopOf(batch, sizes[i], n))
  const flop = 3 * products.reduce((sum, n) => sum + n, 0) - products[0]
  const prepare: Case['prepare'] = inputs => {
    const linear = sizes.slice(1).map((n, i) => new Linear(sizes[i], n, inputs.source))
    const net = inputs.hold(new Sequential(...linear.flatMap((layer, i) => (i > 0 ? [new ReLU(), layer] : [layer]))))
    const [x, y] = [inputs.normal(batch, sizes[0]), inputs.below(sizes[sizes.length - 1], batch)]
    const optimizer = new Adam(net.parameters())
    return () =>
      tidy(() => {
        optimizer.zeroGrad()
        losses.crossEntropy(net.forward(x), y).backward()
        optimizer.step()
      })
  }
  return { name: `MLP, batch ${batch}`, shape: sizes.join('-'), work: { flop }, prepare }
}
export const train: readonly Case[] = [
  perceptron([784, 512, 256, 10], 128),
  perceptron([784, 128, 10], 32),
  perceptron([16, 32, 10], 32),
]

// ---- overhead --------------------------------------------------------------------------------------------------------

const shape = '[1]'
const work: Work = { operations: 1 }
export const overhead: readonly Case[] = [
  {
    name: 'issued',
    shape,
    work,
    prepare: i => {
      const x = i.normal(1)
      return () => add(x, x).dispose()
    },
  },
  {
    name: 'issued, recorded',
    shape,
    work,
    prepare: i => {
      const x = i.normal(1).requiresGrad_()
      return () => add(x, x).dispose()
    },
  },
  {
    name: 'read at once',
    shape,
    work,
    prepare: i => {
      const x = i.normal(1)
      return () => {
        const y = add(x, x)
        y.itemSync()
        y.dispose()
      }
    },
  },
  {
    name: 'awaited',
    shape,
    work,
    prepare: i => {
      const x = i.normal(1)
      return async () => {
        const y = add(x, x)
        await y.item()
        y.dispose()
      }
    },
  },
]
