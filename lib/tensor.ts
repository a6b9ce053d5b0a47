/// <reference lib="esnext.disposable" preserve="true" />
import { type Edge, isNode, Leaf, shownGradient } from './autograd/graph.js'
import { type AnyDType, type ArrayOf, allocated, type DType, isFloating } from './dtype.js'
import { describe, GradientError, OptionError, ShapeError, StateError } from './errors.js'
import type { Methods } from './methods.js'
import { headline, printed } from './print.js'
import type { Device } from './runtime/device.js'
import { Storage } from './runtime/storage.js'
import { enter, keep } from './scope.js'
import { format, isContiguous, type Shape, sameShape, sizeOf, stridesOf } from './shape.js'

/** Nested arrays of numbers, as `toArray()` gives them. */
export type Nested = number | boolean | Nested[]

/** The methods that the op families add; see lib/ops/index.ts. */
export interface Tensor<out D extends DType = AnyDType, out S extends Shape = Shape> extends Methods<D, S> {}

/**
 * An array of numbers on a device: a storage seen through offset, shape and strides. Views share their storage.
 *
 * Operations return new tensors and are only issued: they run in the background, in order. `await data()`, `item()` and
 * `toArray()` wait for the result; their `Sync` twins block.
 */
export class Tensor<out D extends DType = AnyDType, out S extends Shape = Shape> {
  /** Bundlers shorten the names of classes; errors and summaries say this one. */
  static readonly name: string = 'Tensor'
  /** @internal `shape`, for the library's own eyes: it is not frozen yet. Never changed, nor shared with a user. */
  readonly dims: S
  /** @internal `strides`, likewise. */
  readonly steps: readonly number[]
  /** Where element (0, 0, …) is in the storage. */
  readonly offset: number
  private readonly buffer: Storage
  /** Who disposed it. */
  private disposer: string | undefined = undefined
  /** @internal The place in the recorded graph; undefined: no gradient is wanted. */
  edge: Edge | undefined
  /** @internal What ended the graph that it would belong to: an op without gradient, `noGrad`, `detach`. */
  cut: string | undefined

  /** @internal Tensors are made by `tensor()`, `zeros()` and the like, and by operations. */
  constructor(storage: Storage, dims: S, steps?: readonly number[], offset = 0) {
    if (!(storage instanceof Storage))
      throw new OptionError('Tensor', 'tensors are made by functions', 'use tensor([1, 2])')
    this.buffer = storage
    this.dims = dims
    this.steps = steps ?? stridesOf(dims)
    this.offset = offset
    enter(this)
  }

  /** @internal */
  get storage(): Storage {
    if (this.disposer !== undefined) this.checkAlive('tensor')
    return this.buffer
  }
  /** @internal Throws if it was disposed. */
  checkAlive(op: string): void {
    const by = this.disposer
    if (by === undefined) return
    const source = this.buffer.stream.heap.madeBy(this.buffer)
    throw new StateError(
      op,
      `a ${this.dtype} tensor of shape ${format(this.dims)}${source ? `, made by ${source},` : ''} was disposed by ${by}`,
      insteadOf[by] ?? 'dispose it later, or use a clone()',
    )
  }
  /** Sizes of the dims, outermost first. */
  get shape(): S {
    return frozen(this.dims)
  }
  /** Steps between elements, counted in elements, for each dim. */
  get strides(): readonly number[] {
    return frozen(this.steps)
  }
  get dtype(): D {
    return this.buffer.dtype as D
  }
  get device(): Device {
    return this.buffer.stream.device
  }
  /** Number of dims. */
  get rank(): number {
    return this.dims.length
  }
  /** Number of elements. */
  get size(): number {
    return sizeOf(this.dims)
  }
  get isContiguous(): boolean {
    return isContiguous(this.dims, this.steps)
  }
  get isDisposed(): boolean {
    return this.disposer !== undefined
  }

  // ---- reading -------------------------------------------------------------------------------------------------------

  /**
   * The elements in row-major order, as a new typed array (bool as bytes).
   *
   * @throws The error of the command that failed to compute them.
   * @example
   * await tensor([[1, 2], [3, 4]]).transpose().data() // Float32Array [1, 3, 2, 4]
   */
  async data(): Promise<ArrayOf<D>> {
    this.checkAlive('data')
    const target = allocated('data', this.dtype, this.size)
    const dense = this.contiguous()
    const read = this.storage.stream.read('data', dense, target)
    if ((dense as unknown) !== this) dense.dispose() // after the read, in the order of records
    await read
    return target as ArrayOf<D>
  }
  /** As `data()`, but blocks until the work is done. */
  dataSync(): ArrayOf<D> {
    this.checkAlive('dataSync')
    const target = allocated('dataSync', this.dtype, this.size)
    const dense = this.contiguous()
    this.storage.stream.readSync('data', dense, target)
    if ((dense as unknown) !== this) dense.dispose()
    return target as ArrayOf<D>
  }

  /**
   * The only element of a tensor that has one.
   *
   * @throws ShapeError if there are more or fewer.
   */
  async item(): Promise<number> {
    this.checkSingle('item')
    return (await this.data())[0]
  }
  /** As `item()`, but blocks until the work is done. */
  itemSync(): number {
    this.checkSingle('itemSync')
    return this.dataSync()[0]
  }
  private checkSingle(op: string): void {
    if (this.size !== 1)
      throw new ShapeError(op, `expected one element, got shape ${format(this.dims)}`, 'use data() or toArray()')
  }

