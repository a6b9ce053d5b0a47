import { leafOf } from '../autograd/graph.js'
import { tensor } from '../creation.js'
import { checkOptions, describe, FormatError, OptionError } from '../errors.js'
import { checkTensor } from '../ops/define.js'
import { assign_ } from '../ops/movement.js'
import type { Device } from '../runtime/device.js'
import { inLayer } from '../runtime/source.js'
import { noGrad, tidy } from '../scope.js'
import { format, type Shape, sameShape } from '../shape.js'
import { Tensor } from '../tensor.js'

/** A tensor that is trained. Modules find those in their fields. */
export class Parameter<S extends Shape = Shape> extends Tensor<S> {
  /** Shares the storage of `from`; of a view that is not contiguous it takes a copy. */
  constructor(from: Tensor<S>, options: { requiresGrad?: boolean } = {}) {
    checkTensor('Parameter', from)
    checkOptions('Parameter', options, ['requiresGrad'])
    const dense = noGrad(() => (from.isContiguous ? from.detach() : from.clone()))
    super(dense.storage.retain(), dense.dims, dense.steps, dense.offset)
    dense.dispose()
    this.requiresGrad_(options.requiresGrad ?? true)
  }

  /** @internal A parameter of values that nobody else has: they are freed with it. */
  static of<S extends Shape>(from: Tensor<S>): Parameter<S> {
    const parameter = new Parameter(from)
    from.dispose()
    return parameter
  }
}

/** A tensor that belongs to a module's state but is not trained, such as running statistics. */
export class Buffer<S extends Shape = Shape> extends Tensor<S> {
  /** Takes over the values of `from`. */
  constructor(from: Tensor<S>) {
    super(from.storage.retain(), from.dims, from.steps, from.offset)
  }
}

/** Tensors by dotted name, as `stateDict()` gives them. */
export type StateDict = Record<string, Tensor>

/** The place of a parameter, buffer or module in a module. */
interface Place<T> {
  readonly name: string
  readonly value: T
  /** Where the value can be replaced. */
  readonly owner: Record<string, unknown>
  readonly key: string
}

/** Goes over fields, and over arrays and plain objects in them, in the order of definition. */
function* placesIn(owner: object, prefix: string, seen: Set<object>): Generator<Place<Parameter | Buffer | Module>> {
  for (const [key, value] of Object.entries(owner)) {
    if (value === null || typeof value !== 'object') continue
    const place = { name: prefix + key, value, owner: owner as Record<string, unknown>, key }
    if (value instanceof Parameter || value instanceof Buffer) yield place
    else if (value instanceof Module) {
      if (seen.has(value)) continue
      seen.add(value)
      yield place
      yield* placesIn(value, `${prefix}${key}.`, seen)
    } else if (Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype) {
      if (!seen.has(value)) yield* placesIn(value, `${prefix}${key}.`, seen.add(value))
    }
  }
}

/**
 * The base of layers and models. Parameters, buffers and other modules are found in fields, in arrays and in plain
 * objects, in the order of definition; private `#fields` are not seen.
 *
 * @example
 * class Net extends nn.Module {
 *   hidden = new nn.Linear(4, 8)
 *   output = new nn.Linear(8, 2)
 *   forward(x) {
 *     return this.output.forward(this.hidden.forward(x).relu())
 *   }
 * }
 * new Net().parameters().length // 4
 */
export abstract class Module {
  /** Whether layers such as dropout are active. Set by `train()` and `eval()`. */
  training: boolean = true

  /** What the module computes. Layers take and give one tensor; a module of yours may have several. */
  // biome-ignore lint/suspicious/noExplicitAny: each subclass says what it takes and gives
  abstract forward(...inputs: any[]): any

  constructor() {
    // Errors that show up when a command runs say in which layer it was issued.
    const { forward } = this
    if (!forward) return // a field of the subclass, not there yet
    const value = (...inputs: unknown[]) => inLayer(this.constructor.name, () => forward.apply(this, inputs))
    Object.defineProperty(this, 'forward', { value, writable: true, configurable: true })
  }

  private *places(): Generator<Place<Parameter | Buffer | Module>> {
    yield* placesIn(this, '', new Set([this]))
  }

