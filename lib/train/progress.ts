/** How training shows how far it is: a live line on a terminal, plain lines elsewhere, nothing on request. */
import { atOnce } from './given.js'

/** 0: nothing · 1: a live line where there is a terminal, else a line per epoch · 2: a line per epoch. */
export type Verbosity = 0 | 1 | 2

export interface ProgressStream {
  write(text: string): unknown
  readonly isTTY?: boolean
  readonly columns?: number
}

/** Milliseconds between two drawings of the live line. */
const interval = 100
const barWidth = 20

export class Progress {
  private readonly out: ProgressStream
  private readonly live: boolean
  private readonly silent: boolean
  private readonly epochs: number
  private started = 0
  private drawn = 0

  constructor(verbosity: Verbosity | boolean, epochs: number, out: ProgressStream = process.stderr) {
    this.out = out
    this.silent = !verbosity
    this.live = Number(verbosity) === 1 && out.isTTY === true
    this.epochs = epochs
  }

  epochStarts(): void {
    this.started = performance.now()
    this.drawn = 0
  }

  /** Is it time to draw the live line again? Values are only read from the device when it is. */
  get due(): boolean {
    return this.live && performance.now() - this.drawn > interval
  }

  step(epoch: number, step: number, steps: number, values: Record<string, number>): void {
    this.drawn = performance.now()
    const filled = Math.round((barWidth * step) / steps)
    const bar = `${'━'.repeat(filled)}${' '.repeat(barWidth - filled)}`
    const left = ((this.drawn - this.started) / step) * (steps - step)
    this.rewrite(`Epoch ${epoch}/${this.epochs} ${bar} ${step}/${steps} ${seconds(left)} left ${list(values)}`)
  }

  epochEnds(epoch: number, samples: number, values: Record<string, number>): void {
    if (this.silent) return
    const time = performance.now() - this.started
    const rate = Math.round(samples / (time / 1000))
    const text = `Epoch ${epoch}/${this.epochs} ${seconds(time)} ${rate} samples/s ${list(values)}`
    if (this.live) this.rewrite(`${text}\n`)
    else this.write(`${text}\n`)
  }

  /** Leaves the live line whole when training ends early. The error that ended it matters, not one of writing. */
  interrupted(): void {
    if (!this.live || this.drawn === 0) return
    try {
      this.write('\n')
    } catch {}
  }

  private rewrite(text: string): void {
    const width = this.out.columns ?? 80
    this.write(`\r\x1b[2K${text.endsWith('\n') ? text : text.slice(0, width - 1)}`)
  }

  private write(text: string): void {
    atOnce('fit', 'output.write()', this.out.write(text))
  }
}

const seconds = (ms: number): string => (ms < 10_000 ? `${(ms / 1000).toFixed(1)}s` : `${Math.round(ms / 1000)}s`)

const list = (values: Record<string, number>): string =>
  Object.entries(values)
    .map(([name, value]) => `${name}: ${significant(value)}`)
    .join(' ')

/** Four significant digits: 0.6931, 12.35, 1.000e-6. */
function significant(value: number): string {
  const size = Math.abs(value)
  return (size > 0 && size < 1e-3 ? value.toExponential(3) : value.toPrecision(4)).replace('e+', 'e')
}
