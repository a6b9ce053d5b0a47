/** No argument of whatever kind makes an op throw an error that is not ours, or a wrong call pass into the machinery. */
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import * as gradus from '../lib/index.js'
import { GradusError, Tensor, tensor, zeros } from '../lib/index.js'
import * as ops from '../lib/ops/index.js'
import { devices } from './harness/devices.js'

type AnyFunction = (...args: unknown[]) => unknown

const creators =
  'tensor full zeros ones eye arange linspace rand uniform randn normal randint zerosLike onesLike concat stack'.split(
    ' ',
  )
const reads = 'data dataSync item itemSync toArray toArraySync'.split(' ')
/** Not for users. */
const internal = ['alias', 'checkSingle']

/** What may be called: functions, and methods of a tensor. */
const functions = Object.entries({ ...gradus, ...ops } as Record<string, unknown>).filter(
  ([name]) => name in ops || creators.includes(name),
) as [string, AnyFunction][]
const methods = Object.entries(Object.getOwnPropertyDescriptors(Tensor.prototype))
  .filter(
    ([name, { value }]) =>
      typeof value === 'function' && name !== 'constructor' && ![...reads, ...internal].includes(name),
  )
  .map(([name]) => name)

function strange(): unknown[] {
  const disposed = zeros([2])
  disposed.dispose()
  const plain = [
    undefined,
    null,
    true,
    'x',
    '',
    'float32',
    'int32',
    1n,
    Symbol('s'),
    () => 0,
    new Date(0),
    new Map(),
    /x/,
  ]
  const numbers = [Number.NaN, Number.POSITIVE_INFINITY, -1, -0, 0, 1, 2, 3, 2.5, -(2 ** 31), 2 ** 53, 1e308]
  const lists = [
    [],
    [0],
    [1],
    [2, 3],
    [-1],
    [0, 0],
    [Number.NaN],
    ['x'],
    [undefined],
    [null],
    [[1, 2]],
    [{}],
    [1n],
    [2 ** 53],
  ]
  const objects = [
    {},
    Object.create(null),
    { keepDims: true },
    { keepDims: 'x' },
    { dim: 0 },
    { axis: 0 },
    { dtype: 'x' },
    { device: 'x' },
    { generator: {} },
    { value: 'x' },
    { correction: null },
    { approximate: 1 },
    { shape: [2], dtype: 'float32' },
    Object.create({ storage: 1 }),
    new Proxy({}, {}),
    { constructor: 1 },
  ]
  const tensors = [
    zeros([2, 3]),
    zeros([2, 3], { requiresGrad: true }),
    zeros([]),
    zeros([0, 2]),
    tensor([1, 0], { dtype: 'int32' }),
    tensor([true, false]),
    tensor([1, 2], { dtype: 'float64' }),
    zeros([1, 1, 1, 1, 1, 1, 1, 1]),
    zeros([2], { device: 'js' }),
    disposed,
    [zeros([2]), zeros([2])],
    [zeros([2]), 1],
    [disposed],
  ]
  return [
    ...plain,
    ...numbers,
    ...lists,
    ...objects,
    ...tensors,
    new Float32Array(2),
    new Uint8Array(3),
    new ArrayBuffer(8),
  ]
}

/** A promise that nobody waits for must not be reported as unhandled. */
const settle: Promise<unknown>[] = []

function call(fn: AnyFunction, args: unknown[], self?: unknown): void {
  try {
    const y = fn.apply(self, args)
    if (y instanceof Promise)
      settle.push(
        y.catch(e => {
          if (!(e instanceof GradusError)) throw e
        }),
      )
    else if (y instanceof Tensor) y.dataSync()
  } catch (e) {
    if (e instanceof GradusError && !/bug in Gradus/.test(e.message)) return
    const shown = args.map(a => gradus.Tensor && (a instanceof Tensor ? String(a) : inspected(a))).join(', ')
    throw new Error(`(${shown}): ${String(e)}`, { cause: e })
  }
}
function inspected(a: unknown): string {
  return typeof a === 'function'
    ? 'function'
    : typeof a === 'object' && a
      ? `${Object.prototype.toString.call(a)} ${Object.keys(a)} ${Array.isArray(a) ? a.map(inspected) : ''}`
      : String(a)
}

const runs = { seed: 11, numRuns: 120 }

describe.each(devices)('%s', device => {
  gradus.setDevice(device)
  const values = strange()
  const some = (most: number) => fc.array(fc.constantFrom(...values), { maxLength: most })
  afterAll(async () => {
    await Promise.all(settle)
  })

  it.each(functions)('%s of anything', (_, fn) => {
    gradus.setDevice(device)
    fc.assert(
      fc.property(some(4), args => call(fn, args)),
      runs,
    )
  })
  it.each(functions.filter(([name]) => name in ops))('%s of a tensor and anything', (_, fn) => {
    gradus.setDevice(device)
    fc.assert(
      fc.property(some(3), args => call(fn, [zeros([2, 3], { requiresGrad: true }), ...args])),
      runs,
    )
  })
  it.each(methods)('Tensor.%s of anything', name => {
    gradus.setDevice(device)
    fc.assert(
      fc.property(some(3), args => {
        const x = zeros([2, 3])
        call((x as unknown as Record<string, AnyFunction>)[name], args, x)
      }),
      runs,
    )
  })
  it('there is something to call', () => expect(functions.length + methods.length).toBeGreaterThan(150))
})
