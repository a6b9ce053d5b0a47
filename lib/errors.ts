/** Errors say the op, what is wrong, and where it helps, what to do. */

/** The base of every error that Gradus throws. `code` is stable; the text is not. */
export class GradusError extends Error {
  override name: string = 'GradusError'
  /** Stable identifier, such as `GRADUS_SHAPE`. */
  readonly code: string
  /** The operation that failed. */
  readonly op: string
  /** Further failures that had not been reported when this one was thrown. */
  others: GradusError[] = []

  constructor(code: string, op: string, problem: string, hint?: string, options?: ErrorOptions) {
    super(`${op}: ${problem}${hint ? `. Hint: ${hint}` : ''}`, options)
    this.code = code
    this.op = op
  }
}

/** Shapes, axes or sizes do not fit. */
export class ShapeError extends GradusError {
  override name = 'ShapeError'
  constructor(op: string, problem: string, hint?: string) {
    super('GRADUS_SHAPE', op, problem, hint)
  }
}

/** An element type does not fit, or a value does not fit an element type. */
export class DTypeError extends GradusError {
  override name = 'DTypeError'
  constructor(op: string, problem: string, hint?: string) {
    super('GRADUS_DTYPE', op, problem, hint)
  }
}

/** An option is unknown, missing, or has a value that makes no sense. */
export class OptionError extends GradusError {
  override name = 'OptionError'
  constructor(op: string, problem: string, hint?: string) {
    super('GRADUS_OPTION', op, problem, hint)
  }
}

/** Tensors of different devices, or a device that is not there. */
export class DeviceError extends GradusError {
  override name = 'DeviceError'
  constructor(op: string, problem: string, hint?: string, options?: ErrorOptions) {
    super('GRADUS_DEVICE', op, problem, hint, options)
  }
}

/** An index outside its range, found while the command ran. */
export class IndexError extends GradusError {
  override name = 'IndexError'
  constructor(op: string, problem: string, hint?: string) {
    super('GRADUS_INDEX', op, problem, hint)
  }
}

/** A value outside the domain of an operation, found while the command ran. */
export class ValueError extends GradusError {
  override name = 'ValueError'
  constructor(op: string, problem: string, hint?: string) {
    super('GRADUS_VALUE', op, problem, hint)
  }
}

/** No memory, or more than the limit. */
export class MemoryError extends GradusError {
  override name = 'MemoryError'
  constructor(op: string, problem: string, hint?: string) {
    super('GRADUS_MEMORY', op, problem, hint)
  }
}

/** Something is used in a state that does not allow it: disposed, already walked, changed in between. */
export class StateError extends GradusError {
  override name = 'StateError'
  constructor(op: string, problem: string, hint?: string) {
    super('GRADUS_STATE', op, problem, hint)
  }
}

/** A gradient that cannot be had. */
export class GradientError extends GradusError {
  override name = 'GradientError'
  constructor(op: string, problem: string, hint?: string) {
    super('GRADUS_GRADIENT', op, problem, hint)
  }
}

/** A file or a state dict is not what it should be. */
export class FormatError extends GradusError {
  override name = 'FormatError'
  constructor(op: string, problem: string, hint?: string) {
    super('GRADUS_FORMAT', op, problem, hint)
  }
}

/**
 * Refuses options that the operation does not know: a misspelt option would silently do nothing. `words` says what those
 * of other frameworks are called here.
 */
export function checkOptions(
  op: string,
  options: unknown,
  known: readonly string[],
  words: Readonly<Record<string, string>> = {},
): void {
  if (options === undefined) return
  if (options === null || typeof options !== 'object' || Array.isArray(options)) {
    const meant = bare[typeof options]?.find(name => known.includes(name))
    throw new OptionError(
      op,
      `options must be an object, got ${describe(options)}`,
      meant ? `write { ${meant}: ${describe(options)} }` : `known: ${known.join(', ')}`,
    )
  }
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue
    throw new OptionError(
      op,
      `unknown option '${name}'`,
      Object.hasOwn(words, name) ? words[name] : didYouMean(name, known),
    )
  }
}

/** The options that people write as a bare value, where other libraries take it by its place. */
const bare: { readonly [type: string]: readonly string[] } = {
  string: ['dtype', 'activation', 'reduction', 'optimizer'],
  boolean: ['keepDims', 'bias', 'retainGraph', 'requiresGrad'],
  number: ['learningRate', 'epochs', 'batchSize'],
}

/** A name without what people and libraries write differently: case, underscores, hyphens, spaces. */
export const plainName = (name: string): string => name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, '')

/** Words of PyTorch and Keras for options that have other names here. */
const otherWords: Readonly<Record<string, string>> = {
  lr: 'learningRate',
  eps: 'epsilon',
  callbacks: 'onEpochEnd',
}

/** The hint for a name that is not known: the one that was meant, or else all there are. */
export function didYouMean(name: string, known: readonly string[]): string {
  const near = nearest(name, known)
  return near === undefined ? `known: ${known.join(', ')}` : `did you mean '${near}'?`
}

function nearest(name: string, known: readonly string[]): string | undefined {
  const given = plainName(name)
  const translated = Object.hasOwn(otherWords, given) ? otherWords[given] : undefined
  if (translated !== undefined && known.includes(translated)) return translated
  const begun = known.find(k => given.length > 1 && (plainName(k).startsWith(given) || given.startsWith(plainName(k))))
  if (begun !== undefined) return begun
  const distances = known.map(k => editDistance(given, plainName(k)))
  const least = Math.min(...distances)
  const best = known[distances.indexOf(least)]
  return least <= Math.max(1, Math.floor(best?.length / 3)) && least < given.length ? best : undefined
}

/** Letters to insert, leave out, replace or swap with the next one (Damerau 1964; no part is changed twice). */
function editDistance(a: string, b: string): number {
  if (a.length > 40 || b.length > 40) return Number.POSITIVE_INFINITY
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)]
  for (let i = 1; i <= a.length; i++) {
    rows.push([i])
    for (let j = 1; j <= b.length; j++) {
      const replaced = rows[i - 1][j - 1] + Number(a[i - 1] !== b[j - 1])
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      rows[i].push(
        Math.min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, replaced, swapped ? rows[i - 2][j - 2] + 1 : replaced),
      )
    }
  }
  return rows[a.length][b.length]
}

/** A short description of any value, for error texts. */
export function describe(value: unknown): string {
  if (value === null) return 'null'
  if (typeof value === 'string') return `'${value.slice(0, 40)}'`
  if (typeof value === 'function') return 'a function'
  if (typeof value !== 'object') return String(value)
  if (Array.isArray(value)) return `an array of ${value.length}`
  const name: unknown = Object.getPrototypeOf(value)?.constructor?.name
  const what = typeof name === 'string' && name ? name : 'nameless object'
  return `${/^[AEIO]/i.test(what) ? 'an' : 'a'} ${what}`
}
