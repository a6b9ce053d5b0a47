import { isFloating } from '../dtype.js'
import { checkOptions, GradientError } from '../errors.js'
import { add } from '../ops/binary.js'
import { cast, checkTensor, type Gradient, scalar } from '../ops/define.js'
import { clone } from '../ops/movement.js'
import { sumTo } from '../ops/reduce.js'
import { expand } from '../ops/view.js'
import { entered, isRecording, keep, refusePromise, tidy, withRecording } from '../scope.js'
import { format, sameShape } from '../shape.js'
import type { Tensor } from '../tensor.js'
import { type Edge, isNode, Leaf, Node } from './graph.js'

export interface BackwardOptions {
  /** Keeps the graph, so that it can be walked again. Default: `createGraph`. */
  retainGraph?: boolean
  /** Records the walk itself, so that gradients have gradients. Default: false. */
  createGraph?: boolean
  /** The gradient of the tensor itself, of its shape. Default: 1, for a tensor with one element. */
  gradient?: Tensor
}

/** All operations that a result depends on, newest first, down to `ends`. Iterative: graphs may be deeper than the stack. */
function history(root: Edge, ends?: ReadonlySet<Edge>): Node[] {
  const seen = new Set<Node>()
  const todo: Edge[] = [root]
  for (let edge = todo.pop(); edge; edge = todo.pop()) {
    if (!isNode(edge) || seen.has(edge)) continue
    seen.add(edge)
    if (!ends?.has(edge)) for (const next of edge.edges) if (next) todo.push(next)
  }
  return [...seen].sort((a, b) => b.id - a.id)
}

/** The operations, of those given newest first, below which one of the targets lies. */
function leading(nodes: readonly Node[], targets: ReadonlySet<Edge>): Set<Edge> {
  const found = new Set<Edge>()
  for (let i = nodes.length - 1; i >= 0; i--)
    if (nodes[i].edges.some(edge => edge && (targets.has(edge) || found.has(edge)))) found.add(nodes[i])
  return found
}

/** Gradients on their way, by the place in the graph that they belong to. */
class Flow {
  private readonly at = new Map<Edge, Tensor>()

  /** Adds to what has arrived at an edge. */
  add(edge: Edge, g: Tensor): void {
    const before = this.at.get(edge)
    this.at.set(edge, keep(before ? add(before, g) : g.alias(g.edge)))
    before?.dispose()
  }
  take(edge: Edge): Tensor | undefined {
    const g = this.at.get(edge)
    this.at.delete(edge)
    return g
  }
  leaves(): [Leaf, Tensor][] {
    return [...this.at].filter((entry): entry is [Leaf, Tensor] => entry[0] instanceof Leaf)
  }
}

/** The gradients of a node's inputs, from its rule, or through the composition that the op means. */
function inputGradients(node: Node, g: Tensor, needs: readonly boolean[]): (Tensor | null)[] {
  const saved = node.restore()
  const n = node.edges.length
  const inputs = saved.slice(0, n) as Tensor[]
  if (node.rule.grad)
    return node.rule.grad(
      g,
      { inputs, y: saved[n]!, extras: saved.slice(n + 1) as Tensor[] },
      node.parameters as never,
      needs,
    )
  return throughDefinition(node, inputs, g, needs)
}

/** Where the graph of a composition meets the outer graph. The walk of the composition ends here, the outer one passes. */
const link: Gradient<unknown> = { name: 'link', grad: g => [g] }

function linked(x: Tensor): Tensor {
  const y = x.alias(undefined)
  const node = new Node(link, null, [x])
  node.save([])
  y.edge = node
  return y
}

/**
 * Differentiates `definition`. Its inputs are linked to the outer graph, not part of it: where one depends on another (g
 * on y, say), the outer walk counts that, and counting it here too would count it twice.
 */
