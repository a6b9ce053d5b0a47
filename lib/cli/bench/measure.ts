/** Timing: samples that are long enough, taken in turns, summed up by median and interquartile range. */
import { performance } from 'node:perf_hooks'

/** How long and how often; `--quick` has smaller numbers, which say that a case runs, not how fast. */
export interface Plan {
  /** Milliseconds of running before anything counts: compilers, caches, clocks and pools settle. */
  readonly warmUp: number
  /** Milliseconds that a sample takes at least. Waking the executor costs up to 0.04 of them. */
  readonly sample: number
  /** Samples of a series: wanted, and the least where they are slow. */
  readonly samples: number
  readonly fewest: number
  /** Milliseconds for the samples of one case. */
  readonly box: number
  /** Pairs of series for the noise band. */
  readonly pairs: number
}
export const thorough: Plan = { warmUp: 50, sample: 4, samples: 15, fewest: 3, box: 700, pairs: 4 }
export const quick: Plan = { warmUp: 1, sample: 0.2, samples: 3, fewest: 3, box: 10, pairs: 1 }

/** Times of one repetition. */
export interface Series {
  /** Nanoseconds. */
  readonly median: number
  /** Interquartile range, as a share of the median. */
  readonly spread: number
  /** Nanoseconds, in the best sample. */
  readonly fastest: number
  readonly samples: number
  /** Repetitions in each sample. */
  readonly repetitions: number
}

/** Something to time: `run` issues one repetition, `finish` blocks until all that was issued is done. */
export interface Subject {
  run(): void | Promise<void>
  finish(): void
}

/** The value below which a share `q` of the sorted values lies, by linear interpolation. */
export function quantile(sorted: readonly number[], q: number): number {
  const at = (sorted.length - 1) * q
  const low = Math.floor(at)
  const high = Math.min(low + 1, sorted.length - 1)
  return sorted[low] + (at - low) * (sorted[high] - sorted[low])
}

/** Takes samples of a subject. */
export class Timer {
  private repetitions = 1
  /** Milliseconds of the last sample. */
  private last = 0
  private readonly times: number[] = []
  private readonly subject: Subject

  constructor(subject: Subject) {
    this.subject = subject
  }
  /** Another series of the same, in samples of the same length. */
  twin(): Timer {
    const timer = new Timer(this.subject)
    timer.repetitions = this.repetitions
    timer.last = this.last
    return timer
  }

  /** Milliseconds of `repetitions` runs between two points at which nothing is under way. */
  private async time(): Promise<number> {
    const { subject } = this
    const start = performance.now()
    for (let i = 0; i < this.repetitions; i++) {
      const running = subject.run()
      if (running) await running
    }
    subject.finish()
    this.last = performance.now() - start
    return this.last
  }

  /** Runs for a while, and chooses as many repetitions as make a sample long enough. */
  async warmUp({ warmUp, sample }: Plan): Promise<void> {
    const end = performance.now() + warmUp
    do {
      const time = await this.time()
      if (time < sample)
        this.repetitions = Math.ceil(this.repetitions * Math.min(8, Math.max(1.2, (1.2 * sample) / time)))
      else if (time > 2 * sample) this.repetitions = Math.ceil((this.repetitions * 1.2 * sample) / time)
    } while (performance.now() < end || this.last < sample)
  }

  async take(count: number): Promise<void> {
    for (let i = 0; i < count; i++) this.times.push((await this.time()) / this.repetitions)
  }

  /** Milliseconds that a sample takes. */
  get expected(): number {
    return this.last
  }

  series(): Series {
    const sorted = this.times.toSorted((a, b) => a - b)
    const median = quantile(sorted, 0.5)
    return {
      median: median * 1e6,
      spread: (quantile(sorted, 0.75) - quantile(sorted, 0.25)) / median,
      fastest: sorted[0] * 1e6,
      samples: sorted.length,
      repetitions: this.repetitions,
    }
  }
}

/** Takes samples in turns. Where one timer is slow there are fewer turns, and the fast ones take several samples in each. */
async function takeTurns(timers: readonly Timer[], { samples, fewest, box }: Plan): Promise<Series[]> {
  const turnTime = timers.reduce((sum, timer) => sum + timer.expected, 0)
  const turns = Math.min(samples, Math.max(fewest, Math.floor(box / turnTime)))
  const perTurn = Math.ceil(samples / turns)
  const affordable = box / (timers.length * turns)
  for (let turn = 0; turn < turns; turn++)
    for (const timer of timers)
      await timer.take(Math.max(1, Math.min(perTurn, Math.floor(affordable / timer.expected))))
  return timers.map(timer => timer.series())
}

/** Times subjects in turns, so that a change of clock or load meets all of them. */
export async function interleaved(subjects: readonly Subject[], plan: Plan): Promise<Series[]> {
  const timers = subjects.map(subject => new Timer(subject))
  for (const timer of timers) await timer.warmUp(plan)
  return takeTurns(timers, plan)
}

/**
 * The A/A noise band: how far the ratio of two series of the very same subject is from 1, at most. Differences within it
 * mean nothing.
 */
export async function noiseBand(subject: Subject, plan: Plan): Promise<number> {
  const timer = new Timer(subject)
  await timer.warmUp(plan)
  let band = 0
  for (let pair = 0; pair < plan.pairs; pair++) {
    const [a, b] = await takeTurns([timer.twin(), timer.twin()], plan)
    band = Math.max(band, Math.abs(Math.log(a.median / b.median)))
  }
  return Math.expm1(band)
}
