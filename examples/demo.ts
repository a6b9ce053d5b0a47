// npm run demo [-- --json]: XOR and MNIST on the native device, XOR and a timed slice of MNIST on the js device.
import { setDevice, systemReport } from 'gradus'
import { type Digits, loadMnist, perceptron, report } from './mnist.js'
import { reliable, trainXor } from './xor.js'

const json = process.argv[2] === '--json'
if (process.argv.length > (json ? 3 : 2)) {
  console.error('usage: npm run demo [-- --json]')
  process.exit(2)
}
const say = (text: string): void => {
  if (!json) console.log(text)
}

const batchSize = 128

async function trainMnist({ train, test }: { train: Digits; test: Digits }) {
  const model = perceptron({ device: 'native' })
  say(model.summary())
  const start = performance.now()
  await model.fit(train.x, train.y, { epochs: 5, batchSize, verbose: json ? 0 : 1 })
  const seconds = (performance.now() - start) / 1000
  const { accuracy } = await report(model, test)
  return { testAccuracy: accuracy, seconds, samplesPerSecond: (5 * train.x.shape[0]!) / seconds }
}

/** Samples per second of training on js, over a few batches after a first one. */
async function timeJs(train: Digits): Promise<number> {
  const count = 4 * batchSize
  const x = train.x.slice([0, count]).to('js')
  const y = train.y.slice([0, count]).to('js')
  const model = perceptron({ device: 'js' })
  await model.fit(x.slice([0, batchSize]), y.slice([0, batchSize]), { batchSize, verbose: 0 })
  const start = performance.now()
  await model.fit(x, y, { batchSize, verbose: 0 })
  return count / ((performance.now() - start) / 1000)
}

const system = systemReport()
if (!system.native.loaded) {
  console.error(`The demo compares the native device with js, but ${system.native.problem}`)
  process.exit(1)
}
setDevice('native')
say('XOR, 8 hidden units, 200 epochs of Adam with learning rate 0.05')
const xor = {
  native: await trainXor(reliable, { device: 'native' }),
  js: await trainXor(reliable, { device: 'js' }),
}
say('\nMNIST, 60,000 digits, 5 epochs')
const digits = await loadMnist('native')
const mnist = { ...(await trainMnist(digits)), jsSamplesPerSecond: await timeJs(digits.train) }

if (json) {
  console.log(JSON.stringify({ xor, mnist, device: 'native', isa: system.native.isa, threads: system.native.threads }))
} else {
  const rate = (n: number): string => Math.round(n).toLocaleString('en')
  console.log('\ndevice  ISA      threads  XOR loss  XOR accuracy  MNIST accuracy  samples/s')
  console.log(
    `native  ${(system.native.isa ?? '').padEnd(8)} ${String(system.native.threads).padEnd(8)} ${xor.native.loss.toFixed(4).padEnd(9)} ${xor.native.accuracy.toFixed(2).padEnd(13)} ${(mnist.testAccuracy * 100).toFixed(2)} %         ${rate(mnist.samplesPerSecond)}`,
  )
  console.log(
    `js      —        1        ${xor.js.loss.toFixed(4).padEnd(9)} ${xor.js.accuracy.toFixed(2).padEnd(13)} (a slice)       ${rate(mnist.jsSamplesPerSecond)}`,
  )
  console.log(`\nnative trains ${(mnist.samplesPerSecond / mnist.jsSamplesPerSecond).toFixed(0)} times as fast as js`)
}
