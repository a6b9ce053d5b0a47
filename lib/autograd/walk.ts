/** The walk over a recorded graph, from a result back to what it depends on. */
import { add } from '../ops/binary.js'
import { cast, type Gradient } from '../ops/define.js'
import { clone } from '../ops/movement.js'
import { sumTo } from '../ops/reduce.js'
import { expand } from '../ops/view.js'
import { probeStack } from '../runtime/stack.js'
import { entered, keep, tidy, withRecording } from '../scope.js'
import { sameShape } from '../shape.js'
import type { Tensor } from '../tensor.js'
import { type Edge, isNode, Leaf, Node } from './graph.js'

/** All operations that a result depends on, newest first, down to `ends`. Iterative: graphs may be deeper than the stack. */
export function history(root: Edge, ends?: ReadonlySet<Edge>): Node[] {
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
  get(edge: Edge): Tensor | undefined {
    return this.at.get(edge)
  }
  /** Gives a gradient away: it is the caller's now. */
  take(edge: Edge): Tensor | undefined {
    const g = this.at.get(edge)
    this.at.delete(edge)
    return g
  }
  leaves(): Leaf[] {
    return [...this.at.keys()].filter(edge => edge instanceof Leaf)
  }
  /** Frees what has arrived, except at some edges. */
  dispose(except?: ReadonlySet<Edge>): void {
    for (const [edge, g] of this.at) if (!except?.has(edge)) g.dispose()
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

export function linked(x: Tensor): Tensor {
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
export const freed = (g: Tensor | undefined): Tensor | null => (g ? entered(g) : null)

interface WalkOptions {
  readonly retain: boolean
  /** Whether the targets are where the graph ends. */
  readonly ends?: boolean
  /** Takes what arrives at leaves that are no targets. */
  deliver?(leaf: Leaf, g: Tensor): void
}

/**
 * Walks the graph of `y` backwards; returns what arrives at `targets`, or leaves it to `deliver`. A walk that fails frees
 * what it made, and the graph counts as walked.
 */
export function walk(
  y: Tensor,
  g: Tensor,
  targets: readonly Edge[],
  { retain, ends, deliver }: WalkOptions,
): (Tensor | undefined)[] {
  const flow = new Flow()
  const stops = new Set<Edge>(targets)
  const nodes = history(y.edge!, ends ? stops : undefined)
  try {
    flow.add(y.edge!, g)
    pass(nodes, flow, stops, retain)
    for (const leaf of flow.leaves()) {
      if (stops.has(leaf) || !deliver) continue
      deliver(leaf, flow.get(leaf)!)
      flow.take(leaf)
    }
    flow.dispose(stops)
    return targets.map(target => flow.get(target))
  } catch (error) {
    flow.dispose()
    if (!retain) for (const node of nodes) node.release()
    throw error
  }
}

/** Lets gradients flow from operation to operation. What arrives at a stop stays there. */
function pass(nodes: readonly Node[], flow: Flow, stops: ReadonlySet<Edge>, retain: boolean): void {
  const onTheWay = leading(nodes, stops)
  const wanted = (edge: Edge | undefined): boolean =>
    edge !== undefined && (stops.size === 0 || stops.has(edge) || onTheWay.has(edge))
  for (const node of nodes) {
    const upstream = flow.get(node)
    if (!upstream || (stops.size > 0 && !onTheWay.has(node))) continue
    const needs = node.edges.map(wanted)
    // What the rules make on the way is freed at once; only what arrives lives on.
    tidy(() => {
      inputGradients(node, upstream, needs).forEach((gi, i) => {
        if (needs[i] && gi) flow.add(node.edges[i]!, fitted(gi, node, i))
      })
    })
    if (!stops.has(node)) flow.take(node)?.dispose()
    if (!retain) node.release()
  }
}

/**
 * Gradients for leaves, added up apart: leaves change when everything has been walked, or not at all. One that shares its
 * storage is copied, so that in-place changes are safe.
 */
export class Delivery {
  private readonly totals = new Map<Leaf, Tensor>()

  add(leaf: Leaf, g: Tensor): void {
    const earlier = this.totals.get(leaf)
    const before = earlier ?? leaf.gradient
    const own = before ? add(before, g) : g.storage.shared || !g.isContiguous ? clone(g) : g
    this.totals.set(leaf, keep(own))
    earlier?.dispose()
    if (own !== g) g.dispose()
  }
  commit(): void {
    probeStack()
    for (const [leaf, g] of this.totals) leaf.replace(g)
  }
  dispose(): void {
    for (const g of this.totals.values()) g.dispose()
  }
}
