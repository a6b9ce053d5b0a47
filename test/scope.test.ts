// Who frees a tensor, what outlives a scope, and what is said of tensors that are gone.
import { describe, expect, test } from 'vitest'
import * as gradus from '../lib/index.js'
import {
  data,
  GradusError,
  losses,
  memory,
  metrics,
  nn,
  noGrad,
  ones,
  optim,
  StateError,
  Tensor,
  tidy,
  zeros,
} from '../lib/index.js'
import { devices } from './harness/devices.js'

describe.each(devices)('%s', device => {
  const x = () => ones([2, 2], { device })

  describe('a result of tidy outlives it', () => {
    class Holder {
      readonly inner: unknown
      constructor(inner: unknown) {
        this.inner = inner
      }
    }
    const ring = (t: unknown): unknown => {
      const [a, b]: Record<string, unknown>[] = [{}, { t }]
      a.next = b
      b.next = a
      return a
    }
    const chain = (t: unknown): unknown => {
      let link: unknown = t
      for (let i = 0; i < 1e5; i++) link = { link }
      return link
    }
    const homes: [string, (t: unknown) => unknown][] = [
      ['itself', t => t],
      ['arrays and objects', t => [[{ t }]]],
      ['a Map', t => new Map([['t', t]])],
      ['keys of a Map', t => new Map([[t, 0]])],
      ['a Set', t => new Set([t])],
      ['null prototypes', t => Object.assign(Object.create(null), { t })],
      ['instances of classes', t => new Holder(new Holder(t))],
      ['objects that refer to each other', ring],
      ['a very deep list', chain],
      [
        'beside many words',
        t => ({ words: Array.from({ length: 1e5 }, (_, i) => `word ${i}`), bytes: new Uint8Array(1e6), t }),
      ],
      ['a frozen object', t => Object.freeze({ t })],
    ]
    test.each(homes)('%s', (_, put) => {
      const before = memory()[device]?.tensors ?? 0
      let [inside, other]: Tensor[] = []
      tidy(() => {
        inside = x()
        other = x()
        return put(inside)
      })
      expect([inside.isDisposed, other.isDisposed]).toEqual([false, true])
      expect(inside.sum().itemSync()).toBe(4)
      inside.dispose()
      tidy(() => {
        tidy(() => put((inside = x())))
        expect(inside.isDisposed).toBe(false)
      })
      expect(inside.isDisposed).toBe(true)
      expect(memory()[device]!.tensors).toBeLessThanOrEqual(before + 1) // the sum
    })

    test('parameters and buffers of a module', async () => {
      class Net extends nn.Module {
        readonly table = new Map([['first', new nn.Linear(2, 2, { device })]])
        readonly layers = [new nn.Linear(2, 3, { device }), new nn.ReLU()]
        readonly mean = new nn.Buffer(zeros([2], { device }))
        forward(t: Tensor): Tensor {
          return (this.layers[0] as nn.Linear).forward(t)
        }
      }
      const { net, optimizer } = tidy(() => {
        const net = new Net()
        return { net, optimizer: new optim.Adam(net.layers[0].parameters()) }
      })
      expect(await net.mean.toArray()).toEqual([0, 0])
      expect(net.table.get('first')!.weight.isDisposed).toBe(false)
      net.forward(x()).sum().backward()
      optimizer.step()
      expect(net.layers[0].parameters().map(p => p.isDisposed)).toEqual([false, false])
    })

    test('a world without end is an error, and nothing is left', () => {
      let [inside]: Tensor[] = []
      const world = (): unknown => {
        inside = x()
        return Array.from({ length: 1_000_001 }, () => ({}))
      }
      expect(() => tidy(world)).toThrow(/StateError|reaches more than 1000000 objects/)
      expect(inside.isDisposed).toBe(true)
    })

    test('a getter that throws', () => {
      let [inside]: Tensor[] = []
      const open = (): unknown => {
        inside = x()
        return {
          get field(): never {
            throw new RangeError('mine')
          },
        }
      }
      expect(() => tidy(open)).toThrow('mine')
      expect(inside.isDisposed).toBe(true)
    })
  })

  test('whatever is thrown inside, also by a full stack, scopes and flags are as before', () => {
    const w = x().requiresGrad_()
    const deep = (n: number): unknown => tidy(() => noGrad(() => deep(n + 1)))
    for (let i = 0; i < 5; i++) expect(() => deep(0)).toThrow()
    expect(w.mul(2).requiresGrad).toBe(true)
    const left = tidy(() => x())
    expect(left.isDisposed).toBe(false) // no scope of before has it
    expect(tidy(() => tidy(() => left.add(1))).itemSync).toBeDefined()
  })

  describe('a disposed tensor says who disposed it, and what to do', () => {
    const gone: [string, () => Tensor | Promise<Tensor>, RegExp][] = [
      [
        'dispose()',
        () => {
          const t = x()
          t.dispose()
          return t
        },
        /a float32 tensor of shape \[2, 2\], made by ones, was disposed by dispose\(\)\. Hint: dispose it later, or use a clone/,
      ],
      [
        'using',
        () => {
          const t = x()
          t[Symbol.dispose]()
          return t
        },
        /was disposed by using/,
      ],
      [
        'tidy()',
        () => {
          let t = x()
          tidy(() => {
            t = x()
          })
          return t
        },
        /was disposed by tidy\(\)\. Hint: return it from tidy\(\), or keep\(\) it there/,
      ],
      [
        'a result',
        () => {
          const t = x().requiresGrad_().relu()
          t.dispose()
          return t
        },
        /made by relu, was disposed by dispose/,
      ],
      [
        'a module',
        () => {
          const m = new nn.Linear(2, 2, { device })
          m.dispose()
          return m.weight
        },
        /was disposed by Linear\.dispose\(\)/,
      ],
      [
        'the loader',
        async () => {
          const seen: Tensor[] = []
          for await (const [t] of new data.Loader(new data.TensorDataset(x()), { batchSize: 1 })) seen.push(t)
          return seen[0]
        },
        /was disposed by the loader\. Hint: a batch lives until the next is asked for: clone\(\)/,
      ],
    ]
    test.each(gone)('%s', async (_, make, message) => {
      const t = await make()
      expect(() => t.add(1)).toThrow(message)
      expect(() => t.add(1)).toThrow(StateError)
      await expect(t.data()).rejects.toThrow(message)
      expect(String(t)).toMatch(/^Tensor\(\[.*\] float32, \w+, disposed\)$/)
    })
  })

  describe('everything that takes a tensor refuses a disposed one', () => {
    // Arguments to try, until some are accepted for a live tensor.
    const others = (): unknown[][] => [
      [],
      [0],
      [[0]],
      [[2, 2]],
      ['float32'],
      [device],
      [x()],
      [0, 1],
      [x(), x()],
      [
        [
          [0, 0],
          [0, 0],
        ],
      ],
      [zeros([2], { device }).cast('int32')],
      [zeros([1, 1], { device }).cast('int32'), 0],
      [x().cast('bool'), 1],
    ]
    const quiet = new Set(['toString', 'toJSON', 'dispose', 'disposeBy', 'constructor'])
    const methods = Object.entries(Object.getOwnPropertyDescriptors(Tensor.prototype)).flatMap(([name, { value }]) =>
      typeof value === 'function' && !quiet.has(name)
        ? [[name, (t: unknown, ...rest: unknown[]) => value.call(t, ...rest)] as const]
        : [],
    )
    const notOps = new Set(['grad', 'valueAndGrad', 'customGrad']) // they make functions
    const functions = [gradus, losses, metrics].flatMap(space =>
      Object.entries(space).flatMap(([name, value]) =>
        typeof value === 'function' && /^[a-z]/.test(name) && value.length > 0 && !notOps.has(name)
          ? [[name, value as (...args: unknown[]) => unknown] as const]
          : [],
      ),
    )
    const accepted = async (call: (...args: unknown[]) => unknown): Promise<unknown[] | undefined> => {
      for (const args of others()) {
        try {
          await call(x(), ...args)
          return args
        } catch (error) {
          if (!(error instanceof GradusError)) return undefined // told by the tests of errors
        }
      }
      return undefined
    }
    const dead = (): Tensor => {
      const t = x()
      t.dispose()
      return t
    }
    let checked = 0
    test.each([...methods, ...functions])('%s', async (_, call) => {
      const args = await accepted(call)
      if (!args) return
      checked++
      const run = async (): Promise<unknown> => call(dead(), ...args)
      await expect(run()).rejects.toThrow(GradusError)
    })
    test('which are many', () => expect(checked).toBeGreaterThan(120))
  })
})
