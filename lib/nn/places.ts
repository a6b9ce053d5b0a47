/** Where a module keeps what it is made of: a walk over its fields. */
import { StateError } from '../errors.js'
import type { Tensor } from '../tensor.js'
import { Module } from './module.js'
import { Buffer, Parameter } from './parameter.js'

/** The place of a parameter, buffer or module. */
export interface Place<T> {
  /** Dotted. */
  readonly name: string
  readonly value: T
  /** The module, array, object, Map or Set that has it, where it can be replaced. */
  readonly owner: object
  readonly key: unknown
}

type Container = readonly unknown[] | ReadonlyMap<unknown, unknown> | ReadonlySet<unknown> | Record<string, unknown>

function isContainer(value: object): value is Container {
  if (Array.isArray(value) || value instanceof Map || value instanceof Set) return true
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

/** Vocabularies, lists of words or numbers and the like, which may be long, have nothing to walk to. */
function holdsObjects(container: Container): boolean {
  if (Array.isArray(container)) return container.some(isObject)
  if (container instanceof Map || container instanceof Set) {
    for (const value of container.values()) if (isObject(value)) return true
    return false
  }
  const fields = container as Record<string, unknown>
  for (const key in fields) if (isObject(fields[key])) return true
  return false
}

/** A place on the way; its name is only written out where somebody asks, since data in fields may be long lists. */
class Visit implements Place<object> {
  readonly value: object
  readonly owner: object
  readonly key: unknown
  private readonly label: unknown
  private readonly parent: Visit | undefined

  constructor(value: object, owner: object, key: unknown, label: unknown, parent: Visit | undefined) {
    this.value = value
    this.owner = owner
    this.key = key
    this.label = label
    this.parent = parent
  }
  get name(): string {
    const labels: string[] = []
    for (let place: Visit | undefined = this; place; place = place.parent) labels.push(String(place.label))
    return labels.reverse().join('.')
  }
}

/** What is in an object or container and is worth a visit, in order. */
function childrenOf(owner: object, parent: Visit | undefined): Visit[] {
  const children: Visit[] = []
  let i = 0
  const add = (value: unknown, key: unknown, label = key): void => {
    if (isObject(value) && (isContainer(value) ? holdsObjects(value) : isPart(value)))
      children.push(new Visit(value, owner, key, label, parent))
  }
  if (Array.isArray(owner)) owner.forEach((value, key) => add(value, key))
  else if (owner instanceof Set) for (const value of owner) add(value, i++)
  // A key that is an object has no name of its own.
  else if (owner instanceof Map) for (const [key, value] of owner) add(value, key, isName(key) ? key : i++)
  else for (const key of Object.keys(owner)) add((owner as Record<string, unknown>)[key], key)
  return children
}

/** What modules are made of. */
export type Part = Parameter | Buffer | Module
const isPart = (value: object): value is Part =>
  value instanceof Parameter || value instanceof Buffer || value instanceof Module
const isName = (key: unknown): boolean => typeof key === 'string' || typeof key === 'number'

/**
 * Parameters, buffers and modules in fields, and in arrays, plain objects, Maps and Sets there, however deep and
 * in the order of definition; each module and each container once. Not recursive: lists may be linked.
 */
export function* placesIn(root: object): Generator<Place<Part>> {
  const seen = new Set<object>([root])
  const todo = childrenOf(root, undefined).reverse()
  for (let place = todo.pop(); place; place = todo.pop()) {
    const { value } = place
    const ends = value instanceof Parameter || value instanceof Buffer
    if (!ends && seen.has(value)) continue
    if (isPart(value)) yield place as Place<object> as Place<Part>
    if (ends) continue
    seen.add(value)
    const children = childrenOf(value, place)
    for (let i = children.length - 1; i >= 0; i--) todo.push(children[i])
  }
}

/** Can the value at a place be replaced? */
export function checkReplaceable({ name, owner, key }: Place<Tensor>): void {
  if (owner instanceof Map || owner instanceof Set) return
  const field = Object.getOwnPropertyDescriptor(owner, key as string)
  if (!field?.writable && !field?.set)
    throw new StateError(
      'Module',
      `'${name}' cannot be replaced: it is frozen`,
      'keep it in a field that can be written',
    )
}

/** Puts another value at a place. */
export function replace({ owner, key, value }: Place<Tensor>, next: Tensor): void {
  if (owner instanceof Map) owner.set(key, next)
  else if (owner instanceof Set) {
    const all = [...owner]
    owner.clear()
    for (const item of all) owner.add(item === value ? next : item)
  } else (owner as Record<string, unknown>)[key as string] = next
}
