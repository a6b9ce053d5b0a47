/** Strided loops of the JS kernels: the one place that walks dims. */
import type { Buf } from '../dtype.js'
import type { Strided } from '../runtime/js.js'

/** Calls `row(offsets, n)` for each run along the last dim; element j of view i is at offsets[i] + j · (its last stride). */
export function forRows(views: readonly Strided[], row: (offsets: readonly number[], n: number) => void): void {
  const { dims } = views[0]
  if (dims.includes(0)) return
  const last = dims.length - 1
  const offsets = views.map(v => v.offset)
  if (last < 0) return row(offsets, 1)
  const index = new Array<number>(last).fill(0)
  for (;;) {
    row(offsets, dims[last])
    let d = last - 1
    for (; d >= 0; d--) {
      for (let i = 0; i < views.length; i++) offsets[i] += views[i].strides[d]
      if (++index[d] < dims[d]) break
      for (let i = 0; i < views.length; i++) offsets[i] -= index[d] * views[i].strides[d]
      index[d] = 0
    }
    if (d < 0) return
  }
}

const lastStride = (v: Strided): number => v.strides.at(-1) ?? 0

/** y[i] = f(x[i]) */
export function map1(x: Strided, y: Buf, f: (x: number) => number): void {
  const step = lastStride(x)
  let at = 0
  forRows([x], ([o], n) => {
    for (let j = 0; j < n; j++) y[at++] = f(x.data[o + j * step])
  })
}

/** y[i] = f(a[i], b[i]) */
export function map2(a: Strided, b: Strided, y: Buf, f: (a: number, b: number) => number): void {
  const sa = lastStride(a)
  const sb = lastStride(b)
  let at = 0
  forRows([a, b], ([oa, ob], n) => {
    for (let j = 0; j < n; j++) y[at++] = f(a.data[oa + j * sa], b.data[ob + j * sb])
  })
}

/** y[i] = f(a[i], b[i], c[i]) */
export function map3(a: Strided, b: Strided, c: Strided, y: Buf, f: (a: number, b: number, c: number) => number): void {
  const [sa, sb, sc] = [a, b, c].map(lastStride)
  let at = 0
  forRows([a, b, c], ([oa, ob, oc], n) => {
    for (let j = 0; j < n; j++) y[at++] = f(a.data[oa + j * sa], b.data[ob + j * sb], c.data[oc + j * sc])
  })
}

/** For each output o of a reduction: `body(o, values)`, where `values(visit)` goes over the reduced elements in order. */
export function forOutputs(
  x: Strided,
  kept: number,
  body: (o: number, values: (visit: (v: number) => void) => void) => void,
): void {
  const outer: Strided = {
    data: x.data,
    offset: x.offset,
    dims: x.dims.slice(0, kept),
    strides: x.strides.slice(0, kept),
  }
  const dims = x.dims.slice(kept)
  const strides = x.strides.slice(kept)
  const step = strides.at(-1) ?? 0
  let o = 0
  const inner = (offset: number) => (visit: (v: number) => void) =>
    forRows([{ data: x.data, offset, dims, strides }], ([from], n) => {
      for (let j = 0; j < n; j++) visit(x.data[from + j * step])
    })
  const outerStep = outer.strides.at(-1) ?? 0
  forRows([outer], ([from], n) => {
    for (let j = 0; j < n; j++) body(o++, inner(from + j * outerStep))
  })
}
