/** Random numbers by counter, and dropout.                   twin: native/kernels/random.cc   cases: test/ops/random.ts */
import type { Buf, DType } from '../dtype.js'
import { floatOf } from '../dtype.js'
import { checkOptions, describe, OptionError } from '../errors.js'
import type { Float, Into } from '../promotion.js'
import { type Generator, generatorOr } from '../random.js'
import type { Pieces } from '../runtime/js.js'
import { smallestNormal } from '../runtime/tolerance.js'
import type { Tensor } from '../tensor.js'
import { apply, applyTo, cast, checkTensor, kernels, type Rule, rule } from './define.js'
import { forEach } from './loops.js'
import { clone } from './movement.js'

// ---- Philox4x32-10: Salmon et al. (2011), "Parallel random numbers: as easy as 1, 2, 3" --------------------------------

/** Both halves of a 32 × 32 bit product, without leaving exact integers. */
function mulHigh(a: number, b: number): number {
  const a0 = a & 0xffff
  const a1 = a >>> 16
  const b0 = b & 0xffff
  const b1 = b >>> 16
  const middle = a1 * b0 + Math.floor((a0 * b0) / 65536)
  return (a1 * b1 + Math.floor((a0 * b1 + (middle % 65536)) / 65536) + Math.floor(middle / 65536)) >>> 0
}

/** The four words of a block, written into `out`. A word that will not do is drawn again with the next `attempt`. */
export function philox(seed: number, block: number, out: Uint32Array, attempt = 0): void {
  let c0 = (block % 2 ** 32) >>> 0
  let c1 = Math.floor(block / 2 ** 32) >>> 0
  let c2 = attempt
  let c3 = 0
  let k0 = (seed % 2 ** 32) >>> 0
  let k1 = Math.floor(seed / 2 ** 32) >>> 0
  for (let round = 0; round < 10; round++) {
    const p1 = mulHigh(0xd2511f53, c0)
    const p0 = Math.imul(0xd2511f53, c0) >>> 0
    const q1 = mulHigh(0xcd9e8d57, c2)
    const q0 = Math.imul(0xcd9e8d57, c2) >>> 0
    c0 = (q1 ^ c1 ^ k0) >>> 0
    c1 = q0
    c2 = (p1 ^ c3 ^ k1) >>> 0
    c3 = p0
    k0 = (k0 + 0x9e3779b9) >>> 0 // the golden ratio and √3 − 1, as Weyl sequences
    k1 = (k1 + 0xbb67ae85) >>> 0
  }
  out[0] = c0
  out[1] = c1
  out[2] = c2
  out[3] = c3
}

const unit = (word: number): number => (word >>> 8) * 2 ** -24

/** ln((w + ½)·2⁻³²) = e·ln 2 + ln m with √½ ≤ m < √2, and ln m = 2 atanh((m − 1)/(m + 1)) by its series. */
function logOfUnit(w: number): number {
  const odd = w * 2 + 1
  let e = 32 - Math.clz32(w)
  let m = odd / (e === 32 ? 4294967296 : (1 << e) >>> 0)
  if (m > 1.4142135623730951) {
    m = m / 2
    e = e + 1
  }
  const s = (m - 1) / (m + 1)
  const z = s * s
  let p = 1 / 21
  for (let k = 19; k >= 1; k -= 2) p = p * z + 1 / k
  return (e - 33) * 0.6931471805599453 + 2 * s * p
}

/** sin and cos of 2π·w·2⁻³²: the quarter turn, and the Taylor series within ±π/4 of it. */
function sineOfTurn(w: number): [sine: number, cosine: number] {
  let quarter = w >>> 30
  let r = (w & 0x3fffffff) * 2 ** -30
  if (r > 0.5) {
    r = r - 1
    quarter = (quarter + 1) & 3
  }
  const x = r * 1.5707963267948966
  const z = x * x
  let s = 1
  let c = 1
  for (let k = 16; k >= 2; k -= 2) {
    s = 1 - (z * s) / (k * (k + 1))
    c = 1 - (z * c) / (k * (k - 1))
  }
  s = x * s
  return (
    [
      [s, c],
      [c, -s],
      [-s, -c],
      [-c, s],
    ] as const
  )[quarter] as [number, number]
}

/** Box & Muller (1958): two independent normal values from two uniform ones. */
function normalPair(a: number, b: number): [number, number] {
  const radius = Math.sqrt(-2 * logOfUnit(a))
  const [sine, cosine] = sineOfTurn(b)
  return [radius * cosine, radius * sine]
}

