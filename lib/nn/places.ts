/** Where a module keeps what it is made of: a walk over its fields. */
import { StateError } from '../errors.js'
import type { Tensor } from '../tensor.js'
import { Module } from './module.js'
import { Buffer, Parameter } from './parameter.js'

/** The place of a parameter, buffer or module. */
export interface Place<T> {
  readonly name: string
  readonly value: T
  /** The module, array, object, Map or Set that has it, where it can be replaced. */
  readonly owner: object
  readonly key: unknown
}

const isContainer = (value: object): boolean =>
  Array.isArray(value) ||
  value instanceof Map ||
  value instanceof Set ||
  Object.getPrototypeOf(value) === Object.prototype ||
  Object.getPrototypeOf(value) === null

/** The objects that one has in it, in order. Primitives are passed over: long lists of words or numbers cost little. */
function childrenOf(owner: object, prefix: string): Place<object>[] {
  const children: Place<object>[] = []
  let i = 0
  const add = (value: unknown, key: unknown, name = key): void => {
    if (value !== null && typeof value === 'object') children.push({ name: prefix + String(name), value, owner, key })
  }
  if (Array.isArray(owner)) owner.forEach((value, key) => add(value, key))
  else if (owner instanceof Set) for (const value of owner) add(value, i++)
  // A key that is an object has no name of its own.
  else if (owner instanceof Map) for (const [key, value] of owner) add(value, key, isName(key) ? key : i++)
  else for (const key of Object.keys(owner)) add((owner as Record<string, unknown>)[key], key)
  return children
}

const isName = (key: unknown): boolean => typeof key === 'string' || typeof key === 'number'

/**
 * Parameters, buffers and modules in fields, and in arrays, plain objects, Maps and Sets there, however deep and
 * in the order of definition; each module and each container once. Not recursive: lists may be linked.
 */
export function* placesIn(root: Module): Generator<Place<Parameter | Buffer | Module>> {
  const seen = new Set<object>([root])
  const todo = childrenOf(root, '').reverse()
  for (let place = todo.pop(); place; place = todo.pop()) {
    const { value } = place
    if (value instanceof Parameter || value instanceof Buffer) yield place as Place<Parameter | Buffer>
    else if ((value instanceof Module || isContainer(value)) && !seen.has(value)) {
      seen.add(value)
      if (value instanceof Module) yield place as Place<Module>
      const children = childrenOf(value, `${place.name}.`)
      for (let i = children.length - 1; i >= 0; i--) todo.push(children[i])
    }
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
