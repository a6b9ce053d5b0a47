import { type DType, isFloating } from '../dtype.js'
import { checkOptions, describe, GradientError, OptionError } from '../errors.js'
import { cast, checkTensor, checkTensors, isTensor, scalar } from '../ops/define.js'
import { clone } from '../ops/movement.js'
import { expand } from '../ops/view.js'
import { checkFunction, entered, isRecording, withRecording } from '../scope.js'
import { format, sameShape } from '../shape.js'
import type { Tensor } from '../tensor.js'
import { type Edge, isNode } from './graph.js'
import { Delivery, freed, history, linked, walk } from './walk.js'

export interface BackwardOptions {
  /** Keeps the graph, so that it can be walked again. Default: `createGraph`. */
  retainGraph?: boolean | undefined
  /** Records the walk itself, so that gradients have gradients. Default: false. */
  createGraph?: boolean | undefined
  /** The gradient of the tensor itself, of its shape. Default: 1, for a tensor with one element. */
  gradient?: Tensor | undefined
}

function refuseCut(op: string, { cut }: Tensor): never {
  const hints: Record<string, string> = {
    noGrad: 'compute it outside of noGrad, or call requiresGrad_() on what was computed there',
    detach: 'use detach() on what is not trained only',
  }
  const [why, hint] =
    cut === undefined
      ? ['', 'call requiresGrad_() on the inputs, and do not compute from values that were read']
      : [`: ${cut} cut it off`, hints[cut] ?? `${cut} has no gradient: compute the loss from what comes before it`]
  throw new GradientError(op, `the tensor does not depend on anything that requires a gradient${why}`, hint)
}

function seedGradient(op: string, y: Tensor, given: Tensor | undefined): Tensor {
  if (!y.edge) refuseCut(op, y)
  if (!isFloating(y.dtype)) throw new GradientError(op, `only floating tensors have gradients, got ${y.dtype}`)
  if (given !== undefined) {
    checkTensor(op, given, 'gradient')
    if (!sameShape(given.dims, y.dims))
      throw new GradientError(op, `the gradient must have the shape ${format(y.dims)}, got ${format(given.dims)}`)
    if (given.device !== y.device)
      throw new GradientError(
        op,
        `the gradient must be on ${y.device}, got one on ${given.device}`,
        "copy it: g.to('…')",
      )
    return cast(given, y.dtype)
  }
  if (y.size !== 1)
    throw new GradientError(
      op,
      `expected a tensor with one element, got shape ${format(y.dims)}`,
      'reduce it with sum() or mean(), or give { gradient }',
    )
  const one = scalar(1, y.dtype, y.storage.stream)
  const g = expand(one, y.dims)
  one.dispose()
  return g
}

/** Runs a walk with the gradient that it starts from, and frees that, if it is not the user's. */
function seeded<T>(op: string, y: Tensor, given: Tensor | undefined, run: (g: Tensor) => T): T {
  const g = seedGradient(op, y, given)
  try {
    return run(g)
  } finally {
    if (g !== given) g.dispose()
  }
}

/**
 * Computes the gradients of everything `y` depends on that requires one, and adds them to `.grad`.
 *
 * @throws GradientError if `y` has more than one element and no `gradient` is given, or depends on nothing;
 *   StateError if the graph was walked before, or a value it needs was changed in place.
 * @example
 * const w = tensor([1, 2, 3]).requiresGrad_()
 * backward(w.square().sum())
 * await w.grad.toArray() // [2, 4, 6]
 */
export function backward(y: Tensor, options: BackwardOptions | Tensor = {}): void {
  checkTensor('backward', y)
  const { createGraph = false, retainGraph = createGraph, gradient } = optionsOf('backward', options)
  const outer = delivering
  const delivery = new Delivery()
  delivering = delivery
  try {
    withRecording(createGraph, 'backward', () => {
      seeded('backward', y, gradient, g =>
        walk(y, g, [], { retain: retainGraph, deliver: (leaf, arrived) => delivery.add(leaf, arrived) }),
      )
    })
    delivery.commit()
  } catch (error) {
    delivery.dispose()
    throw error
  } finally {
    delivering = outer
  }
}

/** What the `backward` that runs now will give to leaves. */
let delivering: Delivery | undefined

/** PyTorch's form gives the gradient itself. */
function optionsOf(op: string, options: BackwardOptions | Tensor): BackwardOptions {
  if (isTensor(options)) return { gradient: options }
  checkOptions(op, options, ['retainGraph', 'createGraph', 'gradient'])
  return options
}

/** @internal Walks an inner graph: gradients of the leaves `inputs` are returned, those of other leaves go to their `.grad`. */
export function backwardThrough(y: Tensor, g: Tensor, inputs: readonly Tensor[]): (Tensor | null)[] {
  const own = new Map<Edge, Tensor>()
  const ofInputs = new Set(inputs.map(x => x.edge))
  const delivery = delivering ?? new Delivery()
  walk(y, g, [], {
    retain: false,
    deliver: (leaf, arrived) => (ofInputs.has(leaf) ? own.set(leaf, arrived) : delivery.add(leaf, arrived)),
  })
  if (delivery !== delivering) delivery.commit()
  return inputs.map(x => (x.edge ? freed(own.get(x.edge)) : null))
}

export interface GradOptions extends BackwardOptions {
  /** Returns null, instead of throwing, for inputs that `y` does not depend on. Default: false. */
  allowUnused?: boolean | undefined
}