function throughDefinition(
  node: Node,
  inputs: readonly Tensor[],
  g: Tensor,
  needs: readonly boolean[],
): (Tensor | null)[] {
  const own = inputs.map((x, i) => (needs[i] ? linked(x) : x.detach()))
  const y = withRecording(true, 'backward', () => node.rule.definition!(own, node.parameters as never))
  const wanted = own.filter((_, i) => needs[i]).map(x => x.edge!)
  const result = y.edge ? walk(y, g, wanted, { retain: true, ends: true }) : []
  let at = 0
  return needs.map(need => (need ? freed(result[at++]) : null))
}

/** Brings a gradient to shape and dtype of the input it belongs to: sums over broadcast dims, repeats along reduced ones. */
function fitted(g: Tensor, node: Node, i: number): Tensor {
  const shape = node.shapes[i]
  const reduced = g.rank === shape.length && g.dims.every((dim, d) => dim === 1 || dim === shape[d])
  const shaped = sameShape(g.dims, shape) ? g : reduced ? expand(g, shape) : sumTo(g, shape)
  return cast(shaped, node.dtypes[i])
}

/** What an inner walk kept, for the scope of the outer one to free. */
const freed = (g: Tensor | undefined): Tensor | null => (g ? entered(g) : null)

interface WalkOptions {
  readonly retain: boolean
  /** Whether the targets are where the graph ends. */
  readonly ends?: boolean
  deliver?(leaf: Leaf, g: Tensor): void
}

/** Walks the graph of `y` backwards; returns what arrives at `targets`, or leaves it to `deliver`. */
function walk(
  y: Tensor,
  g: Tensor,
  targets: readonly Edge[],
  { retain, ends, deliver }: WalkOptions,
): (Tensor | undefined)[] {
  const flow = new Flow()
  const stops = new Set<Edge>(targets)
  const arrived = new Map<Edge, Tensor>()
  flow.add(y.edge!, g)
  const nodes = history(y.edge!, ends ? stops : undefined)
  const onTheWay = leading(nodes, stops)
  const wanted = (edge: Edge | undefined): boolean =>
    edge !== undefined && (targets.length === 0 || stops.has(edge) || onTheWay.has(edge))
  for (const node of nodes) {
    const upstream = flow.take(node)
    if (!upstream) continue
    if (stops.has(node)) arrived.set(node, upstream)
    if (targets.length > 0 && !onTheWay.has(node)) continue
    const needs = node.edges.map(wanted)
    // What the rules make on the way is freed at once; only what arrives lives on.
    tidy(() => {
      inputGradients(node, upstream, needs).forEach((gi, i) => {
        if (needs[i] && gi) flow.add(node.edges[i]!, fitted(gi, node, i))
      })
    })
    if (!stops.has(node)) upstream.dispose()
    if (!retain) node.release()
  }
  for (const [leaf, gradient] of flow.leaves()) {
    if (stops.has(leaf)) arrived.set(leaf, gradient)
    else if (deliver) deliver(leaf, gradient)
  }
  return targets.map(target => arrived.get(target))
}

/** Adds to the gradient of a parameter. A gradient that shares its storage is copied, so that in-place changes are safe. */
function accumulate(leaf: Leaf, g: Tensor): void {
  const before = leaf.gradient
  const own = before ? add(before, g) : g.storage.shared || !g.isContiguous ? clone(g) : g
  leaf.replace(keep(own))
  if (own !== g) g.dispose()
}

