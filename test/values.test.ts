// What users hand in as values, and what is handed out to them.
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import {
  arange,
  concat,
  type Data,
  data,
  dense,
  eye,
  full,
  GradientError,
  GradusError,
  keep,
  linspace,
  memory,
  noGrad,
  normal,
  ones,
  onesLike,
  rand,
  randint,
  randn,
  ShapeError,
  sequential,
  stack,
  Tensor,
  tensor,
  tidy,
  uniform,
  type Values,
  zeros,
  zerosLike,
} from '../lib/index.js'
import { devices } from './harness/devices.js'

type ResizableBuffer = ArrayBuffer & { resize(bytes: number): void }
const resizableBuffer = (bytes: number): ResizableBuffer =>
  new (ArrayBuffer as unknown as new (bytes: number, options: object) => ResizableBuffer)(bytes, { maxByteLength: 64 })
const Foreign = runInNewContext('({ Float32Array, Array, SharedArrayBuffer })')
const shared = (values: number[]) => {
  const array = new Float32Array(new SharedArrayBuffer(4 * values.length))
  array.set(values)
  return array
}
const resizable = (values: number[]) => {
  const array = new Float32Array(resizableBuffer(4 * values.length))
  array.set(values)
  return array
}
const f32 = (...values: number[]) => Float32Array.from(values)
const f64 = (...values: number[]) => Float64Array.from(values)

