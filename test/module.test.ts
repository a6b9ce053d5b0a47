/** What a module finds in itself, saves, loads and moves. */
import { describe, expect, test } from 'vitest'
import {
  type Device,
  DeviceError,
  FormatError,
  IndexError,
  MemoryError,
  Model,
  memory,
  nn,
  noGrad,
  ones,
  optim,
  StateError,
  synchronize,
  type Tensor,
  tensor,
  zeros,
} from '../lib/index.js'
import { devices } from './harness/devices.js'
import { withoutMemoryFrom } from './harness/failing.js'

class Net extends nn.Module {
  [field: string]: unknown
  forward(x: Tensor): Tensor {
    return x
  }
}
const netOf = (fields: object): Net => Object.assign(new Net(), fields)
const names = (net: nn.Module) => [...net.namedParameters().keys()]

describe.each(devices)('%s', device => {
  const parameter = (...values: number[]) => new nn.Parameter(tensor(values, { device }))
  /** A tensor that no command could compute. */
  const spoilt = (n: number) => ones([1], { device }).indexSelect(tensor(Array(n).fill(9), { device, dtype: 'int32' }))

  test('parameters are found in arrays, plain objects, Maps and Sets, in order', () => {
    const p = () => parameter(1)
    const held = Object.assign(Object.create(null), { b: p(), a: p() })
    const net = netOf({
      map: new Map<unknown, unknown>([
        ['x', p()],
        [7, [p()]],
        [{}, p()],
        ['word', 1],
      ]),
      set: new Set([p(), 'word', p()]),
      held,
      deep: [[[{ a: [p()] }]]],
      data: [new Float32Array(4), Buffer.alloc(8), new Date(), /x/, null, undefined, 1],
    })
    expect(names(net)).toEqual('map.x map.7.0 map.0 set.0 set.2 held.b held.a deep.0.0.0.a.0'.split(' '))
  })

  test('what refers to itself, long chains and names of Object.prototype are walked', () => {
    const around: unknown[] = [parameter(1)]
    around.push(around, { around })
    let chain: object = { end: parameter(2) }
    for (let i = 0; i < 100_000; i++) chain = { chain }
    const net = netOf({ around, chain, constructorOf: { constructor: parameter(3), toString: parameter(4) } })
    net['self'] = net
    expect(net.parameters()).toHaveLength(4)
    const parts = {}
    Object.defineProperty(parts, '__proto__', { value: parameter(5), enumerable: true, writable: true })
    const odd = netOf({ parts })
    expect(Object.keys(odd.stateDict())).toEqual(['parts.__proto__'])
    odd.loadStateDict(odd.stateDict())
  })

  test('names that meet are refused, whatever has them', () => {
    const [a, b] = [parameter(1), new nn.Buffer(ones([1], { device }))]
    expect(() => netOf({ parts: { 'a.b': a, a: { b } } }).stateDict()).toThrow(
      /two tensors would be called 'parts\.a\.b'.*Hint: use names without dots/,
    )
    const layers = { 'a.b': new nn.ReLU(), a: { b: new nn.Tanh() } }
    expect(() => netOf({ layers }).namedModules()).toThrow(/two modules would be called 'layers\.a\.b'/)
    expect([...netOf({ b, again: b }).namedBuffers().keys()]).toEqual(['b'])
  })

  test('a list of words is read once in a walk, and never by an optimizer', () => {
    let reads = 0
    const words = new Proxy(Array(1000).fill('word'), {
      get: (target, key, receiver) => {
        if (/^\d+$/.test(String(key))) reads++
        return Reflect.get(target, key, receiver)
      },
    })
    const net = netOf({ words })
    net.parameters()
    expect(reads).toBe(1000)
    const optimizer = new optim.SGD([parameter(1)], { learningRate: 1 })
    optimizer.zeroGrad()
    optimizer.step()
    expect(reads).toBe(1000)
  })

  test('Sequential: by place, length, iteration, a list; named as in PyTorch; old names get a hint', () => {
    const [a, b] = [new nn.Linear(2, 3, { device }), new nn.Linear(3, 1, { device })]
    const net = new nn.Sequential(a, new nn.ReLU(), new nn.Sequential([b]))
    expect(Object.keys(net.stateDict())).toEqual(['0.weight', '0.bias', '2.0.weight', '2.0.bias'])
    expect([...net.namedModules().keys()]).toEqual(['', '0', '1', '2', '2.0'])
    expect([net.length, net[0] === a, net.at(-1) === net[2], [...net].length]).toEqual([3, true, true, 3])
    expect(net.append(new nn.Tanh()).length).toBe(4)
    const old = Object.fromEntries(
      Object.entries(net.stateDict()).map(([name, t]) => [name.replaceAll(/(?=\b\d)/g, 'layers.'), t]),
    )
    expect(Object.keys(old)[2]).toBe('layers.2.layers.0.weight')
    expect(() => net.loadStateDict(old)).toThrow(
      /Hint: layers of Sequential are named by their place alone: rename 'layers\.0\.weight' to '0\.weight'/,
    )
    net[2] = new nn.Linear(3, 5, { device })
    expect(net.forward(ones([4, 2], { device })).shape).toEqual([4, 5])
    for (const wrong of [1, null, 'relu', () => 1, {}, [1], [[new nn.ReLU()]]])
      expect(() => new nn.Sequential(wrong as never)).toThrow(/Sequential: expected modules, got/)
  })

  test.each([
    ['a value that could not be computed', () => spoilt(2), IndexError],
    [
      'a tensor that was disposed',
      () => {
        const t = ones([2], { device })
        t.dispose()
        return t
      },
      FormatError,
    ],
    ['no tensor', () => [1, 2], FormatError],
  ] as const)('loading is all or nothing: %s', async (_, entry, error) => {
    const net = netOf({ a: parameter(1, 2), b: parameter(3, 4), count: new nn.Buffer(ones([2], { device })) })
    const dict = { a: zeros([2], { device }), b: entry() as Tensor, count: zeros([2], { device }) }
    const load = async () => {
      net.loadStateDict(dict)
      await synchronize()
    }
    await expect(load()).rejects.toThrow(error)
    const values = async () => Promise.all(Object.values(net.stateDict()).map(t => t.toArray()))
    expect(await values()).toEqual([
      [1, 2],
      [3, 4],
      [1, 1],
    ])
    net.loadStateDict({ ...dict, b: tensor([5, 6], { dtype: 'int32', device: 'js' }) })
    expect(await values()).toEqual([
      [0, 0],
      [5, 6],
      [0, 0],
    ])
  })

  test.each<[string, (net: Net, dict: nn.StateDict) => void]>([
    [
      'memory',
      (net, dict) => {
        for (let n = 0; n < 3; n++) expect(() => withoutMemoryFrom(n, device, () => net.loadStateDict(dict))).toThrow()
      },
    ],
    [
      'stack',
      (net, dict) => {
        const down = (): boolean => {
          let tried = false
          try {
            tried = down()
          } catch {}
          // Before the first that works, on the way up, all overflow.
          if (!tried) net.loadStateDict(dict)
          return true
        }
        down()
      },
    ],
  ])('loading is all or nothing, wherever it finds no %s', async (kind, load) => {
    const net = netOf(Object.fromEntries(Array.from({ length: 3 }, (_, i) => [`p${i}`, parameter(1, 2)])))
    load(net, Object.fromEntries(Array.from({ length: 3 }, (_, i) => [`p${i}`, zeros([2], { device })])))
    const wanted = kind === 'stack' ? [0, 0] : [1, 2]
    for (const t of Object.values(net.stateDict())) expect(await t.toArray()).toEqual(wanted)
  })

  test('a parameter is floating, and a buffer may be a view', async () => {
    const whole = ones([2], { device, dtype: 'int32' })
    const before = memory()[device]!.tensors
    expect(() => new nn.Parameter(whole)).toThrow(/Parameter: only floating tensors are trained, got int32.*Buffer/)
    expect(() => new nn.Buffer([1, 2] as never)).toThrow(/Buffer: input must be a tensor, got an array of 2/)
    expect(memory()[device]!.tensors).toBeLessThanOrEqual(before)
    const net = netOf({ b: new nn.Buffer(ones([1], { device }).expand([3])) })
    net.loadStateDict({ b: tensor([1, 2, 3], { device }) })
    expect(await (net['b'] as Tensor).toArray()).toEqual([1, 2, 3])
  })

  test('a forward that uses a parameter which is not listed says so, once, and where', async () => {
    const warnings: Error[] = []
    const listen = (w: Error) => warnings.push(w)
    process.on('warning', listen)
    const outer = new nn.Linear(2, 2, { device })
    const hidden = class Hidden extends nn.Module {
      readonly #linear = new nn.Linear(2, 2, { device })
      readonly seen = new nn.Linear(2, 2, { device })
      forward(x: Tensor, w?: Tensor) {
        const y = this.#linear.forward(this.seen.forward(x))
        return w ? y.mul(w) : y
      }
    }
    const closed = class Closed extends nn.Module {
      forward(x: Tensor) {
        return x.matmul(outer.weight).detach()
      }
    }
    const list = class List extends nn.Sequential {}
    const own = class Own extends hidden {
      readonly #more = new nn.Linear(2, 2, { device, bias: false })
      override forward(x: Tensor) {
        return this.seen.forward(this.#more.forward(x))
      }
      override namedParameters() {
        return new Map([...super.namedParameters(), ['more', this.#more.weight]])
      }
    }
    const given = class Given extends nn.Module {
      forward({ x, w }: { x: Tensor; w: Tensor[] }) {
        return x.mul(w[0])
      }
    }
    const x = ones([3, 2], { device })
    const net = new hidden()
    net.eval().forward(x)
    noGrad(() => net.train().forward(x))
    await new Promise(setImmediate)
    expect(warnings).toEqual([])
    for (let i = 0; i < 3; i++) {
      // What is given, comes from another module, or is no Parameter is nobody's mistake.
      net.forward(outer.forward(x), outer.bias!)
      new hidden().forward(x.clone().requiresGrad_(), ones([2], { device }).requiresGrad_())
      new list(new closed()).forward(x)
      new nn.Sequential(outer, outer).forward(x)
      new own().forward(x)
      new given().forward({ x, w: [outer.bias!] })
    }
    expect(Object.keys(new own().stateDict())).toEqual(['seen.weight', 'seen.bias', 'more'])
    await new Promise(setImmediate)
    process.off('warning', listen)
    expect(warnings.map(w => (w as { code?: string }).code)).toEqual(Array(2).fill('GRADUS_W_UNLISTED_PARAMETER'))
    expect(warnings[0].message).toMatch(/^Hidden: forward uses a parameter of shape \[2, 2\] in Hidden\/Linear that/)
    expect(warnings[1].message).toMatch(/^List: .* in List\/0\/Closed that parameters\(\) does not list/)
  })

  test.each(['training', 'parameters', 'train', 'forward'])('a field called %s', name => {
    class Net extends nn.Module {
      constructor() {
        super()
        Object.assign(this, { [name]: new nn.Linear(1, 1, { device }) })
      }
      forward(x: Tensor) {
        return x
      }
    }
    const told = new RegExp(`^Net: its field '${name}' hides that of Module`)
    for (const use of [() => new Model(new Net()), () => new Model(new nn.Sequential(new Net()))])
      expect(use).toThrow(told)
  })

  test('a module without forward', () => {
    // @ts-expect-error that is the mistake
    class Net extends nn.Module {}
    expect(() => new Net().forward(ones([1]))).toThrow(/^Net: there is no forward\(\)\. Hint: use forward\(x\) {/)
  })

  test('PyTorch names say what they are called here', () => {
    const layer = new nn.Linear(1, 1, { device }) as unknown as Record<string, () => void>
    for (const [name, ours] of [
      ['load_state_dict', 'loadStateDict'],
      ['state_dict', 'stateDict'],
      ['named_parameters', 'namedParameters'],
      ['zero_grad', 'zeroGrad'],
      ['cuda', 'to('],
      ['add_module', 'this.hidden ='],
    ])
      expect(() => layer[name]()).toThrow(
        new RegExp(`^Linear: there is no ${name}\\(\\).*Hint: use .*${ours.replace('(', '\\(')}`),
      )
  })
})

const other = (device: Device): Device => (device === 'js' ? 'native' : 'js')

describe.skipIf(devices.length < 2).each(devices)('from %s', device => {
  test('a module moves whole, with its gradients, or not at all', async () => {
    const to = other(device)
    const shared = new nn.Linear(200, 200, { device })
    const net = netOf({ list: [shared], map: new Map([['x', new nn.Parameter(ones([3], { device }))]]), shared })
    net['set'] = new Set([new nn.Parameter(ones([2], { device })), 'word'])
    shared.weight.sum().backward()
    const before = net.parameters()
    for (let n = 0; n < 5; n++) expect(() => withoutMemoryFrom(n, to, () => net.to(to))).toThrow(MemoryError)
    expect(net.parameters().map(p => before.indexOf(p))).toEqual([0, 1, 2, 3])
    expect(before.every(p => p.device === device)).toBe(true)
    net.to(to)
    expect(names(net)).toEqual(['list.0.weight', 'list.0.bias', 'map.x', 'set.0'])
    expect(net.parameters().every(p => p.device === to && p instanceof nn.Parameter && p.requiresGrad)).toBe(true)
    expect(await shared.weight.grad!.mean().item()).toBe(1)
    expect([...(net['set'] as Set<unknown>)][1]).toBe('word')
    const optimizer = new optim.SGD(before, { learningRate: 1 })
    optimizer.zeroGrad()
    expect(() => optimizer.step()).toThrow(
      /SGD: parameter 0 was replaced by Module\.to\(\).*Hint: make the optimizer after/,
    )
    const frozen = netOf({ list: Object.freeze([new nn.Parameter(ones([3], { device }))]) })
    expect(() => frozen.to(to)).toThrow(StateError)
    expect(() => frozen.to('gpu' as never)).toThrow(DeviceError)
  })
})
