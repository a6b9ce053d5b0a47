/** State of an optimizer from a dict that a user saved. */
import { zeros } from '../creation.js'
import type { DType } from '../dtype.js'
import { describe, FormatError } from '../errors.js'
import { checkStateDict } from '../nn/state.js'
import type { Device } from '../runtime/device.js'
import { format, type Shape, sameShape } from '../shape.js'
import type { Tensor } from '../tensor.js'
import type { State } from './trials.js'

/** The state tensors that have the shape of their parameter, and for which options; for others they are empty. */
export type Slots<O> = { readonly [name: string]: (options: O) => boolean }

interface Place<O> {
  readonly p: Tensor
  readonly options: O
}

/** Copies of the states in a dict, each beside its parameter. All of them are known to be computed. */
export function statesFrom<O>(
  op: string,
  dict: unknown,
  places: readonly Place<O>[],
  slots: Slots<O>,
): (readonly [Tensor, State])[] {
  if (dict === null || typeof dict !== 'object')
    throw new FormatError(op, `state must be an object, got ${describe(dict)}`, 'stateDict() gives one')
  const names = ['time', ...Object.keys(slots)]
  const states = Object.entries(dict).map(([index, entries]) => {
    const place = String(Number(index)) === index ? places[Number(index)] : undefined
    if (!place) throw new FormatError(op, `the state names parameter ${index}, but there are ${places.length}`)
    const given = checkStateDict(op, entries)
    const unknown = [...given.keys()].find(name => !names.includes(name))
    if (unknown) throw new FormatError(op, `the state of parameter ${index} has an unknown '${unknown}'`)
    const state: State = {}
    for (const name of names) {
      const from = given.get(name)
      if (!from) throw new FormatError(op, `the state of parameter ${index} lacks '${name}'`)
      state[name] = copyOf(op, `'${name}' of parameter ${index}`, from, likeOf(name, place, slots))
    }
    return [place.p, state] as const
  })
  for (const [, state] of states) for (const t of Object.values(state)) checkComputed(t)
  return states
}

/** What a state tensor must be like; empty if the options have no use for it. */
function likeOf<O>(name: string, { p, options }: Place<O>, slots: Slots<O>): Like {
  if (name === 'time') return { shape: [1], dtype: 'int32', device: p.device, optional: false }
  return { shape: slots[name](options) ? p.shape : [0], dtype: p.dtype, device: p.device, optional: true }
}

interface Like {
  readonly shape: Shape
  readonly dtype: DType
  readonly device: Device
  readonly optional: boolean
}

function copyOf(op: string, what: string, from: Tensor, { shape, dtype, device, optional }: Like): Tensor {
  // Of no use now, or new to the options that were saved.
  if (optional && (shape[0] === 0 || from.size === 0)) return zeros([...shape], { dtype, device })
  if (!sameShape(from.shape, shape))
    throw new FormatError(op, `${what} has shape ${format(from.shape)}, expected ${format(shape)}`)
  return from.detach().to(device).cast(dtype).clone()
}

/** Throws the error of a tensor that could not be computed. */
function checkComputed(t: Tensor): void {
  if (t.size > 0) t.flatten().slice([0, 1]).dataSync()
}