describe.each(devices)('%s', device => {
  const x = () => arange(6, { device, dtype: 'float32' }).reshape([2, 3])

  describe('arrays that are handed out cannot change a tensor', () => {
    const made: [string, () => Tensor][] = [
      ['created', () => zeros([2, 3], { device })],
      ['computed', () => x().relu()],
      ['viewed', () => x().transpose()],
      ['reduced', () => x().sum(0)],
      [
        'its gradient',
        () => {
          const w = x().requiresGrad_()
          w.sum().backward()
          return w.grad!
        },
      ],
    ]
    test.each(made)('%s', (_, make) => {
      const t = make()
      const [size, total] = [t.size, t.sum().itemSync()]
      for (const list of [t.shape, t.strides] as number[][]) {
        expect(() => (list[0] = 1)).toThrow(TypeError)
        expect(() => list.push(1)).toThrow(TypeError)
      }
      expect(t.shape).toBe(t.shape)
      expect([t.size, t.sum().itemSync()]).toEqual([size, total])
    })

    test('nor does what was handed in', () => {
      const shape = [2, 3]
      const ranges = [0, 2] as [number, number]
      const given: Tensor[] = [zeros(shape, { device }), x().reshape(shape), zeros([1, 3], { device }).expand(shape)]
      const part = x().requiresGrad_().slice(ranges)
      shape[0] = ranges[1] = 1
      for (const t of given) expect([t.shape, t.size]).toEqual([[2, 3], 6])
      expect(shape).toEqual([1, 3])
      part.sum().backward()
    })

    test('shapes that are subclasses of Array are read as numbers only', () => {
      class Sizes extends Array<number> {}
      const y = x().reshape(Sizes.of(3, -1))
      expect(y.shape.constructor).toBe(Array)
      expect(y.shape).toEqual([3, 2])
    })

    test('tensors of a dataset, layers and input shapes of a model', () => {
      const tensors = [x(), x()]
      const set = new data.TensorDataset(...tensors)
      expect(() => (set.tensors as Tensor[]).pop()).toThrow(TypeError)
      const inputShape = [3]
      const layers = [dense(2, { inputShape }), dense(1)]
      const model = sequential(layers, { device })
      inputShape[0] = 7
      layers.pop()
      expect(layers[0].inputShape).toEqual([3])
      expect(model.parameters().length).toBe(4)
    })
  })

  describe('values', () => {
    const rows: [string, () => Values, string, unknown][] = [
      [
        'rows as typed arrays',
        () => [f32(1, 2), f32(3, 4)],
        'float32',
        [
          [1, 2],
          [3, 4],
        ],
      ],
      [
        'rows as typed arrays, deeper',
        () => [
          [f32(1), f32(2)],
          [f32(3), f32(4)],
        ],
        'float32',
        [
          [[1], [2]],
          [[3], [4]],
        ],
      ],
      [
        'typed and plain rows',
        () => [[1, 2], f32(3, 4), Uint8Array.of(5, 6)],
        'float32',
        [
          [1, 2],
          [3, 4],
          [5, 6],
        ],
      ],
      ['rows of integers', () => [Uint8Array.of(1), Int16Array.of(-1)], 'int32', [[1], [-1]]],
      ['rows of integers and bools', () => [Uint8Array.of(2), [true]], 'int32', [[2], [1]]],
      ['rows of float64', () => [[1], f64(0.1)], 'float64', [[1], [0.1]]],
      ['float64', () => f64(0.1), 'float64', [0.1]],
      ['rows of 64 bits', () => [BigInt64Array.of(-1n), [2]], 'float32', [[-1], [2]]],
      ['unsigned 64 bits', () => BigUint64Array.of(7n), 'int32', [7]],
      ['bigints', () => [1n, -2n], 'int32', [1, -2]],
      ['bigints and numbers', () => [1n, 0.5], 'float32', [1, 0.5]],
      ['bools', () => [[true, false]], 'bool', [[true, false]]],
      ['a bool, then numbers', () => [[true, 22, 7.25]], 'float32', [[1, 22, 7.25]]],
      ['a number far behind bools', () => [[true], [false], [2]], 'float32', [[1], [0], [2]]],
      ['a Buffer', () => Buffer.from([1, 255]), 'int32', [1, 255]],
      ['nothing', () => [], 'float32', []],
      ['rows of nothing', () => [[], []], 'float32', [[], []]],
      ['an array of another realm', () => new Foreign.Float32Array([1, 2]), 'float32', [1, 2]],
      ['rows of another realm', () => Foreign.Array.of(new Foreign.Float32Array([1]), f32(2)), 'float32', [[1], [2]]],
      ['memory that threads share', () => shared([1, 2]), 'float32', [1, 2]],
      ['memory that can be resized', () => resizable([1, 2]), 'float32', [1, 2]],
      ['64 dims', () => Array.from({ length: 63 }).reduce<Values>(v => [v], [5]), 'float32', undefined],
      ['part of memory', () => f32(0, 1, 2, 3).subarray(1, 3), 'float32', [1, 2]],
    ]
    test.each(rows)('%s', async (_, make, dtype, value) => {
      const t = tensor(make(), { device })
      expect(t.dtype).toBe(dtype)
      if (value) expect(await t.toArray()).toEqual(value)
      else expect(await t.data()).toEqual(f32(5))
    })

    test.skipIf(!('Float16Array' in globalThis))('half precision is widened', async () => {
      const half: Float32Array = Reflect.construct(Reflect.get(globalThis, 'Float16Array'), [[0.5, 2]])
      expect(tensor(half, { device }).dtype).toBe('float32')
      expect(await tensor([half, [1, 3]], { device }).toArray()).toEqual([
        [0.5, 2],
        [1, 3],
      ])
    })

    test.each([shared, resizable])('are read once, at the call', async make => {
      const array = make([1, 2])
      const [t, row] = [tensor(array, { device }), tensor([array], { device })]
      array.fill(7)
      expect(await t.toArray()).toEqual([1, 2])
      expect(await row.toArray()).toEqual([[1, 2]])
    })

    test('of a tensor: a copy without history, as in PyTorch', async () => {
      const w = x().requiresGrad_()
      const y = tensor(w, { dtype: 'int32' })
      const z = tensor(w, [3, 2], { requiresGrad: true })
      noGrad(() => w.assign_(0))
      expect([y.requiresGrad, y.dtype, y.device]).toEqual([false, 'int32', device])
      expect(await y.toArray()).toEqual([
        [0, 1, 2],
        [3, 4, 5],
      ])
      expect(await z.toArray()).toEqual([
        [0, 1],
        [2, 3],
        [4, 5],
      ])
      expect([z.isLeaf, z.requiresGrad]).toEqual([true, true])
      for (const to of devices) expect(await tensor(x(), { device: to }).sum().item()).toBe(15)
    })
  })

  describe('what is no value', () => {
    const cyclic: unknown[] = []
    cyclic.push(cyclic)
    const [one, two]: unknown[][] = [[], []]
    one.push(two, two)
    two.push(one, one)
    const deep = Array.from({ length: 1e5 }).reduce(v => [v], 1)
    let again: unknown[] = [1, 1]
    for (let i = 0; i < 40; i++) again = [again, again]
    const broad = Array.from({ length: 60 }).reduce(v => [v, v], 1)
    const away = f32(1, 2)
    structuredClone(away.buffer, { transfer: [away.buffer as ArrayBuffer] })
    const cut = resizableBuffer(8)
    const beyond = new Float32Array(cut, 4, 1)
    cut.resize(4)
    const holes = [1, 2, 3]
    delete holes[1]
    const cases: [string, unknown, RegExp][] = [
      [
        'a text',
        [
          [1, 2],
          [3, 4],
          ['x', 5],
        ],
        /DTypeError: tensor: expected numbers, got 'x' at \[2\]\[0\]. Hint: convert texts/,
      ],
      ['a text of digits', [[1, '2']], /got '2' at \[0\]\[1\]/],
      ['null', [[1, null]], /expected numbers, got null at \[0\]\[1\]. Hint: leave missing values out/],
      ['undefined', [[1], [undefined]], /got undefined at \[1\]\[0\]/],
      ['undefined first', [undefined, [1]], /got undefined at \[0\]/],
      ['a hole', holes, /got a hole at \[1\]/],
      ['a date', [new Date(0)], /got a Date at \[0\]. Hint: use its getTime/],
      ['an object', [{}], /got an Object at \[0\]/],
      ['a symbol', [Symbol('s')], /got Symbol\(s\) at \[0\]/],
      ['a function', [() => 1], /got a function at \[0\]/],
      ['a tensor', [ones([2], { device })], /got a Tensor at \[0\]. Hint: use stack\(\) or concat\(\)/],
      ['a row as number', [[1, 2], 3], /ShapeError: .* ragged: expected 2 values in row \[1\], got 3. Hint/],
      [
        'a short row',
        [
          [[1], [2]],
          [[1], []],
        ],
        /expected 1 values in row \[1\]\[1\], got 0/,
      ],
      ['a short typed row', [f32(1, 2), f32(1)], /expected 2 values in row \[1\], got 1/],
      ['a row too deep', [[1], [[2]]], /expected numbers, got an array of 1 at \[1\]\[0\]. Hint: all rows/],
      ['a typed row too deep', [1, f32(1)], /expected numbers, got a Float32Array at \[1\]/],
      ['a range', [1, 2 ** 31], /DTypeError: tensor: 2147483648 at \[1\] is not an int32 value/],
      ['64 bits', BigUint64Array.of(1n, 2n ** 63n), /9223372036854776000 at \[1\] is not an int32 value/],
      [
        'itself',
        cyclic,
        /ShapeError: tensor: arrays are nested more than 64 deep. Hint: does one of them contain itself/,
      ],
      ['one array, again and again', again, /no memory for an array of 2199023255552 elements/],
      ['each other', one, /nested more than 64 deep/],
      ['too deep', deep, /nested more than 64 deep/],
      ['too many', broad, /too many elements/],
      ['an ArrayBuffer', new ArrayBuffer(8), /got an ArrayBuffer. Hint: say how to read it, as with new Float32Array/],
      ['a DataView', new DataView(new ArrayBuffer(8)), /got a DataView. Hint: say how to read it/],
      ['a Set', new Set([1]), /got a Set. Hint: spread it/],
      ['a Map in a list', [new Map()], /got a Map at \[0\]/],
      ['a promise', Promise.resolve(1), /got a Promise. Hint: await it first/],
      ['nothing', undefined, /expected numbers, nested arrays or a typed array, got undefined/],
      ['a text alone', '1', /got '1'/],
      ['memory given away', away, /OptionError: tensor: got a Float32Array whose memory was transferred away/],
      ['a row of memory given away', [away], /whose memory was transferred away/],
      ['memory cut off', beyond, /whose memory was transferred away or cut off/],
    ]
    test.each(cases)('%s', (name, values, message) => {
      const before = memory()[device]!.tensors
      const dtype = name === 'a range' ? 'int32' : undefined
      let error: unknown
      try {
        tensor(values as Values, { device, dtype })
      } catch (e) {
        error = e
      }
      expect(error).toBeInstanceOf(GradusError)
      expect(String(error)).toMatch(message)
      expect(memory()[device]!.tensors).toBeLessThanOrEqual(before)
    })
  })

  test('arrays that cannot be adopted leave nothing behind', async () => {
    const values = [
      shared([1]),
      resizable([1]),
      new Foreign.Float32Array([1]),
      f32(1, 2).subarray(1),
      f64(1),
      [1],
      Buffer.from([1]),
    ]
    const before = memory()[device]!.tensors
    for (const value of values)
      expect(() => tensor(value as Values, { device, dtype: 'float32', adopt: true })).toThrow(
        /adopt needs a typed array/,
      )
    expect(() => tensor(f32(1), [2], { device, adopt: true })).toThrow(ShapeError)
    expect(() => tensor(Int32Array.of(1), { device, adopt: true, requiresGrad: true })).toThrow(GradientError)
    expect(memory()[device]!.tensors).toBeLessThanOrEqual(before)
    // Some versions of Node give the memory of WebAssembly away.
    const WasmApi = Reflect.get(globalThis, 'WebAssembly')
    const pages: { buffer: ArrayBuffer } = Reflect.construct(Reflect.get(WasmApi, 'Memory'), [{ initial: 1 }])
    const wasm = new Float32Array(pages.buffer)
    try {
      tensor(wasm, { device, adopt: true }).dispose()
    } catch (error) {
      expect(String(error)).toMatch(/OptionError: tensor: adopt needs memory that can be given away/)
    }
    expect(memory()[device]!.tensors).toBeLessThanOrEqual(before)
    expect(await x().sum().item()).toBe(15)
  })

  test.each<[string, () => Data, () => Data]>([
    ['Float64Array rows', () => [f64(0, 1), f64(1, 0)], () => [f64(0), f64(1)]],
    [
      'float64 tensors',
      () =>
        tensor(
          [
            [0, 1],
            [1, 0],
          ],
          { dtype: 'float64', device },
        ),
      () => tensor(f64(0, 1), [2, 1], { device }),
    ],
    [
      'float64 tensors of js',
      () =>
        tensor(
          [
            [0, 1],
            [1, 0],
          ],
          { dtype: 'float64', device: 'js' },
        ),
      () => [[0], [1]],
    ],
  ])('a model takes %s', async (_, makeX, makeY) => {
    const model = sequential([dense(1, { inputShape: [2] })], { device })
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' })
    const [inputs, targets] = [makeX(), makeY()]
    await model.fit(inputs, targets, { epochs: 1, verbose: 0 })
    expect(await model.evaluate(inputs, targets)).toHaveProperty('loss')
    expect((await model.predict(inputs)).dtype).toBe('float32')
  })
})