  /** Parameters by dotted name; one that is used twice appears once, under its first name. */
  namedParameters(): Map<string, Parameter> {
    const found = new Map<string, Parameter>()
    const seen = new Set<Parameter>()
    for (const { name, value } of this.places())
      if (value instanceof Parameter && !seen.has(value)) {
        seen.add(value)
        if (found.has(name))
          throw new OptionError('Module', `two parameters would be called '${name}'`, 'use names without dots')
        found.set(name, value)
      }
    return found
  }
  parameters(): Parameter[] {
    return [...this.namedParameters().values()]
  }
  namedBuffers(): Map<string, Buffer> {
    const found = new Map<string, Buffer>()
    for (const { name, value } of this.places()) if (value instanceof Buffer) found.set(name, value)
    return found
  }
  /** This module and all within it, by dotted name; its own is ''. */
  namedModules(): Map<string, Module> {
    const found = new Map<string, Module>([['', this]])
    for (const { name, value } of this.places()) if (value instanceof Module) found.set(name, value)
    return found
  }

  /** Switches this module and all within it to training, or, with false, to evaluation. Returns it. */
  train(on: boolean = true): this {
    for (const module of this.namedModules().values()) module.training = on
    return this
  }
  eval(): this {
    return this.train(false)
  }

  /** Forgets the gradients of all parameters. */
  zeroGrad(): void {
    for (const p of this.parameters()) leafOf(p)?.replace(null)
  }

  /** Parameters and buffers by name. The tensors share their storage with the module: they follow its training. */
  stateDict(): StateDict {
    return Object.fromEntries(
      [...this.namedParameters(), ...this.namedBuffers()].map(([name, t]) => [name, t.detach() as Tensor]),
    )
  }

  /**
   * Copies values into the parameters and buffers. All or nothing: if a name is missing or unknown, or a shape differs,
   * nothing is changed and the error names everything that is wrong.
   *
   * @throws FormatError with the full list.
   */
  loadStateDict(dict: StateDict): void {
    const own = new Map<string, Tensor>([...this.namedParameters(), ...this.namedBuffers()])
    const given = checkStateDict('loadStateDict', dict)
    const problems = [
      ...[...own.keys()].filter(name => !given.has(name)).map(name => `missing '${name}'`),
      ...[...given.keys()].filter(name => !own.has(name)).map(name => `unknown '${name}'`),
      ...[...given].flatMap(([name, t]) => {
        const to = own.get(name)
        return to && !sameShape(to.shape, t.shape)
          ? [`'${name}' has shape ${format(t.shape)}, expected ${format(to.shape)}`]
          : []
      }),
    ]
    if (problems.length > 0)
      throw new FormatError('loadStateDict', problems.join('; '), 'it must come from a model of the same structure')
    noGrad(() =>
      tidy(() => {
        // Copies first: a dict of this very module may name its tensors in another order.
        const copies = [...given].map(
          ([name, t]) => [own.get(name)!, t.detach().to(own.get(name)!.device).clone()] as const,
        )
        for (const [to, copy] of copies) assign_(to, copy)
      }),
    )
  }

  /** Moves all parameters and buffers to a device. They become new tensors: do it before making an optimizer. Returns this. */
  to(device: Device): this {
    const moved = new Map<Tensor, Tensor>()
    for (const { value, owner, key } of [...this.places()]) {
      if (value instanceof Module || value.device === device) continue
      const copy = moved.get(value) ?? tensor(value.detach().dataSync(), value.shape, { device, dtype: value.dtype })
      const next =
        moved.get(value) ??
        (value instanceof Parameter ? new Parameter(copy, { requiresGrad: value.requiresGrad }) : new Buffer(copy))
      if (!moved.has(value)) copy.dispose()
      moved.set(value, next)
      owner[key] = next
    }
    return this
  }

  /** Gives up the memory of all parameters and buffers. */
  dispose(): void {
    for (const t of [...this.namedParameters().values(), ...this.namedBuffers().values()]) {
      leafOf(t)?.replace(null)
      t.dispose()
    }
  }

  /** One line for `summary()`, such as `Linear(784, 128)`. */
  toString(): string {
    return this.constructor.name
  }
}

/** The entries of a state dict, by own keys only. */
export function checkStateDict(op: string, dict: unknown): Map<string, Tensor> {
  if (dict === null || typeof dict !== 'object' || Array.isArray(dict))
    throw new FormatError(op, `expected a state dict (tensors by name), got ${describe(dict)}`)
  const entries = Object.entries(dict)
  for (const [name, t] of entries)
    if (!(t instanceof Tensor)) throw new FormatError(op, `'${name}' must be a tensor, got ${describe(t)}`)
  return new Map(entries as [string, Tensor][])
}

/** A whole number of at least `least`. */
export function checkCount(op: string, name: string, value: unknown, least = 1): number {
  if (Number.isSafeInteger(value) && (value as number) >= least) return value as number
  throw new OptionError(op, `${name} must be a whole number of at least ${least}, got ${describe(value)}`)
}
