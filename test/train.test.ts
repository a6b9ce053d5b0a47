import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import {
  dense,
  Generator,
  type LossName,
  layers,
  Model,
  nn,
  noGrad,
  ones,
  optim,
  rand,
  sequential,
  type Tensor,
  tensor,
  zeros,
} from '../lib/index.js'
import { devices } from './harness/devices.js'
import { runNode } from './harness/process.js'

interface Run {
  learningRate: number
  loss: number[]
  accuracy: number[]
  evaluate: { loss: number; accuracy: number }
  predictions: number[]
}
const keras = JSON.parse(readFileSync(new URL('./fixtures/keras_xor.json', import.meta.url), 'utf8')) as {
  x: number[][]
  y: number[][]
  initialWeights: (number[] | number[][])[]
  runs: Run[]
}

const xorModel = (device: 'js' | 'native') =>
  sequential([dense(2, { inputShape: [2], activation: 'sigmoid' }), dense(1, { activation: 'sigmoid' })], { device })

/** Collects what progress writes. */
function capture(isTTY: boolean) {
  const text: string[] = []
  return { text, isTTY, columns: 100, write: (t: string) => text.push(t) }
}

describe.each(devices)('%s', device => {
  test.each(keras.runs)('XOR follows Keras from the same weights, learning rate $learningRate', async run => {
    const model = xorModel(device)
    model.setWeights(keras.initialWeights)
    model.compile({
      optimizer: { name: 'adam', learningRate: run.learningRate },
      loss: 'binaryCrossentropy',
      metrics: ['accuracy'],
    })
    const { history } = await model.fit(keras.x, keras.y, { epochs: 1000, verbose: 0 })
    // float32 over a thousand steps: Keras itself stays within 3e-6 of float64.
    history['loss'].forEach((loss, i) => expect(Math.abs(loss - run.loss[i]), `epoch ${i}`).toBeLessThan(1e-5))
    const differing = history['accuracy'].filter((a, i) => a !== run.accuracy[i]).length
    expect(differing, 'epochs in which a prediction near one half fell on the other side').toBeLessThanOrEqual(4)
    const { loss, accuracy } = await model.evaluate(keras.x, keras.y)
    expect(loss).toBeCloseTo(run.evaluate.loss, 5)
    expect(accuracy).toBe(run.evaluate.accuracy)
    const predictions = (await (await model.predict(keras.x)).flatten().toArray()) as number[]
    predictions.forEach((p, i) => expect(p).toBeCloseTo(run.predictions[i], 4))
  })

  const data = (n: number) => {
    const generator = new Generator(5)
    const x = rand([n, 4], { device, generator })
    return { x, y: x.sum(1, { keepDims: true }) }
  }
  const regression = (seed: number) =>
    new Model([layers.dense(8, { inputShape: [4], activation: 'tanh' }), layers.dropout(0.3), layers.dense(1)], {
      device,
      generator: new Generator(seed),
    }).compile({ optimizer: 'adam', loss: 'meanSquaredError' })
  const weights = async (m: Model) => Promise.all(m.parameters().map(p => p.data()))

  test('interleaved trainings give the same bits as one after the other', async () => {
    const { x, y } = data(64)
    const fit = (m: Model, seed: number) =>
      m.fit(x, y, { epochs: 3, batchSize: 8, verbose: 0, generator: new Generator(seed) })
    const [a, b, c, d] = [regression(1), regression(2), regression(1), regression(2)]
    await Promise.all([fit(a, 11), fit(b, 12)])
    await fit(c, 11)
    await fit(d, 12)
    expect(await weights(a)).toEqual(await weights(c))
    expect(await weights(b)).toEqual(await weights(d))
  })

  test('predicting during training neither disturbs it nor sees dropout', async () => {
    const { x, y } = data(64)
    const [a, b] = [regression(3), regression(3)]
    const fit = (m: Model) => m.fit(x, y, { epochs: 2, batchSize: 8, verbose: 0, generator: new Generator(4) })
    const training = fit(a)
    const p = await a.predict(x)
    expect(p.shape).toEqual([64, 1])
    await training
    await fit(b)
    expect(await weights(a)).toEqual(await weights(b))
    expect(await (await a.predict(x)).data()).toEqual(await (await a.predict(x)).data())
  })

  test('abort rejects with the reason and keeps the history', async () => {
    const { x, y } = data(64)
    const controller = new AbortController()
    const reason = new Error('enough')
    const model = regression(1)
    const fit = model.fit(x, y, {
      epochs: 100,
      verbose: 0,
      signal: controller.signal,
      onEpochEnd: e => e === 2 && controller.abort(reason),
    })
    await expect(fit).rejects.toBe(reason)
    expect(model.history?.epochs).toEqual([1, 2])
    expect(Object.keys(reason)).toEqual([])
    await expect(regression(1).fit(x, y, { signal: AbortSignal.abort('no') })).rejects.toBe('no')
  })

  test('progress: a line per epoch, a live line on a terminal, nothing on request', async () => {
    const { x, y } = data(16)
    const [plain, terminal, silent] = [capture(false), capture(true), capture(true)]
    const m = regression(1)
    await m.fit(x, y, { epochs: 2, output: plain, validationData: [x, y] })
    await m.fit(x, y, { epochs: 1, output: terminal })
    await m.fit(x, y, { epochs: 1, output: silent, verbose: 0 })
    expect(plain.text).toHaveLength(2)
    expect(plain.text[0]).toMatch(/^Epoch 1\/2 \d+\.\ds \d+ samples\/s loss: \d+\.\d+ valLoss: \d+\.\d+\n$/)
    expect(terminal.text.join('')).toMatch(/\r\x1b\[2K.*Epoch 1\/1 /)
    expect(silent.text).toEqual([])
  })

  test('a model of any module, built late, with a summary', async () => {
    class Net extends nn.Module {
      inner = new nn.Linear(4, 3, { device })
      forward(x: Tensor) {
        return this.inner.forward(x)
      }
    }
    expect(new Model(new Net()).summary()).toMatch(/inner {2}Linear\(4, 3\) +15\nParameters: 15$/)
    const late = sequential([dense(3), dense(1)], { device }).compile({ optimizer: 'sgd', loss: 'meanSquaredError' })
    expect(() => late.parameters()).toThrow(/not built yet/)
    const { x, y } = data(8)
    const { history } = await late.fit(x, y, { epochs: 2, verbose: 0 })
    expect(history['loss'][1]).toBeLessThan(history['loss'][0])
    expect(late.parameters()).toHaveLength(4)
  })

  test('a failed step changes nothing and says where', async () => {
    const net = new nn.Sequential(new nn.Embedding(4, 2, { device }), new nn.Flatten(), new nn.Linear(2, 1, { device }))
    const optimizer = new optim.Adam(net.parameters())
    const before = await weights(new Model(net))
    const train = (index: number) => {
      optimizer.zeroGrad()
      net
        .forward(tensor([[index]], { device, dtype: 'int32' }))
        .sum()
        .backward()
      optimizer.step()
    }
    train(9)
    await expect(net.parameters()[0].data()).rejects.toThrow(
      /embedding in Sequential\/0\/Embedding: index 9 at position 0 is out of range/,
    )
    expect(await weights(new Model(net))).toEqual(before)
    train(1)
    expect(await weights(new Model(net))).not.toEqual(before)
    expect(noGrad(() => optimizer.stateDict().state['0']['time'].itemSync())).toBe(1)
  })

  test('mistakes are named', async () => {
    const m = xorModel(device)
    await expect(m.fit([[0, 1]], [[1]])).rejects.toThrow(/not compiled/)
    m.compile({ optimizer: 'adam', loss: 'binaryCrossentropy' })
    await expect(m.fit([], [])).rejects.toThrow(/empty/)
    await expect(m.fit([[0, 1]], [[1], [0]])).rejects.toThrow(/fit: x and y must have equally many rows, got 1 and 2/)
    await expect(m.fit([[0, 1]], [[1]], { epoch: 3 } as never)).rejects.toThrow(/unknown option 'epoch'.*epochs/)
    expect(() => m.setWeights([[1]])).toThrow(/expected 4 arrays, got 1/)
    expect(() => dense(0)).toThrow(/units must be a whole number of at least 1/)
    expect(() => dense(1, { activation: 'rleu' as never })).toThrow(/unknown activation/)
  })
})

describe.each(devices)('edges, %s', device => {
  const tiny = () => sequential([dense(2, { inputShape: [2] }), dense(1)], { device })
  const [x, y] = [zeros([4, 2], { device }), zeros([4, 1], { device })]

  test('a model may give its input back', async () => {
    const model = new Model(new nn.Sequential(new nn.Dropout(0.5)))
    expect(await (await model.predict(ones([3, 2], { device }))).toArray()).toEqual([
      [1, 1],
      [1, 1],
      [1, 1],
    ])
  })
  test('weights are copies, and set all or none', async () => {
    const model = tiny()
    const before = model.getWeights()
    const values = await Promise.all(before.map(w => w.toArray()))
    expect(() =>
      model.setWeights([
        [
          [9, 9],
          [9, 9],
        ],
        [1, 2, 3],
        [[1], [1]],
        [0],
      ]),
    ).toThrow(/array 1 must have the shape \[\d+\], got \[3\]/)
    noGrad(() => model.parameters().forEach(p => p.assign_(7)))
    expect(await Promise.all(before.map(w => w.toArray()))).toEqual(values)
    model.setWeights(before)
    expect(await Promise.all(model.getWeights().map(w => w.toArray()))).toEqual(values)
  })
  test('targets that do not fit are refused by name', async () => {
    const fit = (loss: LossName, target: Tensor) => {
      const model = sequential([dense(3, { inputShape: [2] })], { device })
      model.compile({ optimizer: 'sgd', loss })
      return model.evaluate(zeros([4, 2], { device }), target)
    }
    await expect(fit('categoricalCrossentropy', zeros([4], { device }))).rejects.toThrow(
      /categoricalCrossentropy: targets must have the shape \[4, 3\].*sparseCategoricalCrossentropy/,
    )
    await expect(fit('meanSquaredError', zeros([4, 4], { device }))).rejects.toThrow(/got \[4, 4\]/)
    await expect(fit('binaryCrossentropy', zeros([4, 1], { device }))).rejects.toThrow(/binaryCrossentropy/)
  })
  test('wrong use is refused', async () => {
    const model = tiny()
    expect(() => model.compile({ loss: 'huber' } as never)).toThrow(/compile: optimizer is missing/)
    expect(() => model.compile({ optimizer: 'sgd' } as never)).toThrow(/compile: loss is missing/)
    const metric = { m: (p: Tensor) => p.mean() }.m
    const twice = { optimizer: 'sgd', loss: 'huber', metrics: [metric, metric] } as const
    expect(() => model.compile(twice)).toThrow(/two values would be called 'm'/)
    expect(() => sequential([new nn.ReLU() as never])).toThrow(/sequential: expected layers such as dense/)
    const foreign = new optim.SGD([ones([1], { device }).requiresGrad_()], { learningRate: 1 })
    model.compile({ optimizer: foreign, loss: 'huber' })
    await expect(model.fit(x, y)).rejects.toThrow(/none of the model's parameters/)
    model.compile({ optimizer: { name: 'sgd', momentum: 0.9, learningRate: 0.1 }, loss: 'huber' })
    const fit = (options: object) => model.fit(x, y, { verbose: 0, ...options } as never)
    await expect(fit({ signal: {} })).rejects.toThrow(/fit: signal must be an AbortSignal/)
    await expect(fit({ validationData: [x] })).rejects.toThrow(/fit: validationData must be \[x, y\]/)
    await expect(fit({ onEpochEnd: () => Promise.reject(new Error('mine')) })).rejects.toThrow('mine')
    await fit({})
  })
  test('compiling while fit runs does not disturb it', async () => {
    const model = tiny()
    model.compile({ optimizer: 'adam', loss: 'huber' })
    const onEpochEnd = () => model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' })
    expect((await model.fit(x, y, { epochs: 3, verbose: 0, onEpochEnd })).epochs).toEqual([1, 2, 3])
  })
  // In a process of its own: what other tests have dropped is collected meanwhile.
  test('nothing is left of models that were disposed, nor of fits that were aborted', () => {
    const program = `
      const { dense, memory, nn, Model, optim, sequential, zeros } = gradus
      const [x, y] = [zeros([4, 2], { device }), zeros([4, 1], { device })]
      const count = () => memory()[device].tensors
      const before = count()
      for (let i = 0; i < 3; i++) {
        const model = sequential([dense(2, { inputShape: [2] }), dense(1)], { device })
        model.compile({ optimizer: 'adam', loss: 'huber', metrics: ['mae'] })
        const controller = new AbortController()
        const options = { epochs: 3, verbose: 0, onEpochEnd: () => controller.abort(), signal: controller.signal }
        await model.fit(x, y, options).catch(error => console.log(error.name))
        await model.fit(x, [[0], [0], [0], [0]], { verbose: 0, validationData: [[[1, 2]], [1]] })
        await model.evaluate([[1, 2]], y).catch(error => console.log(error.name))
        ;(await model.predict([[1, 2]])).dispose()
        const old = model.module[1]
        model.module[1] = new nn.Linear(2, 1, { device })
        old.dispose()
        await model.fit(x, y, { verbose: 0 })
        model.summary()
        model.dispose()
      }
      console.log(count() - before)`
    const { out, err } = runNode(`const device = '${device}'\n${program}`)
    expect(err).toBe('')
    expect(out.split('\n')).toEqual([...Array(3).fill(['AbortError', 'ShapeError']).flat(), '0'])
  })
  test('the summary counts parameters that a module has beside its layers', () => {
    class Net extends nn.Module {
      scale = new nn.Parameter(ones([2], { device }))
      layer = new nn.Linear(2, 1, { device })
      forward(x: Tensor): Tensor {
        return this.layer.forward(x.mul(this.scale))
      }
    }
    const text = new Model(new Net()).summary()
    expect(text).toMatch(/^model +Net +2$/m)
    expect(text).toMatch(/^layer +Linear\(2, 1\) +3$/m)
    expect(text).toMatch(/Parameters: 5/)
  })
})
