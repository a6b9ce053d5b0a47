/** State dicts: tensors by name, and how they are loaded. */
import { moveTo } from '../creation.js'
import { describe, FormatError } from '../errors.js'
import { cast } from '../ops/define.js'
import { assign_, clone } from '../ops/movement.js'
import type { Stream } from '../runtime/stream.js'
import { noGrad, tidy } from '../scope.js'
import { format, sameShape } from '../shape.js'
import { Tensor } from '../tensor.js'

/** Tensors by dotted name, as `stateDict()` gives them. */
export type StateDict = Record<string, Tensor>

/** An object with these keys, whatever users chose as names. */
export function named<T>(entries: Iterable<readonly [string, T]>): Record<string, T> {
  return Object.assign(Object.create(null), Object.fromEntries(entries))
}

/** The entries of a state dict, by own keys only. */
export function checkStateDict(op: string, dict: unknown): Map<string, Tensor> {
  const isDict = dict !== null && typeof dict === 'object' && !Array.isArray(dict) && !(dict instanceof Tensor)
  if (!isDict)
    throw new FormatError(op, `expected a state dict (tensors by name), got ${describe(dict)}`, 'stateDict() gives one')
  const entries: [string, unknown][] = dict instanceof Map ? [...dict] : Object.entries(dict)
  for (const [name, t] of entries)
    if (!(t instanceof Tensor)) throw new FormatError(op, `'${name}' must be a tensor, got ${describe(t)}`)
    else if (t.isDisposed) throw new FormatError(op, `'${name}' was disposed`, 'load it before, or clone() it')
  return new Map(entries as [string, Tensor][])
}

/** Refuses names that are missing or unknown, and other shapes: all of them in one error. */
export function checkFits(op: string, own: ReadonlyMap<string, Tensor>, given: ReadonlyMap<string, Tensor>): void {
  const unknown = [...given.keys()].filter(name => !own.has(name))
  const problems = [
    ...[...own.keys()].filter(name => !given.has(name)).map(name => `missing '${name}'`),
    ...unknown.map(name => `unknown '${name}'`),
    ...[...given].flatMap(([name, t]) => {
      const to = own.get(name)
      return to && !sameShape(to.shape, t.shape)
        ? [`'${name}' has shape ${format(t.shape)}, expected ${format(to.shape)}`]
        : []
    }),
  ]
  if (problems.length === 0) return
  const old = unknown.find(name => own.has(withoutLayers(name)))
  const hint = old
    ? `layers of Sequential are named by their place alone: rename '${old}' to '${withoutLayers(old)}'`
    : 'it must come from a model of the same structure'
  throw new FormatError(op, problems.join('; '), hint)
}

/** Sequential once named its layers `layers.0`. */
function withoutLayers(name: string): string {
  return name.replaceAll(/(^|\.)layers\.(?=\d)/g, '$1')
}

/**
 * Copies values into tensors of the same shapes, converted to their dtype and device, all or nothing: if one of the
 * values was spoilt by a failure, none is copied.
 */
export function assignAll(op: string, pairs: Iterable<readonly [to: Tensor, from: Tensor]>): void {
  noGrad(() =>
    tidy(() => {
      const byStream = new Map<Stream, [to: Tensor, copy: Tensor][]>()
      // Copies first: the values may be those of the targets, in another order.
      for (const [to, from] of pairs) {
        const { stream } = to.storage
        const given = cast(moveTo(from.detach(), to.device), to.dtype)
        const copy = given.storage === from.storage ? clone(given) : given
        const list = byStream.get(stream) ?? []
        byStream.set(stream, list)
        list.push([to, copy])
      }
      // One guard covers one device: with several, what spoils a value must be known before.
      if (byStream.size > 1) for (const list of byStream.values()) for (const [, copy] of list) copy.dataSync()
      for (const [stream, list] of byStream)
        stream.effects(op, list.flat(), () => {
          for (const [to, copy] of list) assign_(to, copy)
        })
    }),
  )
}
