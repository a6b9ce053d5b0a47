import type { DType } from '../dtype.js'
import { StateError } from '../errors.js'
import type { Gradient } from '../ops/define.js'
import { layerPath } from '../runtime/source.js'
import { keep } from '../scope.js'
import type { Shape } from '../shape.js'
import type { Tensor } from '../tensor.js'

/** Where a graph starts: it gathers the gradient of a parameter. */
export class Leaf {
  readonly shape: Shape
  readonly dtype: DType
  /** What backward has gathered. */
  gradient: Tensor | null = null
  /** Did a user receive it, or set it? Then it is theirs, and never disposed here. */
  private shown = false
  /** Is it that of a `Parameter`? */
  ofParameter = false

  constructor(shape: Shape, dtype: DType) {
    this.shape = shape
    this.dtype = dtype
  }

  /** The gradient, for a user. */
  show(): Tensor | null {
    this.shown = true
    return this.gradient
  }
  /** Puts another in its place; `shown`: one that a user has. */
  replace(gradient: Tensor | null, shown = false): void {
    const before = this.shown ? null : this.gradient
    this.gradient = gradient
    this.shown = shown
    if (before !== gradient) before?.dispose()
  }
}

/** The leaf of a tensor that starts a graph. */
export function leafOf(x: Tensor): Leaf | undefined {
  return x.edge instanceof Leaf ? x.edge : undefined
}

/** A value kept for backward, and the version its storage had then. */
interface Saved {
  readonly tensor: Tensor
  readonly version: number
}

let nodes = 0

/** The leaves that operations meet, and in which layer, while somebody asks. */
let met: Map<Leaf, string> | undefined

/** Runs a function, and notes the leaves that operations recorded in it use, each with the layer where it was met first. */
export function meeting<T>(leaves: Map<Leaf, string>, fn: () => T): T {
  const before = met
  met = leaves
  try {
    return fn()
  } finally {
    met = before
  }
}

/** One recorded operation. Results point to their node and nodes to their inputs, so an unreachable graph is collected. */
export class Node {
  /** Ascending in the order of recording: an operation comes after its inputs. */
  readonly id: number = ++nodes
  readonly rule: Gradient<unknown>
  readonly parameters: unknown
  readonly edges: readonly (Edge | undefined)[]
  readonly shapes: readonly Shape[]
  readonly dtypes: readonly DType[]
  private saved: (Saved | undefined)[] | undefined

  constructor(rule: Gradient<unknown>, parameters: unknown, inputs: readonly Tensor[]) {
    this.rule = rule
    this.parameters = parameters
    this.edges = inputs.map(x => x.edge)
    this.shapes = inputs.map(x => x.dims)
    this.dtypes = inputs.map(x => x.dtype)
    if (met) for (const edge of this.edges) if (edge instanceof Leaf && !met.has(edge)) met.set(edge, layerPath())
  }

  /** Keeps values; their storages live on even if the tensors are disposed. */
  save(values: readonly (Tensor | undefined)[]): void {
    this.saved = values.map(value => value && { tensor: keep(value.alias(value.edge)), version: value.storage.version })
  }

  /** The kept values, if they still are what they were. */
  restore(): readonly (Tensor | undefined)[] {
    if (!this.saved)
      throw new StateError(
        'backward',
        `the graph of ${this.rule.name} was walked before, and is gone`,
        'use backward({ retainGraph: true }) for the earlier walk',
      )
    for (const value of this.saved)
      if (value && value.tensor.storage.version !== value.version)
        throw new StateError(
          'backward',
          `a value that ${this.rule.name} saved was changed in place by ${value.tensor.storage.writer}`,
          'make the change after backward, or on a copy',
        )
    return this.saved.map(value => value?.tensor)
  }

  release(): void {
    const { saved } = this
    this.saved = undefined
    for (const value of saved ?? []) value?.tensor.dispose()
  }
}

export type Edge = Node | Leaf

export function isNode(edge: Edge): edge is Node {
  return edge instanceof Node
}

let warned = false

/** The gradient of a tensor with such an edge, as its user sees it. */
export function shownGradient(edge: Edge | undefined): Tensor | null {
  if (edge instanceof Leaf) return edge.show()
  if (edge && !warned) {
    warned = true
    process.emitWarning(
      'grad of a computed tensor is always null: only leaves gather gradients. Hint: gradients(y, [x]) gives that of any x; to update a leaf w, noGrad(() => w.assign_(…))',
      { code: 'GRADUS_W_GRAD_OF_RESULT' },
    )
  }
  return null
}
