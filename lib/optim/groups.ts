/** What users hand to an optimizer, as groups of parameters. */

import { isFloating } from '../dtype.js'
import { checkOptions, DeviceError, describe, OptionError } from '../errors.js'
import { answer } from '../familiar.js'
import { refusePromise } from '../scope.js'
import { overlaps } from '../shape.js'
import { Tensor } from '../tensor.js'

/** Something that lists its parameters: a Module, a Model. */
export interface HasParameters {
  parameters(): Iterable<Tensor>
}
/** Parameters that share options. */
export type ParameterGroup<O> = { parameters: Iterable<Tensor> | HasParameters } & Partial<O>
/** Parameters, a module's, or groups of them with options of their own. */
export type ParameterList<O> = Iterable<Tensor> | HasParameters | readonly ParameterGroup<O>[]

/** A group as the optimizer keeps it. Its options may be changed between steps; they are checked at each. */
export class Group<O> {
  readonly parameters: readonly Tensor[]
  readonly options: O

  constructor(parameters: readonly Tensor[], options: O) {
    this.parameters = Object.freeze(parameters)
    this.options = options
    Object.freeze(this)
  }
}
answer(Group.prototype, {}, { learningRate: 'options.learningRate', lr: 'options.learningRate', params: 'parameters' })

const hint = 'pass model.parameters()'

const isModule = (value: unknown): value is HasParameters =>
  typeof (value as HasParameters | null | undefined)?.parameters === 'function'

/** The items of a list, or of a module. */
function itemsOf(name: string, given: unknown): unknown[] {
  if (isModule(given)) return itemsOf(name, refusePromise(name, given.parameters()))
  if (given instanceof Tensor) throw new OptionError(name, 'expected a list of parameters, got a tensor', 'pass [w]')
  if (given instanceof Map) return [...given.values()]
  if (given === null || typeof given !== 'object' || !(Symbol.iterator in given))
    throw new OptionError(name, `expected a list of parameters, got ${describe(given)}`, hint)
  return [...(given as Iterable<unknown>)]
}

function checkParameter(name: string, p: unknown, i: number): Tensor {
  if (!(p instanceof Tensor && p.isLeaf))
    throw new OptionError(
      name,
      `parameters must be leaf tensors, got ${p instanceof Tensor ? String(p) : describe(p)}`,
      hint,
    )
  if (p.isDisposed) throw new OptionError(name, `parameter ${i} was disposed`, 'make the optimizer of those that train')
  if (overlaps(p.dims, p.steps))
    throw new OptionError(name, 'elements of an expanded view share memory', 'train a clone() of it')
  return p
}

/** Options are the optimizer's own: arrays in them are copied. */
export function copyOfOptions<O extends object>(options: O): O {
  return Object.fromEntries(Object.entries(options).map(([k, v]) => [k, Array.isArray(v) ? [...v] : v])) as O
}

function groupOf<O extends object>(name: string, group: unknown, shared: O): Group<O> {
  if (group === null || typeof group !== 'object' || !('parameters' in group))
    throw new OptionError(name, `expected a group { parameters, … }, got ${describe(group)}`, hint)
  const { parameters, ...own } = group
  checkOptions(name, own, Object.keys(shared))
  const tensors = itemsOf(name, parameters).map((p, i) => checkParameter(name, p, i))
  return new Group(tensors, copyOfOptions({ ...shared, ...own }))
}

/** Groups that cannot be trained together are refused. */
function checkTogether(name: string, all: readonly Tensor[]): void {
  if (new Set(all).size < all.length)
    throw new OptionError(name, 'a parameter appears twice', 'list shared parameters once')
  const other = all.find(p => p.device !== all[0].device)
  if (other)
    throw new DeviceError(
      name,
      `parameters are on ${all[0].device} and on ${other.device}`,
      'move the module first: to(…)',
    )
  if (!all.some(p => p.requiresGrad))
    throw new OptionError(
      name,
      'none of the parameters requires a gradient',
      all.some(p => isFloating(p.dtype)) ? 'call requiresGrad_() on them' : 'parameters are floating tensors',
    )
}

/** The groups that were given, each with all options: of its own, else those for all. */
export function groupsOf<O extends object>(name: string, given: unknown, shared: O): readonly Group<O>[] {
  const isGroup = given !== null && typeof given === 'object' && 'parameters' in given && !isModule(given)
  const list = (isGroup ? [given] : itemsOf(name, given)).flatMap(item =>
    isModule(item) ? itemsOf(name, item) : [item],
  )
  for (const item of list)
    if (item === null || typeof item !== 'object')
      throw new OptionError(name, `parameters must be tensors, got ${describe(item)}`, hint)
  const groups = list.some(item => item instanceof Tensor) ? [{ parameters: list }] : list
  const made = groups.map(group => groupOf(name, group, shared))
  const all = made.flatMap(group => group.parameters)
  if (all.length === 0) throw new OptionError(name, 'expected at least one parameter', hint)
  checkTogether(name, all)
  return Object.freeze(made)
}
