import { leafOf } from '../autograd/graph.js'
import { moveTo } from '../creation.js'
import { describe, OptionError } from '../errors.js'
import { answer } from '../familiar.js'
import { checkDevice, type Device } from '../runtime/device.js'
import { inLayer, layerPath } from '../runtime/source.js'
import { probeStack } from '../runtime/stack.js'
import { isRecording, keep, noGrad, tidy } from '../scope.js'
import type { Tensor } from '../tensor.js'
import { Buffer, Parameter, replaced } from './parameter.js'
import { checkReplaceable, type Part, type Place, placesIn, replace } from './places.js'
import { assignAll, checkFits, checkStateDict, named, type StateDict } from './state.js'
import { warningOfUnlisted } from './unlisted.js'

/**
 * The base of layers and models. Parameters, buffers and other modules are found in fields, and in arrays, plain objects,
 * Maps and Sets there, in the order of definition. Private `#fields` and objects of other classes are not seen: the first
 * forward in training that uses a parameter from there warns (`GRADUS_W_UNLISTED_PARAMETER`).
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
    const { forward } = this
    let checked = false
    // Errors that show up when a command runs say in which layer it was issued.
    const value = (...inputs: unknown[]): unknown => {
      const check = !checked && this.training && layerPath() === '' && isRecording()
      const result = inLayer(this.constructor.name, () =>
        check ? warningOfUnlisted(this, inputs, () => forward.apply(this, inputs)) : forward.apply(this, inputs),
      )
      checked ||= check
      return result
    }
    Object.defineProperty(this, 'forward', { value, writable: true, configurable: true })
  }

  /** Parameters by dotted name; one that is used twice appears once, under its first name. */
  namedParameters(): Map<string, Parameter> {
    return collected(this, 'parameters', value => value instanceof Parameter)
  }
  parameters(): Parameter[] {
    return [...this.namedParameters().values()]
  }
  namedBuffers(): Map<string, Buffer> {
    return collected(this, 'buffers', value => value instanceof Buffer)
  }
  /** This module and all within it, by dotted name; its own is ''. */
  namedModules(): Map<string, Module> {
    const all = new Map([['', this as Module], ...collected(this, 'modules', value => value instanceof Module)])
    for (const module of all.values()) checkFields(module)
    return all
  }
  private namedTensors(): Map<string, Parameter | Buffer> {
    const found = new Map<string, Parameter | Buffer>(this.namedParameters())
    for (const [name, buffer] of this.namedBuffers()) enter(found, name, buffer, 'tensors')
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
    return named([...this.namedTensors()].map(([name, t]) => [name, t.detach()]))
  }

  /**
   * Copies values into the parameters and buffers, as `stateDict()` names them. All or nothing: if a name is missing or
   * unknown, or a shape differs, nothing is changed and the error names everything that is wrong; if a value could not be
   * computed, nothing is changed and its error is reported.
   *
   * @throws FormatError with the full list.
   */
  loadStateDict(dict: StateDict): void {
    const own = this.namedTensors()
    const given = checkStateDict('loadStateDict', dict)
    checkFits('loadStateDict', own, given)
    assignAll(
      'loadStateDict',
      [...given].map(([name, t]) => [own.get(name)!, t]),
    )
  }

  /**
   * Moves all parameters and buffers to a device, with their gradients, or, if that fails, none. They become new tensors:
   * do it before making an optimizer. Returns this.
   */
  to(device: Device): this {
    checkDevice('to', device)
    const places = [...placesIn(this)].filter(
      (place): place is Place<Parameter | Buffer> => !(place.value instanceof Module) && place.value.device !== device,
    )
    for (const place of places) checkReplaceable(place)
    const moved = new Map<Tensor, Moved>()
    noGrad(() =>
      tidy(() => {
        for (const { value } of places) if (!moved.has(value)) moved.set(value, movedTo(value, device))
        for (const { next, gradient } of moved.values()) for (const t of [next, gradient]) if (t) keep(t)
      }),
    )
    probeStack()
    // Nothing can fail from here on.
    for (const place of places) replace(place, moved.get(place.value)!.next)
    for (const [before, { next, gradient }] of moved) {
      leafOf(next)?.replace(gradient)
      replaced.add(before)
    }
    return this
  }

  /** Gives up the memory of all parameters and buffers. */
  dispose(): void {
    for (const { value } of placesIn(this)) {
      if (value instanceof Module) continue
      leafOf(value)?.replace(null)
      value.disposeBy(`${this.constructor.name}.dispose()`)
    }
  }

  /** One line for `summary()`, such as `Linear(784, 128)`. */
  toString(): string {
    return this.constructor.name
  }
}

answer(Module.prototype, {
  forward: 'forward(x) { return … } in the class',
  load_state_dict: 'loadStateDict()',
  state_dict: 'stateDict()',
  named_parameters: 'namedParameters()',
  named_buffers: 'namedBuffers()',
  named_modules: 'namedModules()',
  modules: 'namedModules().values()',
  buffers: 'namedBuffers().values()',
  zero_grad: 'zeroGrad()',
  requires_grad_: 'requiresGrad_() of its parameters()',
  register_parameter: 'a field: this.weight = new nn.Parameter(…)',
  register_buffer: 'a field: this.mean = new nn.Buffer(…)',
  register_module: 'a field: this.hidden = new nn.Linear(…)',
  add_module: 'a field: this.hidden = new nn.Linear(…)',
  cuda: "to('native'): Gradus runs on CPUs",
  cpu: "to('native') or to('js')",
})

interface Moved {
  readonly next: Tensor
  readonly gradient: Tensor | null
}

function movedTo(value: Parameter | Buffer, device: Device): Moved {
  const copy = moveTo(value.detach(), device)
  const gradient = leafOf(value)?.gradient
  return {
    next: value instanceof Parameter ? new Parameter(copy, { requiresGrad: value.requiresGrad }) : new Buffer(copy),
    gradient: gradient ? moveTo(gradient.detach(), device) : null,
  }
}

/** Refuses fields that hide what Module needs itself. */
function checkFields(module: Module): void {
  for (const name of ['training', 'parameters', 'train', 'forward'] as const)
    if (typeof module[name] !== typeof (name === 'training' ? true : Module.prototype[name]))
      throw new OptionError(
        module.constructor.name,
        `its field '${name}' hides that of Module`,
        'call the field something else',
      )
}

/** What a module has of a kind, by name, each once. */
function collected<T extends Part>(module: Module, kind: string, is: (value: Part) => value is T): Map<string, T> {
  const found = new Map<string, T>()
  const seen = new Set<T>()
  for (const { name, value } of placesIn(module)) {
    if (!is(value) || seen.has(value)) continue
    seen.add(value)
    enter(found, name, value, kind)
  }
  return found
}

function enter<T>(found: Map<string, T>, name: string, value: T, kind: string): void {
  if (found.has(name))
    throw new OptionError('Module', `two ${kind} would be called '${name}'`, 'use names without dots')
  found.set(name, value)
}

/** A whole number of at least `least`. */
export function checkCount(op: string, name: string, value: unknown, least = 1): number {
  if (Number.isSafeInteger(value) && (value as number) >= least) return value as number
  throw new OptionError(op, `${name} must be a whole number of at least ${least}, got ${describe(value)}`)
}