describe('creators', () => {
  const makers = { zeros, ones, rand, randn }
  test.each(Object.entries(makers) as [string, typeof zeros][])(
    '%s takes sizes one by one, as in PyTorch',
    (_, make) => {
      expect(make(3).shape).toEqual([3])
      expect(make(2, 3).shape).toEqual([2, 3])
      expect(make(2, 3, { dtype: 'float64', device: 'js' }).dtype).toBe('float64')
      expect(make([], { device: 'js' }).shape).toEqual([])
      expect(make(0, { device: 'js' }).shape).toEqual([0])
    },
  )

  test.each<[string, () => unknown, RegExp]>([
    ['zeros()', () => Reflect.apply(zeros, null, []), /zeros: expected a shape \(an array of sizes\), got undefined/],
    ['zeros(null)', () => zeros(null as never), /zeros: expected a shape .*, got null/],
    ['zeros("3")', () => zeros('3' as never), /zeros: expected a shape .*, got '3'/],
    ['zeros(2, "3")', () => zeros(2, '3' as never), /zeros: options must be an object, got '3'/],
    ['zeros(2, -3)', () => zeros(2, -3), /zeros: sizes must be whole numbers of at least 0/],
    ['zeros([2], null)', () => zeros([2], null as never), /zeros: options must be an object, got null/],
    ['zeros({ dtype })', () => zeros({ dtype: 'int32' } as never), /zeros: expected a shape/],
    [
      'zeros of a typed array',
      () => zeros(new Int32Array(2) as never),
      /zeros: expected a shape .*, got an Int32Array/,
    ],
    [
      'randint(0, 10, [3])',
      () => randint(0 as never, 10, [3] as never),
      /randint: expected the shape first.*as in randint\(\[2, 3\], 0, 10\)/,
    ],
    [
      'randint(10, [3])',
      () => randint(10 as never, [3] as never, undefined as never),
      /randint: expected the shape first/,
    ],
    ['full(3, 1)', () => full(3 as never, 1), /full: expected a shape .*, got 3\. Hint: put it in brackets: \[3\]/],
    [
      'tensor(…, dtype)',
      () => tensor([1], 'int32' as never),
      /options must be an object, got 'int32'\. Hint: write \{ dtype: 'int32' \}/,
    ],
    ['dtype float', () => zeros([1], { dtype: 'float' as never }), /got 'float'\. Hint: did you mean 'float32'/],
    [
      'to(dtype)',
      () => ones([1]).to('float64' as never),
      /to: expected 'native' or 'js', got 'float64'\. Hint: for a dtype: cast\('float64'\)/,
    ],
    [
      'a loader of a tensor',
      () => new data.Loader(ones([2]) as never),
      /Loader: expected a dataset .*Hint: wrap tensors/,
    ],
    [
      'a dataset of a list',
      () => new data.TensorDataset([ones([2])] as never),
      /expected tensors, got an array of 1\. Hint: new TensorDataset\(x, y\)/,
    ],
    ['arange()', () => Reflect.apply(arange, null, []), /arange: end must be a finite number, got undefined/],
    [
      'new Tensor([1])',
      () => Reflect.construct(Tensor, [[1]]),
      /Tensor: tensors are made by functions. Hint: use tensor/,
    ],
  ])('%s', (_, run, message) => {
    expect(run).toThrow(message)
    expect(run).toThrow(GradusError)
  })

  // What no creator may answer with a raw TypeError.
  const odd: unknown[] = [
    undefined,
    null,
    Number.NaN,
    -1,
    0.5,
    1e300,
    2n,
    '3',
    true,
    Symbol('s'),
    [],
    {},
    [null],
    [[2]],
    () => 1,
    new Date(0),
    new Map(),
    new Proxy({}, {}),
    Object.create(null),
    zeros([2]),
    { dtype: 'int32' },
    { device: 'gpu' },
    { generator: 1 },
    new Int32Array(2),
  ]
  const all = {
    arange,
    eye,
    full,
    linspace,
    normal,
    ones,
    onesLike,
    rand,
    randint,
    randn,
    tensor,
    uniform,
    zeros,
    zerosLike,
    keep,
    tidy,
    noGrad,
    TensorDataset: (...args: never[]) => new data.TensorDataset(...args),
    parseIdx: data.parseIdx,
    concat,
    stack,
  }
  test.each(Object.entries(all))('%s answers whatever it is given', (_, make) => {
    for (const a of odd)
      for (const b of odd)
        for (const rest of [[], [b], [b, a], [[2], b], [[2], 0, b]]) {
          try {
            const y: unknown = Reflect.apply(make, null, [a, ...rest])
            if (y instanceof Tensor) y.dispose()
          } catch (error) {
            if (!(error instanceof GradusError)) throw error
          }
        }
  })

  const methods = [
    'requiresGrad_',
    'detach',
    'data',
    'dataSync',
    'item',
    'itemSync',
    'toArray',
    'toArraySync',
    'to',
    'backward',
    'clone',
    'contiguous',
    'cast',
  ] as const
  test.each(methods)('x.%s answers whatever it is given', async name => {
    for (const a of odd) {
      const x = ones([1])
      try {
        await Reflect.apply(x[name], x, [a])
      } catch (error) {
        if (!(error instanceof GradusError)) throw error
      }
    }
    const x = ones([1]).requiresGrad_()
    for (const a of odd) if (a !== null) expect(() => Reflect.set(x, 'grad', a)).toThrow(GradusError)
  })
})

describe('files', () => {
  test('loadIdx wants a path', async () => {
    await expect(data.loadIdx(undefined as never)).rejects.toThrow(/loadIdx: expected a path, got undefined/)
  })

  test('of a Buffer, parseIdx gives an array of its own', () => {
    for (const bytes of [
      Buffer.from([0, 0, 8, 1, 0, 0, 0, 2, 7, 9]),
      new Uint8Array(shared([0, 0, 0]).buffer, 0, 10),
    ]) {
      bytes.set([0, 0, 8, 1, 0, 0, 0, 2, 7, 9])
      const { data: values } = data.parseIdx(bytes)
      bytes.fill(0)
      expect(Object.getPrototypeOf(values)).toBe(Uint8Array.prototype)
      expect([...values]).toEqual([7, 9])
      expect(values.buffer).toBeInstanceOf(ArrayBuffer)
    }
  })
})
