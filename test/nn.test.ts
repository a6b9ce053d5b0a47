import { describe, expect, test } from 'vitest'
import { FormatError, Generator, memory, nn, ones, synchronizeSync, type Tensor, tensor, zeros } from '../lib/index.js'
import { devices } from './harness/devices.js'

describe.each(devices)('%s', device => {
  const linear = (inputs: number, outputs: number, seed = 1) =>
    new nn.Linear(inputs, outputs, { device, generator: new Generator(seed) })

  class Net extends nn.Module {
    first = linear(3, 4)
    blocks = [linear(4, 4), linear(4, 4)]
    named = { extra: linear(4, 2) }
    tied: nn.Linear
    count = new nn.Buffer(zeros([2], { device }))
    plain = zeros([5], { device })
    constructor() {
      super()
      this.tied = this.first
    }
    forward(x: Tensor) {
      return this.named.extra.forward(this.blocks.reduce((v, b) => b.forward(v), this.first.forward(x)))
    }
  }

  test('parameters are found in fields, arrays and objects, in order; shared ones once, buffers apart', () => {
    const net = new Net()
    expect([...net.namedParameters().keys()]).toEqual([
      'first.weight',
      'first.bias',
      'blocks.0.weight',
      'blocks.0.bias',
      'blocks.1.weight',
      'blocks.1.bias',
      'named.extra.weight',
      'named.extra.bias',
    ])
    expect([...net.namedBuffers().keys()]).toEqual(['count'])
    expect(Object.keys(net.stateDict())).toHaveLength(9)
    expect([...net.namedModules().keys()]).toEqual(['', 'first', 'blocks.0', 'blocks.1', 'named.extra'])
  })

  test('train and eval reach every module', () => {
    const net = new nn.Sequential(new nn.Dropout(0.5), new nn.Sequential(new nn.Dropout(0.5)))
    const x = ones([100], { device })
    expect(net.eval().forward(x)).toBe(x)
    const y = net.train().forward(x).dataSync()
    expect(new Set(y)).toEqual(new Set([0, 2, 4].filter(v => y.includes(v))))
    expect(y.filter(v => v === 0).length).toBeGreaterThan(40)
  })

  test('a state dict goes over with equal bits; wrong ones change nothing and name everything', async () => {
    const [a, b] = [new Net(), new Net()]
    b.loadStateDict(a.stateDict())
    expect(await b.first.weight.data()).toEqual(await a.first.weight.data())
    const { 'first.bias': _, ...rest } = a.stateDict()
    const wrong = { ...rest, 'blocks.0.bias': ones([9], { device }), what: ones([1], { device }) }
    const before = await b.blocks[0].weight.data()
    expect(() => b.loadStateDict(wrong)).toThrow(FormatError)
    expect(() => b.loadStateDict(wrong)).toThrow(
      /missing 'first\.bias'; unknown 'what'; 'blocks\.0\.bias' has shape \[9\], expected \[4\]/,
    )
    expect(() => b.loadStateDict({ ...a.stateDict(), 'first.bias': [1, 2] } as never)).toThrow(
      /'first\.bias' must be a tensor, got an array of 2/,
    )
    expect(() => b.loadStateDict(null as never)).toThrow(/expected a state dict/)
    expect(await b.blocks[0].weight.data()).toEqual(before)
  })

  test('linear: y = x·Wᵀ + b, with gradients', async () => {
    const layer = linear(2, 1)
    layer.loadStateDict({ weight: tensor([[2, 3]], { device }), bias: tensor([1], { device }) })
    const x = tensor(
      [
        [1, 1],
        [0, 2],
      ],
      { device },
    )
    expect(await layer.forward(x).toArray()).toEqual([[6], [7]])
    layer.forward(x).sum().backward()
    expect([await layer.weight.grad!.toArray(), await layer.bias!.grad!.toArray()]).toEqual([[[1, 3]], [2]])
    layer.zeroGrad()
    expect(layer.weight.grad).toBeNull()
    expect(() => layer.forward(ones([2, 3], { device }))).toThrow(/Linear: expected \[… 2\], got \[2, 3\]/)
  })

  test('embedding takes indices of any shape, and its gradient adds up', async () => {
    const layer = new nn.Embedding(3, 2, { device })
    const index = tensor(
      [
        [0, 2],
        [2, 2],
      ],
      { device, dtype: 'int32' },
    )
    const y = layer.forward(index)
    expect(y.shape).toEqual([2, 2, 2])
    y.sum().backward()
    expect(await layer.weight.grad!.toArray()).toEqual([
      [1, 1],
      [0, 0],
      [3, 3],
    ])
  })

  test('activations are those of the functions', async () => {
    const x = tensor([-1, 0, 2], { device })
    const pairs: [nn.Module, Tensor][] = [
      [new nn.ReLU(), x.relu()],
      [new nn.LeakyReLU(0.1), x.leakyRelu(0.1)],
      [new nn.ELU(2), x.elu(2)],
      [new nn.GELU('tanh'), x.gelu({ approximate: 'tanh' })],
      [new nn.SiLU(), x.silu()],
      [new nn.Sigmoid(), x.sigmoid()],
      [new nn.Tanh(), x.tanh()],
      [new nn.Softplus(), x.softplus()],
      [new nn.Softmax(), x.softmax()],
      [new nn.LogSoftmax(0), x.logSoftmax(0)],
    ]
    for (const [layer, wanted] of pairs) expect(await layer.forward(x).data()).toEqual(await wanted.data())
    expect(new nn.Flatten().forward(ones([2, 3, 4], { device })).shape).toEqual([2, 12])
  })

  test.each([
    [
      'xavierUniform_',
      (w: Tensor, generator: Generator) => nn.init.xavierUniform_(w, { generator }),
      Math.sqrt(6 / 300) / Math.sqrt(3),
    ],
    ['xavierNormal_', (w: Tensor, generator: Generator) => nn.init.xavierNormal_(w, { generator }), Math.sqrt(2 / 300)],
    [
      'kaimingUniform_',
      (w: Tensor, generator: Generator) => nn.init.kaimingUniform_(w, { generator, nonlinearity: 'relu' }),
      Math.sqrt(2 / 200),
    ],
    [
      'kaimingNormal_',
      (w: Tensor, generator: Generator) => nn.init.kaimingNormal_(w, { generator, mode: 'fanOut' }),
      Math.sqrt(2 / 100),
    ],
  ] as const)('%s has the standard deviation of its formula', async (_, fill, deviation) => {
    const w = fill(zeros([100, 200], { device }), new Generator(3))
    expect(await w.std().item()).toBeCloseTo(deviation, 2)
    expect(Math.abs(await w.mean().item())).toBeLessThan(deviation / 20)
    expect((await w.std().item()) / deviation).toBeCloseTo(1, 1)
  })

  test('mistakes are named', () => {
    expect(() => new nn.Linear(0, 1)).toThrow(/inputs must be a whole number of at least 1, got 0/)
    expect(() => new nn.Linear(1, 1, { biases: false } as never)).toThrow(/unknown option 'biases'.*'bias'/)
    expect(() => new nn.Dropout(2)).toThrow(/p must be from 0 to 1/)
    expect(() => nn.init.xavierUniform_(zeros([3], { device }))).toThrow(/fans need at least two dims/)
    for (const [name, fill] of Object.entries(nn.init))
      expect(() => (fill as unknown as () => void)()).toThrow(
        new RegExp(
          name === 'gain' ? 'unknown nonlinearity undefined' : `^${name}: (input must be a tensor|value must)`,
        ),
      )
    const whole = zeros([2, 3], { device, dtype: 'int32' })
    expect(() => nn.init.kaimingNormal_(whole)).toThrow(/^kaimingNormal_: expected a floating tensor, got int32/)
    expect(() => nn.init.uniform_(zeros([2], { device }), Number.NaN)).toThrow(/^uniform_: low must be a finite number/)
    expect(() => nn.init.xavierNormal_(zeros([2, 2], { device }), { gain: '1' as never })).toThrow(/gain must be a fin/)
    expect(nn.init.ones_(whole)).toBe(whole)
    synchronizeSync()
  })

  test('moving a module to a device keeps its values', async () => {
    const net = linear(3, 2)
    const before = await net.weight.data()
    net.to('js')
    expect(net.weight.device).toBe('js')
    expect(net.weight).toBeInstanceOf(nn.Parameter)
    expect(await net.weight.data()).toEqual(before)
  })
})

