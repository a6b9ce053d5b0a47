import { describe, ShapeError } from './errors.js'

/** Sizes of the dims, outermost first. `[]` is a scalar. */
export type Shape = readonly number[]

export function sizeOf(shape: Shape): number {
  let n = 1
  for (const dim of shape) n *= dim
  return n
}

/** Row-major strides, in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length)
  let step = 1
  for (let d = shape.length - 1; d >= 0; d--) {
    strides[d] = step
    step *= shape[d]
  }
  return strides
}

export function isContiguous(shape: Shape, strides: readonly number[]): boolean {
  let step = 1
  for (let d = shape.length - 1; d >= 0; d--) {
    if (shape[d] === 0) return true
    if (shape[d] !== 1 && strides[d] !== step) return false
    step *= shape[d]
  }
  return true
}

/** Do several elements share one place, as in an expanded view? */
export function overlaps(shape: Shape, strides: readonly number[]): boolean {
  return shape.some((dim, d) => dim > 1 && strides[d] === 0) && sizeOf(shape) > 0
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, i) => dim === b[i])
}

export function format(shape: Shape): string {
  return `[${shape.join(', ')}]`
}

/** A list of sizes that a user gave, not the dims of one tensor, as a copy. */
export function checkSizes(op: string, given: unknown, expected = 'an array of sizes'): number[] {
  if (!Array.isArray(given))
    throw new ShapeError(
      op,
      `expected ${expected}, got ${describe(given)}`,
      typeof given === 'number' ? `put it in brackets: [${given}]` : undefined,
    )
  const sizes: number[] = Array.from(given)
  for (let i = 0; i < sizes.length; i++)
    if (!Number.isSafeInteger(sizes[i]) || sizes[i] < 0)
      throw new ShapeError(op, `sizes must be whole numbers of at least 0, got ${describe(sizes[i])} at position ${i}`)
  return sizes
}

/** A shape that a user gave, as a copy: later changes to theirs have no effect. */
export function checkShape(op: string, given: unknown): number[] {
  const shape = checkSizes(op, given, 'a shape (an array of sizes)')
  if (!Number.isSafeInteger(sizeOf(shape))) throw new ShapeError(op, `shape ${format(shape)} has too many elements`)
  return shape
}

/** Numbers in one array, or one after the other as PyTorch also takes them: `permute([1, 0])`, `permute(1, 0)`. */
export type Numbers = [list: readonly number[]] | number[]

export function listOf(given: Numbers): readonly number[] {
  return given.length === 1 && Array.isArray(given[0]) ? given[0] : (given as number[])
}

/** An axis counted from the front; −1 is the last. A scalar is taken as one of one dim, as in PyTorch: it has axis 0. */
export function axisOf(op: string, axis: unknown, rank: number): number {
  if (!Number.isInteger(axis)) throw new ShapeError(op, `axis must be a whole number, got ${describe(axis)}`)
  const n = Math.max(rank, 1)
  const a = (axis as number) < 0 ? (axis as number) + n : (axis as number)
  if (a >= 0 && a < n) return a
  throw new ShapeError(op, `axis ${axis} is outside a tensor of rank ${rank}`, `use ${-n} to ${n - 1}`)
}

/** The same for an op that needs a dim to work on. */
export function dimOf(op: string, axis: unknown, rank: number): number {
  if (rank === 0) throw new ShapeError(op, 'a scalar has no axes', 'reshape([1]) gives it one')
  return axisOf(op, axis, rank)
}

/** Axes counted from the front, as named; they must differ. */
export function differentAxes(op: string, axes: unknown, rank: number): number[] {
  if (typeof axes !== 'number' && !Array.isArray(axes))
    throw new ShapeError(op, `axes must be a whole number or a list of them, got ${describe(axes)}`)
  const list = Array.from(typeof axes === 'number' ? [axes] : axes, axis => axisOf(op, axis, rank))
  if (new Set(list).size < list.length) throw new ShapeError(op, `axes must differ, got ${format(list)}`)
  return list
}

