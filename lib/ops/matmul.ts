/** Matrix product.                                          twin: native/kernels/matmul.cc   cases: test/ops/matmul.ts */
import { promote } from '../dtype.js'
import { ShapeError } from '../errors.js'
import type { Common, Numeric } from '../promotion.js'
import { complete, type Strided } from '../runtime/js.js'
import type { Operand } from '../runtime/stream.js'
import { type Allowed, type Arguments, absolute, allowedUlp, sumError } from '../runtime/tolerance.js'
import { broadcast, broadcastStrides, coalesce, format, type Shape, sizeOf } from '../shape.js'
import type { Tensor } from '../tensor.js'
import { applyTo, cast, checkTensor, kernels, type Rule, rule } from './define.js'
import { walk } from './loops.js'
import { contiguous } from './movement.js'
import { expand, reshape, transpose, unsqueeze } from './view.js'

/** Multiplications between two looks at the clock. */
const pieceOfWork = 65536

/**
 * row += Σ A[i, p]·B[p, :] over p from `from` to `to`; `at`: where row i of A, and B, begin. In the generator itself it
 * would be half as fast.
 */
function addProducts(
  row: Float64Array | Int32Array,
  a: Strided,
  b: Strided,
  at: readonly [a: number, b: number],
  from: number,
  to: number,
): void {
  const n = row.length
  const aColumn = a.strides[a.strides.length - 1]
  const [bRow, bColumn] = b.strides.slice(-2)
  const times = row instanceof Int32Array ? Math.imul : (x: number, y: number) => x * y
  for (let p = from; p < to; p++) {
    const x = a.data[at[0] + p * aColumn]
    const start = at[1] + p * bRow
    for (let j = 0; j < n; j++) row[j] += times(x, b.data[start + j * bColumn])
  }
}

kernels(
  {
    // C[m, n] = Σₖ A[m, k]·B[k, n], row by row of B, so that all reads run forward; sums are kept in float64, or wrap.
    *matmul(a, b, c) {
      if (c.length === 0) return
      const [m, k] = a.dims.slice(-2)
      const n = b.dims[b.dims.length - 1]
      const aRow = a.strides[a.strides.length - 2]
      const row = c instanceof Int32Array ? new Int32Array(n) : new Float64Array(n)
      const most = Math.max(1, Math.floor(pieceOfWork / n))
      const { offsets, next } = walk([a, b], a.dims.length - 2)
      let left = pieceOfWork
      let to = 0
      do {
        for (let i = 0; i < m; i++) {
          row.fill(0)
          for (let p = 0; p < k; p += most) {
            const end = Math.min(k, p + most)
            addProducts(row, a, b, [offsets[0] + i * aRow, offsets[1]], p, end)
            left -= (end - p) * n
            if (left > 0) continue
            left = pieceOfWork
            yield
          }
          c.set(row, to)
          to += n
        }
      } while (next())
    },
  },
  { matmul: tolerance },
)

/** The longest chain of float32 additions: a block of K in native/kernels/matmul.cc. */
const longestBlock = 640

function tolerance(call: Arguments): Allowed {
  const [a, b] = [call.strided('a'), call.strided('b')]
  if (a.data instanceof Int32Array) return () => 0
  const [m, k] = a.dims.slice(-2)
  const n = b.dims[b.dims.length - 1]
  const totals = new Float64Array(sizeOf(a.dims.slice(0, -2)) * m * n)
  complete(call.kernels.matmul(absolute(a), absolute(b), totals))
  // Twice, since the errors of so many equal numbers do not cancel.
  return (i, v) => allowedUlp(1, v) + sumError(2 * k, totals[i], 2 * longestBlock)
}

/** Batch dims broadcast and merged; matrix dims as they are. */
function operands(a: Tensor, b: Tensor, batch: Shape): [Operand, Operand] {
  const strides = [a, b].map(x => broadcastStrides(x.dims.slice(0, -2), x.steps.slice(0, -2), batch))
  const merged = coalesce(batch, strides)
  const operand = (x: Tensor, i: number): Operand => ({
    storage: x.storage,
    offset: x.offset,
    dims: [...merged.dims, ...x.dims.slice(-2)],
    steps: [...merged.strides[i], ...x.steps.slice(-2)],
  })
  return [operand(a, 0), operand(b, 1)]
}

/** The operands; or, where their batch dims do not merge to the 4 that the kernel takes, row-major copies that do. */
function separable(a: Tensor, b: Tensor): [Tensor, Tensor] {
  const batch = batchOf(a, b)
  const strides = [a, b].map(x => broadcastStrides(x.dims.slice(0, -2), x.steps.slice(0, -2), batch))
  if (coalesce(batch, strides).dims.length <= 4) return [a, b]
  const written = (x: Tensor): Tensor => contiguous(expand(x, [...batch, ...x.dims.slice(-2)]))
  return [written(a), written(b)]
}

const batchOf = (a: Tensor, b: Tensor): number[] => broadcast('matmul', a.dims.slice(0, -2), b.dims.slice(0, -2))

const matmulRule: Rule<null> = rule({
  name: 'matmul',
  strided: true,
  output: ([a, b]) => ({ shape: [...batchOf(a, b), a.dims[a.rank - 2], b.dims[b.rank - 1]] }),
  run: (k, [a, b], c) => k.matmul(...operands(a, b, batchOf(a, b)), c),
  saves: { inputs: [0, 1] },
  // C = A·B   ⇒   ∂A = G·Bᵀ,  ∂B = Aᵀ·G
  grad: (g, { inputs: [a, b] }, _, needs) => [
    needs[0] ? matmul(g, transpose(b)) : null,
    needs[1] ? matmul(transpose(a), g) : null,
  ],
})

/**
 * The matrix product over the last two dims, [… m, k] × [… k, n] → [… m, n]; leading dims are batches and broadcast. A
 * vector on the left counts as a row, on the right as a column, and its dim goes away. Transposed views are read as they
 * are.
 *
 * @throws ShapeError if the inner sizes differ, or for a scalar.
 * @example
 * const a = tensor([[1, 2], [3, 4]])
 * await matmul(a, tensor([1, 10])).toArray() // [21, 43]
 */
export function matmul<A extends Tensor, B extends Tensor>(a: A, b: B): Tensor<Common<A, B, Numeric>> {
  checkTensor('matmul', a, 'left operand')
  checkTensor('matmul', b, 'right operand')
  const where = `got ${format(a.dims)} × ${format(b.dims)}`
  if (a.rank === 0 || b.rank === 0)
    throw new ShapeError('matmul', `operands must have at least one dim, ${where}`, 'use mul() for scalars')
  const [left, right] = [a.rank === 1 ? unsqueeze(a, 0) : a, b.rank === 1 ? unsqueeze(b, 1) : b]
  const [k, other] = [left.dims[left.rank - 1], right.dims[right.rank - 2]]
  if (k !== other)
    throw new ShapeError('matmul', `inner sizes must match, ${where} (${k} ≠ ${other})`, 'transpose one operand?')
  const dtype = promote(promote(a.dtype, b.dtype), 'int32')
  const [l, r] = separable(cast(left, dtype), cast(right, dtype))
  const c = applyTo(matmulRule, [a, b], [l, r], null)
  if (a.rank > 1 && b.rank > 1) return c
  const shape = c.dims.filter((_, d) => !(a.rank === 1 && d === c.rank - 2) && !(b.rank === 1 && d === c.rank - 1))
  return reshape(c, shape)
}
