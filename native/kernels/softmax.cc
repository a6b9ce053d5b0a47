// Softmax along the middle of [outer, n, inner].                                              twin: lib/ops/softmax.ts
//
// A unit of work is one row (inner = 1), or as many neighbouring columns as a vector has lanes. Every unit is read
// three times, while it is in the cache: maximum, sum of exponentials, result.
#include "sums.h"

namespace {

inline float rowMax(const float* x, i64 n) {
  V m = V::all(-__builtin_inff());
  i64 i = 0;
  for (; i + V::lanes <= n; i += V::lanes) m = max(m, V::load(x + i));
  float best = maxOf(m);
  for (; i < n; i++) best = x[i] > best || x[i] != x[i] ? x[i] : best;
  return best;
}

template <class F> inline void rowMap(i64 n, float* y, const F& f) {
  i64 i = 0;
  for (; i + V::lanes <= n; i += V::lanes) f(i, V::lanes).store(y + i);
  if (i < n) f(i, int(n - i)).storePart(y + i, int(n - i));
}

void softmaxRow(const float* x, float* y, i64 n) {
  const V m = V::all(rowMax(x, n));
  rowMap(n, y, [&](i64 i, int lanes) { return exp(take(x + i, lanes) - m); });
  const V s = V::all(rowSum(n, [&](i64 i, int lanes) { return take(y + i, lanes); }));
  rowMap(n, y, [&](i64 i, int lanes) { return take(y + i, lanes) / s; });
}

void logSoftmaxRow(const float* x, float* y, i64 n) {
  const V m = V::all(rowMax(x, n));
  const V s = log(V::all(rowSum(n, [&](i64 i, int lanes) { return exp(take(x + i, lanes) - m); })));
  rowMap(n, y, [&](i64 i, int lanes) { return take(x + i, lanes) - m - s; });
}

// dx = y ⊙ (g − Σ g ⊙ y)
void softmaxGradRow(const float* g, const float* y, float* dx, i64 n) {
  const V s = V::all(rowSum(n, [&](i64 i, int lanes) { return take(g + i, lanes) * take(y + i, lanes); }));
  rowMap(n, dx, [&](i64 i, int lanes) { return take(y + i, lanes) * (take(g + i, lanes) - s); });
}

// dx = g − exp(y) Σ g
void logSoftmaxGradRow(const float* g, const float* y, float* dx, i64 n) {
  const V s = V::all(rowSum(n, [&](i64 i, int lanes) { return take(g + i, lanes); }));
  rowMap(n, dx, [&](i64 i, int lanes) { return take(g + i, lanes) - exp(take(y + i, lanes)) * s; });
}

// The same four for `lanes` neighbouring columns, `step` apart from one row to the next.
void softmaxColumns(const float* x, float* y, i64 n, i64 step, int lanes) {
  V m = V::all(-__builtin_inff());
  for (i64 k = 0; k < n; k++) m = max(m, take(x + k * step, lanes));
  const V s = columnSum(n, [&](i64 k) {
    const V e = exp(take(x + k * step, lanes) - m);
    put(e, y + k * step, lanes);
    return e;
  });
  for (i64 k = 0; k < n; k++) put(take(y + k * step, lanes) / s, y + k * step, lanes);
}
void logSoftmaxColumns(const float* x, float* y, i64 n, i64 step, int lanes) {
  V m = V::all(-__builtin_inff());
  for (i64 k = 0; k < n; k++) m = max(m, take(x + k * step, lanes));
  const V s = log(columnSum(n, [&](i64 k) { return exp(take(x + k * step, lanes) - m); }));
  for (i64 k = 0; k < n; k++) put(take(x + k * step, lanes) - m - s, y + k * step, lanes);
}
void softmaxGradColumns(const float* g, const float* y, float* dx, i64 n, i64 step, int lanes) {
  const V s = columnSum(n, [&](i64 k) { return take(g + k * step, lanes) * take(y + k * step, lanes); });
  for (i64 k = 0; k < n; k++)
    put(take(y + k * step, lanes) * (take(g + k * step, lanes) - s), dx + k * step, lanes);
}
void logSoftmaxGradColumns(const float* g, const float* y, float* dx, i64 n, i64 step, int lanes) {
  const V s = columnSum(n, [&](i64 k) { return take(g + k * step, lanes); });
  for (i64 k = 0; k < n; k++)
    put(take(g + k * step, lanes) - exp(take(y + k * step, lanes)) * s, dx + k * step, lanes);
}

// Calls row(offset) for each row, or columns(offset, lanes) for each strip of columns.
template <class R, class C>
void forSlices(Task& task, i64 outer, i64 n, i64 inner, const R& row, const C& columns) {
  if (n == 0 || inner == 0) return;
  const i64 strips = ceilDiv(inner, V::lanes);
  forRange(task, outer * strips, ceilDiv(cheapGrain / 4, n * minOf2(inner, V::lanes)), [&](i64 begin, i64 end) {
    for (i64 s = begin; s < end; s++) {
      const i64 j = s % strips * V::lanes, offset = s / strips * n * inner + j;
      if (inner == 1) row(offset);
      else columns(offset, int(minOf2(V::lanes, inner - j)));
    }
  });
}

} // namespace

namespace gradus::GRADUS_ISA {

#define SOFTMAX(name) \
  void name(Task& task, In<float> x, Out<float> y, Size outer, Size n, Size inner) { \
    forSlices( \
        task, outer, n, inner, [&](i64 at) { name##Row(x.data + at, y.data + at, n); }, \
        [&](i64 at, int lanes) { name##Columns(x.data + at, y.data + at, n, inner, lanes); }); \
  } \
  void name##Grad(Task& task, In<float> g, In<float> y, Out<float> dx, Size outer, Size n, Size inner) { \
    forSlices( \
        task, outer, n, inner, [&](i64 at) { name##GradRow(g.data + at, y.data + at, dx.data + at, n); }, \
        [&](i64 at, int lanes) { name##GradColumns(g.data + at, y.data + at, dx.data + at, n, inner, lanes); }); \
  }
SOFTMAX(softmax)
SOFTMAX(logSoftmax)

} // namespace gradus::GRADUS_ISA