describe.each(devices)('ownership, %s', device => {
  test('a parameter of a view is a copy of it', () => {
    const x = zeros([2, 3], { device })
    const p = new nn.Parameter(x.transpose())
    expect([p.isContiguous, p.shape, p.requiresGrad]).toEqual([true, [3, 2], true])
    expect(() => new nn.Parameter([1] as never)).toThrow(/Parameter: .*must be a tensor/)
  })
  test('dispose frees what layers made', () => {
    ones([1], { device })
    const before = memory()[device]!.tensors
    new nn.Sequential(new nn.Linear(30, 40, { device }), new nn.Embedding(3, 4, { device })).dispose()
    expect(memory()[device]!.tensors).toBeLessThanOrEqual(before)
  })
  test('a state dict of the module itself may name tensors in another order', async () => {
    class Two extends nn.Module {
      a = new nn.Parameter(tensor([1], { device }))
      b = new nn.Parameter(tensor([2], { device }))
      forward(x: Tensor): [Tensor, Tensor] {
        return [x.mul(this.a), x.mul(this.b)]
      }
    }
    const two = new Two()
    const { a, b } = two.stateDict()
    two.loadStateDict({ a: b, b: a })
    expect([await two.a.item(), await two.b.item()]).toEqual([2, 1])
  })
  test('errors name the layer, wherever it stands', async () => {
    class Net extends nn.Module {
      table = new nn.Embedding(4, 2, { device })
      forward(x: Tensor): Tensor {
        return this.table.forward(x)
      }
    }
    const y = new Net().forward(tensor([9], { dtype: 'int32', device }))
    await expect(y.data()).rejects.toThrow(
      /^embedding in Net\/Embedding: index 9 at position 0 is out of range for size 4/,
    )
  })
  test('names that meet are refused, not lost', () => {
    class Net extends nn.Module {
      parts = { 'a.b': new nn.Linear(1, 1, { device }), a: { b: new nn.Linear(1, 1, { device }) } }
      forward(x: Tensor): Tensor {
        return x
      }
    }
    expect(() => new Net().parameters()).toThrow(/two parameters would be called 'parts.a.b.weight'/)
  })
})
