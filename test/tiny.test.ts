// Two seconds: does the whole path work?
import { expect, test } from 'vitest'
import { Generator, losses, nn, optim, randn, tensor } from '../lib/index.js'
import { devices } from './harness/devices.js'

test.each(devices)('%s: create, compute, differentiate, train a step', async device => {
  const x = tensor(
    [
      [1, 2],
      [3, 4],
    ],
    { device },
  )
  expect(await x.matmul(x).add(1).toArray()).toEqual([
    [8, 11],
    [16, 23],
  ])

  const w = tensor([2, -1], { device }).requiresGrad_()
  w.square().sum().backward()
  expect(await w.grad!.toArray()).toEqual([4, -2])

  const generator = new Generator(1)
  const net = new nn.Sequential(
    new nn.Linear(4, 8, { device, generator }),
    new nn.Tanh(),
    new nn.Linear(8, 1, { device, generator }),
  )
  const optimizer = new optim.Adam(net.parameters(), { learningRate: 0.05 })
  const inputs = randn([16, 4], { device, generator })
  const targets = inputs.sum(1, { keepDims: true })
  let first = 0
  let last = 0
  for (let i = 0; i < 40; i++) {
    optimizer.zeroGrad()
    const loss = losses.mse(net.forward(inputs), targets)
    loss.backward()
    optimizer.step()
    last = await loss.item()
    if (i === 0) first = last
  }
  expect(last).toBeLessThan(first / 4)
})
