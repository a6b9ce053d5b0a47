// Gradus beside PyTorch on the same machine: samples in turns, medians, ratios. Needs `npm run build`, and a Python with
// torch and numpy:
//   node bench/rivals.mjs [python]
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setImmediate } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Generator, losses, nn, optim, randint, randn, synchronizeSync, systemReport, tidy } from '../dist/index.js'

const turns = 15
/** Milliseconds of one sample. */
const sampleTime = 100

const generator = new Generator(1)
const normal = (...shape) => randn(shape, { generator })

/** Whole training steps: forward, cross-entropy, backward, Adam. */
function perceptron(sizes, batch) {
  const linear = sizes.slice(1).map((n, i) => new nn.Linear(sizes[i], n))
  const net = new nn.Sequential(...linear.flatMap((layer, i) => (i > 0 ? [new nn.ReLU(), layer] : [layer])))
  const [x, y] = [normal(batch, sizes[0]), randint([batch], 0, sizes.at(-1), { generator })]
  const optimizer = new optim.Adam(net.parameters())
  return () =>
    tidy(() => {
      optimizer.zeroGrad()
      losses.crossEntropy(net.forward(x), y).backward()
      optimizer.step()
    })
}
const op = (make, run) => {
  const inputs = make()
  return () => tidy(() => void run(...inputs))
}

/** Name, and what runs once. The same names are in torch_rival.py. */
const cases = {
  'MLP 784-512-256-10, batch 128, Adam': perceptron([784, 512, 256, 10], 128),
  'MLP 784-128-10, batch 32, Adam': perceptron([784, 128, 10], 32),
  'MLP 16-32-10, batch 32, Adam': perceptron([16, 32, 10], 32),
  'matmul 512×512×512': op(
    () => [normal(512, 512), normal(512, 512)],
    (a, b) => a.matmul(b),
  ),
  'matmul 128×512×784': op(
    () => [normal(128, 784), normal(784, 512)],
    (a, b) => a.matmul(b),
  ),
  'matmul 64×64×64': op(
    () => [normal(64, 64), normal(64, 64)],
    (a, b) => a.matmul(b),
  ),
  'add 1,048,576': op(
    () => [normal(1 << 20), normal(1 << 20)],
    (a, b) => a.add(b),
  ),
  'exp 1,048,576': op(
    () => [normal(1 << 20)],
    x => x.exp(),
  ),
  'gelu 1,048,576': op(
    () => [normal(1 << 20)],
    x => x.gelu(),
  ),
  'sum of 1024×1024 over rows': op(
    () => [normal(1024, 1024)],
    x => x.sum(1),
  ),
  'softmax 1024×1024': op(
    () => [normal(1024, 1024)],
    x => x.softmax(),
  ),
  'add [1]': op(
    () => [normal(1)],
    x => x.add(x),
  ),
}

/** Seconds per repetition, over about `sampleTime`, up to the point where all is done. */
async function sample(run, repetitions) {
  await setImmediate()
  const start = performance.now()
  for (let i = 0; i < repetitions; i++) run()
  synchronizeSync()
  return (performance.now() - start) / 1000 / repetitions
}

/** The Python side: one line in, one number out. */
async function rival(python) {
  const child = spawn(
    python,
    [fileURLToPath(new URL('torch_rival.py', import.meta.url)), String(systemReport().native.threads)],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  )
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const ask = async (...words) => {
    child.stdin.write(`${words.join('\t')}\n`)
    const { value, done } = await lines.next()
    if (done) throw new Error('the Python side has ended')
    return value
  }
  const version = await ask('version')
  return {
    version,
    sample: async (name, repetitions) => Number(await ask(name, repetitions)),
    end: () => {
      child.stdin.end()
      return once(child, 'exit')
    },
  }
}

const median = list => list.toSorted((a, b) => a - b)[list.length >> 1]

async function repetitionsFor(take) {
  let n = 1
  for (;;) {
    const time = (await take(n)) * n * 1000
    if (time > sampleTime) return n
    n = Math.ceil(n * Math.min(10, Math.max(1.5, (1.2 * sampleTime) / time)))
  }
}

const torch = await rival(process.argv[2] ?? 'python3')
const { cpu, native } = systemReport()
console.log(
  `${cpu.model}, ${native.threads} threads, gradus ${native.isa}, Node ${process.version}, PyTorch ${torch.version}\n`,
)
console.log('| | Gradus | PyTorch | PyTorch / Gradus |\n|---|--:|--:|--:|')
const text = s => (s < 1e-3 ? `${(s * 1e6).toPrecision(3)} µs` : `${(s * 1e3).toPrecision(3)} ms`)
for (const [name, run] of Object.entries(cases)) {
  const ours = n => sample(run, n)
  const theirs = n => torch.sample(name, n)
  const [a, b] = [await repetitionsFor(ours), await repetitionsFor(theirs)]
  const times = { ours: [], theirs: [] }
  for (let turn = 0; turn < turns; turn++) {
    times.ours.push(await ours(a))
    times.theirs.push(await theirs(b))
  }
  const [m, t] = [median(times.ours), median(times.theirs)]
  const ratio = median(times.ours.map((own, i) => times.theirs[i] / own))
  console.log(`| ${name} | ${text(m)} | ${text(t)} | ${ratio.toFixed(2)}× |`)
}
await torch.end()