  /** The elements as nested arrays; bool as true and false. */
  async toArray(): Promise<Nested> {
    return nest(await this.data(), this.dims, this.dtype)
  }
  /** As `toArray()`, but blocks until the work is done. */
  toArraySync(): Nested {
    return nest(this.dataSync(), this.dims, this.dtype)
  }

  // ---- gradients -----------------------------------------------------------------------------------------------------

  get requiresGrad(): boolean {
    return this.edge !== undefined
  }
  /** As `requiresGrad_`. */
  set requiresGrad(on: boolean) {
    this.requiresGrad_(on)
  }
  /** Is this the start of a graph: a parameter, or a tensor without history? */
  get isLeaf(): boolean {
    return this.edge === undefined || !isNode(this.edge)
  }
  /** The gradient that `backward()` has gathered; null before, and for what was computed. */
  get grad(): Tensor<D, S> | null {
    return shownGradient(this.edge) as Tensor<D, S> | null
  }
  set grad(value: Tensor | null) {
    this.checkAlive('grad')
    if (!(this.edge instanceof Leaf)) throw new GradientError('grad', 'only a leaf that requires a gradient has one')
    const fits = value?.dtype === this.dtype && value.device === this.device && sameShape(value.dims, this.dims)
    if (value !== null && !fits)
      throw new GradientError(
        'grad',
        `expected ${format(this.dims)} ${this.dtype} on ${this.device}, got ${value instanceof Tensor ? String(value) : describe(value)}`,
        'a gradient is like its tensor',
      )
    this.edge.replace(value && keep(value), true)
  }

  /**
   * Starts (or ends) recording from this tensor. Returns it.
   *
   * @throws GradientError if it is not a leaf, or not of a floating dtype.
   */
  requiresGrad_(on: boolean = true): this {
    this.checkAlive('requiresGrad_')
    if (this.edge !== undefined && isNode(this.edge))
      throw new GradientError(
        'requiresGrad_',
        'the tensor is the result of an operation',
        'use detach() to start anew from its value',
      )
    if (on && !isFloating(this.dtype))
      throw new GradientError(
        'requiresGrad_',
        `only floating tensors have gradients, got ${this.dtype}`,
        "use cast('float32')",
      )
    this.edge = on ? (this.edge ?? new Leaf(this.dims, this.dtype)) : undefined
    return this
  }

  /** The same values without history, sharing the storage. */
  detach(): Tensor<D, S> {
    this.checkAlive('detach')
    const copy = this.alias(undefined)
    copy.cut = this.edge ? 'detach' : this.cut
    return copy
  }

  /** @internal Another tensor on the same storage. */
  alias(edge: Edge | undefined, dims: Shape = this.dims, steps: readonly number[] = this.steps): Tensor<D, S> {
    const copy = new Tensor<D, S>(this.storage.retain(), dims as S, steps, this.offset)
    copy.edge = edge
    return copy
  }

  // ---- lifetime ------------------------------------------------------------------------------------------------------

  /** Gives the storage up at once, if no view shares it. A second call does nothing. */
  dispose(): void {
    this.disposeBy('dispose()')
  }
  [Symbol.dispose](): void {
    this.disposeBy('using')
  }
  /** @internal Says who did it, to whoever uses it afterwards. */
  disposeBy(who: string): void {
    if (this.disposer !== undefined) return
    this.disposer = who
    this.buffer.release()
  }

  /** Shape, dtype, device and state. `console.log` also shows the values, if they are known. */
  toString(): string {
    return headline(this)
  }
  /** In arithmetic and comparisons a tensor would silently be a text. */
  [Symbol.toPrimitive](hint: string): string {
    if (hint === 'string') return this.toString()
    throw new StateError(
      'toPrimitive',
      'a tensor is no number: its value may still be computed',
      'use await t.item() for the number, and add(), mul(), less() … for tensors',
    )
  }
  /** JSON, postMessage and the like would lose the values silently. */
  toJSON(): never {
    throw new StateError('toJSON', 'a tensor has no JSON form', 'use await t.toArray(), or stateDict() for models')
  }
}

/** What to do where somebody other than the user disposed a tensor. */
const insteadOf: { readonly [who: string]: string } = {
  'tidy()': 'return it from tidy(), or keep() it there',
  'the loader': 'a batch lives until the next is asked for: clone() what must outlive it',
}

/** Freezing takes longer than issuing an operation, so it waits until somebody looks. */
function frozen<T extends readonly number[]>(list: T): T {
  return Object.isFrozen(list) ? list : Object.freeze(list)
}

function nest(data: ArrayLike<number>, shape: Shape, dtype: DType): Nested {
  let at = 0
  const level = (d: number): Nested => {
    if (d === shape.length) return dtype === 'bool' ? data[at++] !== 0 : data[at++]
    return Array.from({ length: shape[d] }, () => level(d + 1))
  }
  return level(0)
}

// For console.log; not a class member, since its name is computed. What is nested in other objects takes one line.
Object.defineProperty(Tensor.prototype, Symbol.for('nodejs.util.inspect.custom'), {
  value(this: Tensor, depth: number | null, options: { depth?: number | null }) {
    // At the top, the depth left is all there is; without a limit, who knows.
    return printed(this, !(Number.isFinite(depth) && depth === options?.depth))
  },
})

// Not a class member: the compiler is to refuse it, too.
Object.defineProperty(Tensor.prototype, Symbol.iterator, {
  value() {
    throw new StateError(
      'iterator',
      'a tensor cannot be iterated over: its values may still be computed',
      'use t.split(1) for its rows, await t.data() or await t.toArray() for numbers, max() instead of Math.max()',
    )
  },
})