/**
 * The gradients of `y` with respect to tensors, in their order, without touching their `.grad`.
 *
 * @example
 * const x = tensor([1, 2]).requiresGrad_()
 * const [dx] = gradients(x.square().sum(), [x])
 * await dx.toArray() // [2, 4]
 */
export function gradients<D extends DType>(
  y: Tensor,
  inputs: Tensor<D> | readonly Tensor<D>[],
  options: GradOptions = {},
): (Tensor<D> | null)[] {
  checkTensor('gradients', y)
  checkOptions('gradients', options, ['retainGraph', 'createGraph', 'gradient', 'allowUnused'])
  const { createGraph = false, retainGraph = createGraph, allowUnused = false } = options
  const edges = listOf('gradients', inputs).map((x, i) => {
    if (x.edge) return x.edge
    throw new GradientError(
      'gradients',
      `input ${i} does not require a gradient`,
      'call requiresGrad_() on it before computing',
    )
  })
  return withRecording(createGraph, 'gradients', () => {
    const found = seeded('gradients', y, options.gradient, g => walk(y, g, edges, { retain: retainGraph }))
    const unused = allowUnused ? -1 : found.indexOf(undefined)
    if (unused < 0) return ownOf(found, createGraph)
    for (const gradient of found) gradient?.dispose()
    throw new GradientError(
      'gradients',
      `the result does not depend on input ${unused}`,
      'pass { allowUnused: true } to get null for it',
    )
  })
}

/** @internal The tensors that were given as a list, or alone. */
export function listOf(op: string, inputs: Tensor | readonly Tensor[]): readonly Tensor[] {
  if (isTensor(inputs)) return [inputs]
  if (!Array.isArray(inputs))
    throw new OptionError(op, `expected a list of tensors, got ${describe(inputs)}`, 'write [x, y]')
  checkTensors(op, inputs)
  return inputs
}

/** Gradients for a user: in memory of their own, unless they are part of a graph. */
function ownOf(found: readonly (Tensor | undefined)[], createGraph: boolean): (Tensor | null)[] {
  const own = new Map<Tensor | undefined, Tensor | null>([[undefined, null]])
  return found.map(gradient => {
    const made = own.get(gradient)
    if (made !== undefined || !gradient) return made ?? null
    const same = createGraph || (!gradient.storage.shared && gradient.isContiguous)
    const mine = same ? entered(gradient) : clone(gradient)
    if (!same) gradient.dispose()
    own.set(gradient, mine)
    return mine
  })
}

/** Does a value depend on more than these variables: on what was there outside? */
function reachesOutside(value: Tensor, variables: readonly Tensor[]): boolean {
  const own = new Set(variables.map(v => v.edge!))
  if (!value.edge || own.has(value.edge)) return false
  const outside = (edge: Edge | undefined): boolean => edge !== undefined && !isNode(edge) && !own.has(edge)
  return history(value.edge, own).some(node => !own.has(node) && node.edges.some(outside))
}

/** A tensor in its own right at the place of an argument: linked to the outer graph where there is one. */
function variable(x: Tensor): Tensor {
  return x.edge ? linked(x) : x.detach().requiresGrad_()
}

/** Runs the function that is differentiated. */
function valueOf(op: string, fn: () => Tensor): Tensor {
  return checkTensor(op, withRecording(true, op, fn), 'the result')
}

const hasEdge = (x: unknown): boolean => isTensor(x) && x.edge !== undefined

/**
 * A function that computes a value and its gradients with respect to all its arguments.
 *
 * @example
 * const f = valueAndGrad((x, y) => x.mul(y).sum())
 * const { value, grads } = f(tensor([1, 2]), tensor([3, 4]))
 * await grads[0].toArray() // [3, 4]
 */
export function valueAndGrad<A extends Tensor[], D extends DType>(
  fn: (...inputs: A) => Tensor<D>,
): (...inputs: A) => { value: Tensor<D>; grads: { [K in keyof A]: Tensor<A[K]['dtype']> } } {
  checkFunction('valueAndGrad', fn)
  return (...inputs) => {
    // Each argument is a variable of its own, also where one tensor is given twice.
    const leaves = inputs.map((x, i) => variable(checkTensor('valueAndGrad', x, `argument ${i}`)))
    const value = valueOf('valueAndGrad', () => fn(...(leaves as A)))
    // With an outer graph to link to, the gradients are recorded too.
    const nested = inputs.some(hasEdge) || (isRecording() && reachesOutside(value, leaves))
    const grads = gradients(value, leaves, { createGraph: nested })
    return { value: nested ? value : value.detach(), grads: grads as never }
  }
}

/**
 * A function that computes the gradient of a scalar function with respect to its first argument. Nests.
 *
 * @example
 * const cube = x => x.mul(x).mul(x)
 * await grad(grad(cube))(tensor(2)).item() // 12
 */
export function grad<A extends Tensor[]>(fn: (...inputs: A) => Tensor): (...inputs: A) => Tensor<A[0]['dtype']> {
  checkFunction('grad', fn)
  return (...inputs) => {
    const leaf = variable(checkTensor('grad', inputs[0], 'argument 0'))
    const y = valueOf('grad', () => fn(...([leaf, ...inputs.slice(1)] as A)))
    const nested = inputs.some(hasEdge) || (isRecording() && reachesOutside(y, [leaf]))
    return gradients(y, [leaf], { createGraph: nested })[0]!
  }
}
