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

/** PyTorch's names that are not ours with underscores. */
const shortened = new Map([
  ['lr', 'learningRate'],
  ['eps', 'epsilon'],
])

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
  if (options === null || typeof options !== 'object' || Array.isArray(options))
    throw new OptionError(op, `options must be an object, got ${describe(options)}`, `known: ${known.join(', ')}`)
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue
    const plain = (s: string): string => s.toLowerCase().replaceAll('_', '')
    const meant = plain(shortened.get(name) ?? name)
    const near = known.find(k => plain(k).startsWith(meant) || meant.startsWith(plain(k)))
    const word = Object.hasOwn(words, name) ? words[name] : undefined
    throw new OptionError(
      op,
      `unknown option '${name}'`,
      word ?? (near ? `did you mean '${near}'?` : `known: ${known.join(', ')}`),
    )
  }
}

/** A short description of any value, for error texts. */
export function describe(value: unknown): string {
  if (value === null) return 'null'
  if (typeof value === 'string') return `'${value.slice(0, 40)}'`
  if (typeof value === 'function') return 'a function'
  if (typeof value !== 'object') return String(value)
  if (Array.isArray(value)) return `an array of ${value.length}`
  const name: unknown = Object.getPrototypeOf(value)?.constructor?.name
  return `a ${typeof name === 'string' && name ? name : 'nameless object'}`
}
