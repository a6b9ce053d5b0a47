// Matrix product, batched. C[b] = A[b]·B[b], c: [batch…, m, n] dense.                        twin: lib/ops/matmul.ts
//
// The loops of Goto & van de Geijn (2008), "Anatomy of high-performance matrix multiplication": blocks of K, of N and
// of M; both operands packed into panels, which also takes care of any strides. The innermost tile keeps MR×NR sums
// in registers. Bits: an element of C is one chain of mulAdd over k inside a K block, the blocks added in order, many of
// them in float64, so it depends neither on tile, nor position, nor threads.
#include "kernel.h"

namespace {

// Tiles: accumulators fill most of the vector registers (32 on AVX-512 and NEON, 16 on AVX2, 16 without fma).
constexpr int vectors = V::lanes == 16 ? 4 : V::lanes == 4 && V::fused ? 3 : 2;
constexpr int MR = V::fused ? 6 : 4;
constexpr int NR = vectors * V::lanes;
// Kept in cache: a panel of A (MR·KC) in L1, a block of A (MC·KC) in L2, a block of B (KC·NC) in L3.
constexpr i64 KC = 512, MC = 32 * MR, NC = 2048;
// Below this many multiplications one thread is as fast as two.
constexpr i64 parallelWork = 64 * 64 * 64;

struct Product {
  const float* a; i64 aRow, aColumn;
  const float* b; i64 bRow, bColumn;
  float* c;
  i64 m, n, k;
};

// The K block that starts at p: K is cut evenly, so that no thin last block is left. Depends on k alone.
inline i64 blockOfK(i64 k) { return k <= KC + KC / 4 ? maxOf2(k, 1) : ceilDiv(k, ceilDiv(k, KC)); }

// More blocks than this are added in float64, so that errors do not grow with their number. The room for that, 8·m·n
// bytes, is small beside operands of such a k.
constexpr i64 floatBlocks = 16;
inline bool isLong(i64 k) { return k > floatBlocks * blockOfK(k); }

// Adds rows [i, i + mc) and columns [j, j + nc) of C, which hold one block of K, to the totals [m, width] of the columns
// from `start` on; C gets the last ones.
void addBlock(const Product& g, i64 i, i64 mc, i64 j, i64 nc, double* totals, i64 start, i64 width, bool first, bool last) {
  for (i64 r = i; r < i + mc; r++) {
    float* c = g.c + r * g.n + j;
    double* total = totals + r * width + j - start;
    for (i64 q = 0; q < nc; q++) total[q] = first ? double(c[q]) : total[q] + double(c[q]);
    if (last) for (i64 q = 0; q < nc; q++) c[q] = float(total[q]);
  }
}

// Rows [i, i + mc) of A as panels [panel][k][MR], the last one filled up with zeros.
void packA(const Product& g, i64 i, i64 mc, i64 p, i64 kc, float* out) {
  for (i64 r0 = 0; r0 < mc; r0 += MR, out += MR * kc) {
    const i64 rows = minOf2(MR, mc - r0);
    const float* a = g.a + (i + r0) * g.aRow + p * g.aColumn;
    if (rows == MR && g.aRow == 1) {
      for (i64 q = 0; q < kc; q++) __builtin_memcpy(out + q * MR, a + q * g.aColumn, MR * sizeof(float));
    } else if (rows == MR) {
      for (i64 q = 0; q < kc; q++)
        for (int r = 0; r < MR; r++) out[q * MR + r] = a[r * g.aRow + q * g.aColumn];
    } else {
      for (i64 q = 0; q < kc; q++)
        for (i64 r = 0; r < MR; r++) out[q * MR + r] = r < rows ? a[r * g.aRow + q * g.aColumn] : 0;
    }
  }
}

// Columns [j, j + nc) of B as panels [panel][k][NR], the last one filled up with zeros.
void packB(const Product& g, i64 p, i64 kc, i64 j, i64 nc, float* out) {
  for (i64 c0 = 0; c0 < nc; c0 += NR, out += NR * kc) {
    const i64 columns = minOf2(NR, nc - c0);
    const float* b = g.b + p * g.bRow + (j + c0) * g.bColumn;
    if (columns == NR && g.bColumn == 1) {
      for (i64 q = 0; q < kc; q++)
        for (int v = 0; v < vectors; v++) V::load(b + q * g.bRow + v * V::lanes).store(out + q * NR + v * V::lanes);
    } else if (g.bRow == 1) {
      for (i64 q0 = 0; q0 < kc; q0 += 16) // down the columns in strips, so that reads stay in the cache
        for (i64 c = 0; c < NR; c++)
          for (i64 q = q0; q < minOf2(kc, q0 + 16); q++) out[q * NR + c] = c < columns ? b[q + c * g.bColumn] : 0;
    } else {
      for (i64 q = 0; q < kc; q++)
        for (i64 c = 0; c < NR; c++) out[q * NR + c] = c < columns ? b[q * g.bRow + c * g.bColumn] : 0;
    }
  }
}

// One tile: C[0..rows, 0..columns) = or += a panel of A times a panel of B.
__attribute__((always_inline)) inline void tile(i64 kc, const float* a, const float* b, float* c, i64 n, i64 rows,
                                                i64 columns, bool first) {
  V sum[MR][vectors];
#pragma GCC unroll 8
  for (int r = 0; r < MR; r++)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) sum[r][v] = V::all(0);
  for (i64 q = 0; q < kc; q++, a += MR, b += NR) {
    V row[vectors];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) row[v] = V::load(b + v * V::lanes);
#pragma GCC unroll 8
    for (int r = 0; r < MR; r++) {
      const V x = V::all(a[r]);
#pragma GCC unroll 4
      for (int v = 0; v < vectors; v++) sum[r][v] = mulAdd(x, row[v], sum[r][v]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < MR; r++) {
    if (r >= rows) break;
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) {
      float* to = c + r * n + v * V::lanes;
      const i64 left = columns - v * V::lanes;
      if (left >= V::lanes) (first ? sum[r][v] : V::load(to) + sum[r][v]).store(to);
      else if (left > 0) (first ? sum[r][v] : V::loadPart(to, int(left)) + sum[r][v]).storePart(to, int(left));
    }
  }
}