/** Axes counted from the front, in ascending order; all of them for an empty list, `undefined` or `null`. */
export function axesOf(op: string, axes: unknown, rank: number): number[] {
  const list = axes === undefined || axes === null ? [] : differentAxes(op, axes, rank)
  return rank === 0 || list.length === 0 ? Array.from({ length: rank }, (_, i) => i) : list.sort((a, b) => a - b)
}

/** The common shape, by NumPy's rule: dims from the right must be equal, or one of them 1. */
export function broadcast(op: string, ...shapes: Shape[]): number[] {
  const rank = Math.max(...shapes.map(s => s.length))
  const result = new Array<number>(rank).fill(1)
  for (const shape of shapes)
    for (let i = 1; i <= shape.length; i++) {
      const dim = shape[shape.length - i]
      const have = result[rank - i]
      if (have === 1) result[rank - i] = dim
      else if (dim !== 1 && dim !== have)
        throw new ShapeError(
          op,
          `shapes ${shapes.map(format).join(' and ')} do not broadcast (${have} ≠ ${dim})`,
          'dims must be equal or 1, counted from the right',
        )
    }
  return result
}

/** Strides that read a tensor of `shape` as if it had the shape `to`: 0 where a dim is repeated. */
export function broadcastStrides(shape: Shape, strides: readonly number[], to: Shape): number[] {
  const lead = to.length - shape.length
  return to.map((_, d) => (d < lead || shape[d - lead] === 1 ? 0 : strides[d - lead]))
}

/** Dims and strides that visit the same elements in the same order with as few dims as possible. */
export function coalesce(shape: Shape, all: readonly (readonly number[])[]): { dims: number[]; strides: number[][] } {
  const dims: number[] = []
  const strides: number[][] = all.map(() => [])
  if (shape.includes(0)) return { dims: [0], strides: all.map(() => [1]) } // of nothing, one dim shows all
  for (let d = 0; d < shape.length; d++) {
    if (shape[d] === 1) continue
    const last = dims.length - 1
    if (last >= 0 && all.every((s, i) => strides[i][last] === s[d] * shape[d])) {
      dims[last] *= shape[d]
      for (let i = 0; i < all.length; i++) strides[i][last] = all[i][d]
    } else {
      dims.push(shape[d])
      for (let i = 0; i < all.length; i++) strides[i].push(all[i][d])
    }
  }
  return { dims, strides }
}

/** Strides that show the same elements in the same order under another shape; undefined: only a copy can. */
export function reshapedStrides(shape: Shape, strides: readonly number[], to: Shape): number[] | undefined {
  if (sizeOf(to) === 0) return stridesOf(to)
  const {
    dims,
    strides: [steps],
  } = coalesce(shape, [strides])
  const result = new Array<number>(to.length).fill(1)
  // Each run of elements with one step is filled by as many new dims as it takes, from the right.
  let run = dims.length - 1
  let left = run < 0 ? 1 : dims[run]
  let step = run < 0 ? 1 : steps[run]
  for (let d = to.length - 1; d >= 0; d--) {
    if (to[d] === 1) {
      result[d] = step
      continue
    }
    if (left === 1) {
      run--
      left = dims[run]
      step = steps[run]
    }
    if (left % to[d] !== 0) return undefined
    result[d] = step
    step *= to[d]
    left /= to[d]
  }
  return result
}

/** A shape seen as [outer, n, inner] around an axis. */
export interface Slices {
  readonly axis: number
  readonly outer: number
  readonly n: number
  readonly inner: number
}
export function slicesOf(op: string, shape: Shape, axis: number): Slices {
  const a = axisOf(op, axis, shape.length)
  return { axis: a, outer: sizeOf(shape.slice(0, a)), n: shape[a] ?? 1, inner: sizeOf(shape.slice(a + 1)) }
}
