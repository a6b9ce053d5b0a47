import { allocated } from './dtype.js'
import { describe, OptionError } from './errors.js'

/** Where in the stream of random numbers a draw is. */
export interface Draw {
  readonly seed: number
  readonly offset: number
}

/**
 * A source of random numbers. A draw depends only on the seed and on how many numbers were drawn before it, not on the
 * device or the number of threads.
 *
 * @example
 * const g = new Generator(42)
 * rand([2], { generator: g })
 */
export class Generator {
  private seed: number
  private offset = 0

  /** @param seed A whole number from 0 to 2⁵³ − 1. */
  constructor(seed: number) {
    this.seed = checkSeed(seed)
  }

  /** @internal Sets `count` numbers aside for one draw. Blocks hold four. */
  reserve(count: number): Draw {
    const draw = { seed: this.seed, offset: this.offset }
    this.offset += Math.ceil(count / 4)
    return draw
  }

  /** A new independent generator, derived from this one. */
  split(): Generator {
    const { seed, offset } = this.reserve(4)
    return new Generator(mix(seed, offset))
  }

  /** A uniform number in [0, 1) for use in JavaScript, such as shuffling. */
  next(): number {
    const { seed, offset } = this.reserve(1)
    return mix(seed, offset) / 2 ** 53
  }

  /** A random order of 0 … n − 1. Fisher & Yates, as by Durstenfeld (1964). */
  permutation(n: number): Int32Array<ArrayBuffer> {
    if (!Number.isSafeInteger(n) || n < 0 || n > 2 ** 31)
      throw new OptionError('permutation', `expected a whole number from 0 to 2^31, got ${describe(n)}`)
    const order = allocated('permutation', 'int32', n)
    for (let i = 0; i < n; i++) order[i] = i
    for (let i = n - 1; i > 0; i--) {
      const j = Math.floor(this.next() * (i + 1))
      const kept = order[i]
      order[i] = order[j]
      order[j] = kept
    }
    return order
  }

  /** For checkpoints: with `setState`, draws go on exactly here. */
  state(): Draw {
    return { seed: this.seed, offset: this.offset }
  }
  setState(state: Draw): void {
    if (typeof state !== 'object' || state === null)
      throw new OptionError('Generator', `expected a state, got ${describe(state)}`, 'state() gives one')
    const { seed, offset } = state
    checkSeed(seed)
    if (!Number.isSafeInteger(offset) || offset < 0)
      throw new OptionError('Generator', `offset must be a whole number of at least 0, got ${describe(offset)}`)
    this.seed = seed
    this.offset = offset
  }
}

function checkSeed(seed: number): number {
  if (Number.isSafeInteger(seed) && seed >= 0) return seed
  throw new OptionError('Generator', `seed must be a whole number from 0 to 2^53 - 1, got ${describe(seed)}`)
}

/** 53 well-mixed bits of two numbers: two rounds of the finaliser of MurmurHash3 (Appleby) on 32-bit words. */
function mix(a: number, b: number): number {
  const finalise = (h: number): number => {
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
    return (h ^ (h >>> 16)) >>> 0
  }
  const words = [a % 2 ** 32, Math.floor(a / 2 ** 32), b % 2 ** 32, Math.floor(b / 2 ** 32)]
  let low = 0x9e3779b9
  let high = 0x7f4a7c15
  for (const word of words) {
    low = finalise(low ^ word)
    high = finalise((high + Math.imul(low, 5) + word) | 0)
  }
  return (high >>> 11) * 2 ** 32 + low
}

let shared: Generator | undefined

/** The generator that is used where none is given. Seeded at random unless `seed()` was called. */
export function defaultGenerator(): Generator {
  shared ??= new Generator(Math.floor(Math.random() * 2 ** 53))
  return shared
}

/** Starts the default generator anew, so that a program repeats its random numbers. */
export function seed(value: number): void {
  defaultGenerator().setState({ seed: value, offset: 0 })
}

/** Makes another generator the default while a synchronous function runs, so that trainings do not disturb each other. */
export function withGenerator<T>(generator: Generator, fn: () => T): T {
  const before = shared
  shared = generator
  try {
    return fn()
  } finally {
    shared = before
  }
}

export function generatorOr(op: string, generator: unknown): Generator {
  if (generator === undefined) return defaultGenerator()
  if (generator instanceof Generator) return generator
  throw new OptionError(op, 'generator must be a Generator', 'make one with new Generator(seed)')
}