// A packed block of A times a packed block of B.
void multiplyBlock(const Product& g, const float* a, i64 i, i64 mc, const float* b, i64 j, i64 nc, i64 kc, bool first) {
  for (i64 c = 0; c < nc; c += NR)
    for (i64 r = 0; r < mc; r += MR)
      tile(kc, a + r * kc, b + c * kc, g.c + (i + r) * g.n + j + c, g.n, minOf2(MR, mc - r), minOf2(NR, nc - c), first);
}

inline i64 roundUp(i64 n, i64 unit) { return ceilDiv(n, unit) * unit; }

// One product, shared among the workers: B is packed together, then each chunk takes some rows and columns of C.
void multiplyShared(Task& task, const Product& g) {
  const i64 block = blockOfK(g.k), width = minOf2(NC, roundUp(g.n, NR));
  const int workers = g.m * g.n * g.k < parallelWork ? 1 : task.workers;
  // Four chunks a worker, so that a delayed thread costs little; columns are cut where there are too few rows.
  const i64 mc = minOf2(MC, roundUp(ceilDiv(g.m, workers * 2), MR)), rowChunks = ceilDiv(g.m, mc);
  const i64 columnChunks = workers == 1 ? 1 : minOf2(width / NR, ceilDiv(workers * 4, rowChunks));
  const i64 cut = roundUp(ceilDiv(width, columnChunks), NR);
  float* packedB = static_cast<float*>(task.allocate(task, width * block * 4));
  float* packedA = static_cast<float*>(task.allocate(task, workers * mc * block * 4));
  if (!packedA || !packedB) return;
  const bool wide = isLong(g.k);
  double* totals = wide ? static_cast<double*>(task.allocate(task, g.m * width * 8)) : nullptr;
  if (wide && !totals) return;
  for (i64 j = 0; j < g.n; j += width)
    for (i64 p = 0; p < g.k; p += block) {
      const i64 nc = minOf2(width, g.n - j), kc = minOf2(block, g.k - p), panels = ceilDiv(nc, NR);
      const auto pack = [&](i64 begin, i64 end) {
        packB(g, p, kc, j + begin * NR, minOf2(nc, end * NR) - begin * NR, packedB + begin * NR * kc);
      };
      if (workers == 1) pack(0, panels);
      else forRange(task, panels, ceilDiv(cheapGrain, kc * NR), pack);
      const auto multiply = [&](i64 chunk, int worker) {
        const i64 i = chunk / columnChunks * mc, rows = minOf2(mc, g.m - i);
        const i64 from = chunk % columnChunks * cut, to = minOf2(nc, from + cut);
        if (from >= to) return;
        float* mine = packedA + worker * mc * block;
        packA(g, i, rows, p, kc, mine);
        multiplyBlock(g, mine, i, rows, packedB + from * kc, j + from, to - from, kc, p == 0 || wide);
        if (wide) addBlock(g, i, rows, j + from, to - from, totals, j, width, p == 0, p + kc == g.k);
      };
      if (workers == 1) for (i64 c = 0; c < rowChunks; c++) multiply(c, 0);
      else forChunks(task, rowChunks * columnChunks, multiply);
    }
}

