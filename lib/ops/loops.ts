/** Loops of the JS kernels: the one place that walks dims, and that cuts long work into pieces. */
import type { Buf } from '../dtype.js'
import type { Pieces, Strided } from '../runtime/js.js'

/** Elements of a piece: some tens of microseconds, so that looking at the clock after each costs nothing. */
const piece = 8192

/** Offsets of views with equal dims. `next` goes on to the next place of the first `rank` dims, if there is one. */
export function walk(
  views: readonly Strided[],
  rank: number,
): { readonly offsets: readonly number[]; next(): boolean } {
  const { dims } = views[0]
  const offsets = views.map(v => v.offset)
  const index = new Array<number>(rank).fill(0)
  const next = (): boolean => {
    for (let d = rank - 1; d >= 0; d--) {
      for (let i = 0; i < views.length; i++) offsets[i] += views[i].strides[d]
      if (++index[d] < dims[d]) return true
      for (let i = 0; i < views.length; i++) offsets[i] -= index[d] * views[i].strides[d]
      index[d] = 0
    }
    return false
  }
  return { offsets, next }
}

const lastStride = (v: Strided): number => v.strides.at(-1) ?? 0

/** Calls `row(offsets, n)` for each run along the last dim; element j of view i is at offsets[i] + j · (its last stride). */
export function* forRows(views: readonly Strided[], row: (offsets: readonly number[], n: number) => void): Pieces {
  const { dims } = views[0]
  if (dims.includes(0)) return
  const n = dims.at(-1) ?? 1
  const steps = views.map(lastStride)
  const { offsets, next } = walk(views, Math.max(dims.length - 1, 0))
  let left = piece
  do {
    for (let done = 0; done < n; done += piece) {
      const part = Math.min(piece, n - done)
      row(done === 0 ? offsets : offsets.map((offset, i) => offset + done * steps[i]), part)
      left -= part
      if (left > 0) continue
      left = piece
      yield
    }
  } while (next())
}

/** The same in one go. */
function eachRow(views: readonly Strided[], row: (offsets: readonly number[], n: number) => void): void {
  const { dims } = views[0]
  if (dims.includes(0)) return
  const { offsets, next } = walk(views, Math.max(dims.length - 1, 0))
  do row(offsets, dims.at(-1) ?? 1)
  while (next())
}

/** y[i] = f(x[i]) */
export function map1(x: Strided, y: Buf, f: (x: number) => number): Pieces {
  const step = lastStride(x)
  let at = 0
  return forRows([x], ([o], n) => {
    for (let j = 0; j < n; j++) y[at++] = f(x.data[o + j * step])
  })
}

/** y[i] = f(a[i], b[i]) */
export function map2(a: Strided, b: Strided, y: Buf, f: (a: number, b: number) => number): Pieces {
  const sa = lastStride(a)
  const sb = lastStride(b)
  let at = 0
  return forRows([a, b], ([oa, ob], n) => {
    for (let j = 0; j < n; j++) y[at++] = f(a.data[oa + j * sa], b.data[ob + j * sb])
  })
}

/** y[i] = f(a[i], b[i], c[i]) */
export function map3(
  a: Strided,
  b: Strided,
  c: Strided,
  y: Buf,
  f: (a: number, b: number, c: number) => number,
): Pieces {
  const [sa, sb, sc] = [a, b, c].map(lastStride)
  let at = 0
  return forRows([a, b, c], ([oa, ob, oc], n) => {
    for (let j = 0; j < n; j++) y[at++] = f(a.data[oa + j * sa], b.data[ob + j * sb], c.data[oc + j * sc])
  })
}

/** Addition in the precision of `y`: int32 wraps at once, or long sums would leave the whole numbers of float64. */
export function plusOf(y: Buf): (a: number, b: number) => number {
  return y instanceof Int32Array ? (a, b) => (a + b) | 0 : (a, b) => a + b
}

/** How a reduction goes over the values of one output, in order. */
interface Fold {
  start(): void
  visit(v: number): void
  end(o: number): void
}

/** Folds the reduced elements of each output. */
export function* forOutputs(x: Strided, kept: number, { start, visit, end }: Fold): Pieces {
  const outer: Strided = { ...x, dims: x.dims.slice(0, kept), strides: x.strides.slice(0, kept) }
  if (outer.dims.includes(0)) return
  const dims = x.dims.slice(kept)
  const strides = x.strides.slice(kept)
  const step = strides.at(-1) ?? 0
  const size = dims.reduce((n, dim) => n * dim, 1)
  const { offsets, next } = walk([outer], kept)
  const row = ([from]: readonly number[], n: number): void => {
    for (let j = 0; j < n; j++) visit(x.data[from + j * step])
  }
  let left = piece
  let o = 0
  do {
    start()
    const values = [{ data: x.data, offset: offsets[0], dims, strides }]
    if (size <= piece) eachRow(values, row)
    else yield* forRows(values, row)
    end(o++)
    left -= size + 1
    if (left > 0) continue
    left = piece
    yield
  } while (next())
}

/** Calls `visit` for each slice along the middle of [outer, n, inner], with the place of its first element; the next is `inner` on. */
export function* forSlices(
  outer: number,
  n: number,
  inner: number,
  visit: (at: number, slice: number) => void,
): Pieces {
  if (outer * n * inner === 0) return // a single one may be too large to count through
  let left = piece
  for (let o = 0; o < outer; o++)
    for (let i = 0; i < inner; i++) {
      visit(o * n * inner + i, o * inner + i)
      left -= n
      if (left > 0) continue
      left = piece
      yield
    }
}

/** Calls `visit` for 0 … n − 1. */
export function* forEach(n: number, visit: (i: number) => void): Pieces {
  for (let begin = 0; begin < n; begin += piece) {
    const end = Math.min(n, begin + piece)
    for (let i = begin; i < end; i++) visit(i)
    yield
  }
}

/** Calls `visit` for each place (o, j, i) of a dense [outer, k, inner], `at` being its position. */
export function forPlaces(
  outer: number,
  k: number,
  inner: number,
  visit: (o: number, j: number, i: number, at: number) => void,
): Pieces {
  return forEach(outer * k * inner, at => {
    const i = at % inner
    const row = (at - i) / inner
    const j = row % k
    visit((row - j) / k, j, i, at)
  })
}