/** Calls `body(i, word)` for each element. Element i is word i mod 4 of block offset + i/4. */
function forWords(n: number, seed: number, offset: number, body: (i: number, word: number) => void): Pieces {
  const block = new Uint32Array(4)
  return forEach(n, i => {
    if (i % 4 === 0) philox(seed, offset + i / 4, block)
    body(i, block[i % 4])
  })
}

/** The largest value below `high` in the precision of `y`; just below 0, the smallest that native kernels keep. */
function below(y: Buf, high: number): number {
  const rounded = roundLike(y, high)
  if (rounded < high) return rounded
  if (!(y instanceof Float32Array)) {
    const bits = new BigInt64Array(Float64Array.of(rounded).buffer)
    bits[0] -= BigInt(Math.sign(rounded))
    return rounded === 0 ? -Number.MIN_VALUE : new Float64Array(bits.buffer)[0]
  }
  if (rounded > -smallestNormal && rounded <= smallestNormal) return rounded > 0 ? 0 : -smallestNormal
  const bits = new Int32Array(Float32Array.of(rounded).buffer)
  bits[0] -= Math.sign(rounded)
  return new Float32Array(bits.buffer)[0]
}

kernels({
  uniform: (y, low, high, seed, offset) => {
    const span = high - low
    const last = below(y, high)
    return forWords(y.length, seed, offset, (i, word) => {
      const u = unit(word)
      const value = roundLike(y, Number.isFinite(span) ? low + span * u : low * (1 - u) + high * u)
      y[i] = value < high || low === high ? value : last
    })
  },
  normal: (y, mean, deviation, seed, offset) => {
    const words: number[] = []
    return forWords(y.length + (y.length % 2), seed, offset, (i, word) => {
      words.push(word)
      if (i % 2 === 0) return
      const [z0, z1] = normalPair(words[0], words[1])
      y[i - 1] = mean + deviation * z0
      if (i < y.length) y[i] = mean + deviation * z1
      words.length = 0
    })
  },
  // low + ⌊word · span / 2³²⌋ with span = high − low. Lemire (2019): 2³² mod span of the products would come once too often.
  randint: (y, low, high, seed, offset) => {
    const span = high - low
    const tooMany = 2 ** 32 % span
    const last = below(y, high)
    const again = new Uint32Array(4)
    const lower = (word: number): number => Math.imul(word, span) >>> 0
    return forWords(y.length, seed, offset, (i, first) => {
      let word = first
      for (let attempt = 1; lower(word) < tooMany; attempt++) {
        philox(seed, offset + Math.floor(i / 4), again, attempt)
        word = again[i % 4]
      }
      const value = low + (span === 2 ** 32 ? word : mulHigh(word, span))
      y[i] = roundLike(y, value) < high ? value : last
    })
  },
  dropout: (x, y, p, seed, offset) => {
    const scale = roundLike(y, 1 / (1 - p))
    return forWords(y.length, seed, offset, (i, word) => {
      y[i] = word * 2 ** -32 >= p ? x[i] * scale : 0
    })
  },
})

const roundLike = (y: Buf, value: number): number => (y instanceof Float32Array ? Math.fround(value) : value)

// ---- dropout ---------------------------------------------------------------------------------------------------------

interface Draw {
  readonly p: number
  readonly seed: number
  readonly offset: number
}

const dropoutRule: Rule<Draw> = rule({
  name: 'dropout',
  output: ([x]) => ({ shape: x.dims }),
  run: (k, [x], y, { p, seed, offset }) => k.dropout(x, y, p, seed, offset),
  // The same draw again: y = m ⊙ x ⇒ ∂x = m ⊙ g, and no mask is kept.
  grad: (g, _, draw) => [apply(dropoutRule, [g], draw)],
})

export interface DropoutOptions {
  /** Where the random numbers come from. Default: the default generator. */
  generator?: Generator | undefined
}

/**
 * Sets each element to 0 with probability `p` and multiplies the others by 1/(1 − p). Srivastava et al. (2014). For
 * training; `nn.Dropout` does it in training mode only.
 *
 * @throws OptionError if `p` is not in [0, 1].
 */
export function dropout<D extends DType>(x: Tensor<D>, p = 0.5, options: DropoutOptions = {}): Tensor<Into<D, Float>> {
  checkTensor('dropout', x)
  checkOptions('dropout', options, ['generator'])
  if (typeof p !== 'number' || !(p >= 0 && p <= 1))
    throw new OptionError('dropout', `p must be from 0 to 1, got ${describe(p)}`)
  const draw = generatorOr('dropout', options.generator).reserve(x.size)
  if (p === 0) return clone(x) as Tensor
  return applyTo(dropoutRule, [x], [cast(x, floatOf(x.dtype))], { p, ...draw })
}