// One product on one thread, with the scratch memory of that thread.
void multiplyAlone(const Product& g, float* packedA, float* packedB, double* totals) {
  const i64 block = blockOfK(g.k), mc = minOf2(MC, roundUp(g.m, MR)), width = minOf2(NC, roundUp(g.n, NR));
  for (i64 j = 0; j < g.n; j += width)
    for (i64 p = 0; p < g.k; p += block) {
      const i64 nc = minOf2(width, g.n - j), kc = minOf2(block, g.k - p);
      packB(g, p, kc, j, nc, packedB);
      for (i64 i = 0; i < g.m; i += mc) {
        packA(g, i, minOf2(mc, g.m - i), p, kc, packedA);
        multiplyBlock(g, packedA, i, minOf2(mc, g.m - i), packedB, j, nc, kc, p == 0 || totals);
        if (totals) addBlock(g, i, minOf2(mc, g.m - i), j, nc, totals, j, width, p == 0, p + kc == g.k);
      }
    }
}

} // namespace

namespace gradus::GRADUS_ISA {

void matmul(Task& task, StridedIn<float> a, StridedIn<float> b, Out<float> c) {
  const int batchRank = a.at.rank - 2;
  const i64 batches = elements(a.at, 0, batchRank);
  const i64 m = a.at.dims[batchRank], k = a.at.dims[batchRank + 1], n = b.at.dims[batchRank + 1];
  if (k == 0) for (i64 i = 0; i < c.size; i++) c.data[i] = 0;
  if (k == 0 || c.size == 0) return;
  const Layout* const layouts[] = {&a.at, &b.at};
  const auto product = [&](i64 batch) {
    const Rows<2> at(layouts, batchRank, batch);
    return Product{a.data + at.offset[0], a.at.strides[batchRank], a.at.strides[batchRank + 1],
                   b.data + at.offset[1], b.at.strides[batchRank], b.at.strides[batchRank + 1],
                   c.data + batch * m * n, m, n, k};
  };
  if (batches < 2 * task.workers || m * n * k > (i64(1) << 22)) {
    for (i64 batch = 0; batch < batches && !task.failed(); batch++) multiplyShared(task, product(batch));
    return;
  }
  const i64 block = blockOfK(k), sizeA = minOf2(MC, roundUp(m, MR)) * block, sizeB = minOf2(NC, roundUp(n, NR)) * block;
  const i64 sizeTotals = isLong(k) ? m * minOf2(NC, roundUp(n, NR)) : 0;
  float* scratch = static_cast<float*>(task.allocate(task, task.workers * (sizeA + sizeB) * 4));
  double* totals = sizeTotals ? static_cast<double*>(task.allocate(task, task.workers * sizeTotals * 8)) : nullptr;
  if (!scratch || (sizeTotals && !totals)) return;
  const i64 each = maxOf2(1, minOf2(batches, parallelWork / (m * n * k)));
  forChunks(task, ceilDiv(batches, each), [&](i64 chunk, int worker) {
    float* mine = scratch + worker * (sizeA + sizeB);
    for (i64 batch = chunk * each; batch < minOf2(batches, (chunk + 1) * each); batch++)
      multiplyAlone(product(batch), mine, mine + sizeA, totals ? totals + worker * sizeTotals : nullptr);
  });
}

void matmul(Task& task, StridedIn<int32_t> a, StridedIn<int32_t> b, Out<int32_t> c) {
  const int batchRank = a.at.rank - 2;
  const i64 m = a.at.dims[batchRank], k = a.at.dims[batchRank + 1], n = b.at.dims[batchRank + 1];
  const i64 aRow = a.at.strides[batchRank], aColumn = a.at.strides[batchRank + 1];
  const i64 bRow = b.at.strides[batchRank], bColumn = b.at.strides[batchRank + 1];
  const Layout* const layouts[] = {&a.at, &b.at};
  if (c.size == 0) return;
  forRange(task, elements(a.at, 0, batchRank) * m, ceilDiv(cheapGrain, maxOf2(n * k, 1)), [&](i64 begin, i64 end) {
    for (i64 row = begin; row < end; row++) {
      const Rows<2> at(layouts, batchRank, row / m);
      const int32_t* x = a.data + at.offset[0] + row % m * aRow;
      const int32_t* y = b.data + at.offset[1];
      int32_t* z = c.data + row * n;
      for (i64 j = 0; j < n; j++) z[j] = 0;
      for (i64 p = 0; p < k; p++)
        for (i64 j = 0; j < n; j++) z[j] = (W(z[j]) + W(x[p * aColumn]) * W(y[p * bRow + j * bColumn])).v;
    }
  });
}

} // namespace gradus::GRADUS_ISA