function seedGradient(op: string, y: Tensor, given: Tensor | undefined): Tensor {
  if (!y.edge)
    throw new GradientError(
      op,
      'the tensor does not depend on anything that requires a gradient',
      'call requiresGrad_() on the inputs, and do not compute under noGrad',
    )
  if (!isFloating(y.dtype)) throw new GradientError(op, `only floating tensors have gradients, got ${y.dtype}`)
  if (given) {
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
export function backward(y: Tensor, options: BackwardOptions = {}): void {
  checkTensor('backward', y)
  checkOptions('backward', options, ['retainGraph', 'createGraph', 'gradient'])
  const { createGraph = false, retainGraph = createGraph } = options
  withRecording(createGraph, 'backward', () => {
    const g = seedGradient('backward', y, options.gradient)
    walk(y, g, [], { retain: retainGraph, deliver: accumulate })
    if (g !== options.gradient) g.dispose()
  })
}

/** @internal Walks an inner graph: gradients of the leaves `inputs` are returned, those of other leaves go to their `.grad`. */
export function backwardThrough(y: Tensor, g: Tensor, inputs: readonly Tensor[]): (Tensor | null)[] {
  const own = new Map<Edge, Tensor>()
  const deliver = (leaf: Leaf, gradient: Tensor): void => {
    if (inputs.some(x => x.edge === leaf)) own.set(leaf, gradient)
    else accumulate(leaf, gradient)
  }
  walk(y, g, [], { retain: false, deliver })
  return inputs.map(x => (x.edge ? freed(own.get(x.edge)) : null))
}

export interface GradOptions extends BackwardOptions {
  /** Returns null, instead of throwing, for inputs that `y` does not depend on. Default: false. */
  allowUnused?: boolean
}

/** The gradients of `y` with respect to tensors, without touching their `.grad`. */
export function gradients(y: Tensor, inputs: readonly Tensor[], options: GradOptions = {}): (Tensor | null)[] {
  checkTensor('gradients', y)
  checkOptions('gradients', options, ['retainGraph', 'createGraph', 'gradient', 'allowUnused'])
  inputs.forEach((x, i) => {
    if (!checkTensor('gradients', x, `input ${i}`).edge)
      throw new GradientError(
        'gradients',
        `input ${i} does not require a gradient`,
        'call requiresGrad_() on it before computing',
      )
  })
  const { createGraph = false, retainGraph = createGraph } = options
  return withRecording(createGraph, 'gradients', () => {
    const g = seedGradient('gradients', y, options.gradient)
    const found = walk(
      y,
      g,
      inputs.map(x => x.edge!),
      { retain: retainGraph },
    )
    if (g !== options.gradient) g.dispose()
    return found.map((gradient, i) => {
      if (!gradient && !options.allowUnused)
        throw new GradientError(
          'gradients',
          `the result does not depend on input ${i}`,
          'pass { allowUnused: true } to get null for it',
        )
      if (!gradient) return null
      const own = createGraph || (!gradient.storage.shared && gradient.isContiguous) ? gradient : clone(gradient)
      if (own !== gradient) gradient.dispose()
      return own === gradient ? entered(own) : own
    })
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

/**
 * A function that computes a value and its gradients with respect to all its arguments.
 *
 * @example
 * const f = valueAndGrad((x, y) => x.mul(y).sum())
 * const { value, grads } = f(tensor([1, 2]), tensor([3, 4]))
 * await grads[0].toArray() // [3, 4]
 */
export function valueAndGrad<A extends Tensor[]>(
  fn: (...inputs: A) => Tensor,
): (...inputs: A) => { value: Tensor; grads: { [K in keyof A]: Tensor } } {
  return (...inputs) => {
    // Each argument is a variable of its own, also where one tensor is given twice.
    const leaves = inputs.map((x, i) => variable(checkTensor('valueAndGrad', x, `argument ${i}`)))
    const value = withRecording(true, 'valueAndGrad', () => refusePromise('valueAndGrad', fn(...(leaves as A))))
    // With an outer graph to link to, the gradients are recorded too.
    const nested = inputs.some(x => x.edge) || (isRecording() && reachesOutside(value, leaves))
    const grads = gradients(value, leaves, { createGraph: nested })
    return { value: nested ? value : value.detach(), grads: grads as never }
  }
}

/** A function that computes the gradient of a scalar function with respect to its first argument. Nests. */
export function grad<A extends Tensor[]>(fn: (...inputs: A) => Tensor): (...inputs: A) => Tensor {
  return (...inputs) => {
    const first = checkTensor('grad', inputs[0], 'argument 0')
    const leaf = variable(first)
    const y = withRecording(true, 'grad', () => refusePromise('grad', fn(...([leaf, ...inputs.slice(1)] as A))))
    const nested = inputs.some(x => x.edge) || (isRecording() && reachesOutside(y, [leaf]))
    return gradients(y, [leaf], { createGraph: nested })[0]!
  }
}
