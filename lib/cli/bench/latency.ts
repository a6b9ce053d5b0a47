/** How late a timer of 1 ms fires in the same process while work is under way: what a request in a service would wait. */
import { setImmediate } from 'node:timers/promises'
import { zeros } from '../../creation.js'
import { randn } from '../../draws.js'
import { synchronize } from '../../memory.js'
import type { Device } from '../../runtime/device.js'
import { tidy } from '../../scope.js'
import { dense } from '../../train/layers.js'
import { sequential } from '../../train/model.js'

export interface Latency {
  readonly name: string
  readonly device: Device
  /** How often the timer fired. */
  readonly ticks: number
  /** Milliseconds: how late it fired, as percentiles and at most. */
  readonly p50: number
  readonly p99: number
  readonly max: number
  /** Milliseconds until the call that issued the work came back, and until the work was done. */
  readonly issued: number
  readonly done: number
}

/** A repeated timer of 1 ms that writes down how late it is. */
class Lateness {
  readonly late: number[] = []
  private due = 0
  private timer: NodeJS.Timeout | undefined

  start(): void {
    this.due = performance.now() + 1
    this.timer = setTimeout(() => {
      this.late.push(Math.max(0, performance.now() - this.due))
      this.start()
    }, 1)
  }
  stop(): void {
    clearTimeout(this.timer)
    this.late.push(Math.max(0, performance.now() - this.due)) // a timer that never had its turn counts too
  }
}

interface Work {
  readonly name: string
  readonly devices: readonly Device[]
  /** Makes what is needed; the result issues the work. */
  prepare(device: Device, few: boolean): () => Promise<unknown>
}

/** Training of a perceptron with `layers` products of batch × width × width, for so many steps. */
function fit(name: string, devices: readonly Device[], width: number, batch: number, steps: number): Work {
  return {
    name,
    devices,
    prepare(device, few) {
      const size = few ? 64 : width
      const model = sequential([dense(size, { inputShape: [size], activation: 'relu' }), dense(size)], { device })
      model.compile({ optimizer: 'adam', loss: 'meanSquaredError' })
      const n = (few ? 8 : batch) * steps
      const [x, y] = [0, 1].map(() => randn([n, size], { device }))
      return async () => {
        await model.fit(x, y, { batchSize: few ? 8 : batch, verbose: 0 })
        for (const made of [model, x, y]) made.dispose()
      }
    },
  }
}

const works: readonly Work[] = [
  {
    name: 'nothing',
    devices: ['native'],
    prepare: () => () => new Promise(resolve => setTimeout(resolve, 300)),
  },
  {
    name: 'one product, awaited',
    devices: ['native', 'js'],
    prepare(device, few) {
      const n = few ? 64 : device === 'native' ? 4096 : 512
      const a = zeros([n, n], { device })
      return async () => {
        await tidy(() => a.matmul(a).slice(0)).data()
        a.dispose()
      }
    },
  },
  fit('fit, small steps', ['native', 'js'], 64, 32, 100),
  fit('fit, steps of some ms', ['native'], 512, 256, 300),
  fit('fit, steps of a second', ['native'], 4096, 1536, 4),
]

const at = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]

export async function measureLatency(devices: readonly Device[], few: boolean): Promise<Latency[]> {
  const results: Latency[] = []
  for (const { name, devices: own, prepare } of works)
    for (const device of own.filter(d => devices.includes(d))) {
      const issue = prepare(device, few)
      await synchronize()
      await setImmediate()
      const timer = new Lateness()
      timer.start()
      const start = performance.now()
      const work = issue()
      const issued = performance.now() - start
      await work
      timer.stop()
      const done = performance.now() - start
      const late = timer.late.sort((a, b) => a - b)
      results.push({
        name,
        device,
        ticks: late.length,
        p50: at(late, 0.5),
        p99: at(late, 0.99),
        max: at(late, 1),
        issued,
        done,
      })
    }
  return results
}

/** The results as lines. */
export function latencyLines(results: readonly Latency[]): string[] {
  const ms = (value: number): string => value.toFixed(value < 10 ? 2 : 0).padStart(9)
  const head = `${'a timer of 1 ms is late, in ms'.padEnd(32)}${['p50', 'p99', 'max', 'issued', 'done'].map(h => h.padStart(9)).join('')}`
  const line = (r: Latency): string =>
    `${`${r.name} (${r.device})`.padEnd(32)}${[r.p50, r.p99, r.max, r.issued, r.done].map(ms).join('')}`
  return [head, ...results.map(line)]
}
