// Indexing along the middle of [outer, n, inner].                                           twin: lib/ops/embedding.ts
// Indices are checked before anything is written, so a command that fails has changed nothing. Where y is empty, the
// sizes may be anything, and their products too large for int64.
#include "kernel.h"

namespace {

bool inRange(Task& task, In<int32_t> index, Size n) {
  for (i64 i = 0; i < index.size; i++)
    if (index.data[i] < 0 || index.data[i] >= n) {
      task.fault = Fault::indexOutOfRange;
      task.value = index.data[i];
      task.position = double(i);
      task.limit = double(n);
      return false;
    }
  return true;
}

template <class T> T joined(T a, T b) { return (Lanes<T>(a) + Lanes<T>(b)).v; }
template <> float joined(float a, float b) { return a + b; }

// y[o, j, i] = x[o, index[o, j, i], i]
template <class T>
void gatherAll(Task& task, In<T> x, In<int32_t> index, Out<T> y, Size outer, Size n, Size k, Size inner) {
  if (!inRange(task, index, n) || y.size == 0) return;
  forRange(task, outer * k, ceilDiv(cheapGrain, maxOf2(inner, 1)), [&](i64 begin, i64 end) {
    for (i64 row = begin; row < end; row++) {
      const T* from = x.data + row / k * n * inner;
      for (i64 i = 0; i < inner; i++) {
        const i64 at = row * inner + i;
        y.data[at] = from[index.data[at] * inner + i];
      }
    }
  });
}

// y = 0, then y[o, index[o, j, i], i] += g[o, j, i], in the order of j.
template <class T>
void scatterAddAll(Task& task, In<T> g, In<int32_t> index, Out<T> y, Size outer, Size n, Size k, Size inner) {
  if (!inRange(task, index, n) || y.size == 0) return;
  forRange(task, outer, ceilDiv(cheapGrain, maxOf2((n + k) * inner, 1)), [&](i64 begin, i64 end) {
    for (i64 o = begin; o < end; o++) {
      T* to = y.data + o * n * inner;
      for (i64 i = 0; i < n * inner; i++) to[i] = 0;
      for (i64 j = 0; j < k; j++)
        for (i64 i = 0; i < inner; i++) {
          const i64 at = (o * k + j) * inner + i;
          T& sum = to[index.data[at] * inner + i];
          sum = joined(sum, g.data[at]);
        }
    }
  });
}

// y[o, j, :] = x[o, index[j], :]
template <class T>
void indexSelectAll(Task& task, In<T> x, In<int32_t> index, Out<T> y, Size outer, Size n, Size k, Size inner) {
  if (!inRange(task, index, n) || y.size == 0) return;
  forRange(task, outer * k, ceilDiv(cheapGrain, maxOf2(inner, 1)), [&](i64 begin, i64 end) {
    for (i64 row = begin; row < end; row++)
      __builtin_memcpy(y.data + row * inner, x.data + (row / k * n + index.data[row % k]) * inner,
                       size_t(inner) * sizeof(T));
  });
}

// y = 0, then y[o, index[j], :] += g[o, j, :], in the order of j; a thread owns some of the columns.
template <class T>
void indexAddAll(Task& task, In<T> g, In<int32_t> index, Out<T> y, Size outer, Size n, Size k, Size inner) {
  if (!inRange(task, index, n) || y.size == 0) return;
  constexpr i64 width = 64;
  const i64 strips = ceilDiv(inner, width);
  forRange(task, outer * strips, ceilDiv(cheapGrain, maxOf2((n + k) * minOf2(width, inner), 1)), [&](i64 begin, i64 end) {
    for (i64 s = begin; s < end; s++) {
      const i64 o = s / strips, from = s % strips * width, to = minOf2(inner, from + width);
      for (i64 r = 0; r < n; r++)
        for (i64 i = from; i < to; i++) y.data[(o * n + r) * inner + i] = 0;
      for (i64 j = 0; j < k; j++) {
        T* sum = y.data + (o * n + index.data[j]) * inner;
        const T* add = g.data + (o * k + j) * inner;
        for (i64 i = from; i < to; i++) sum[i] = joined(sum[i], add[i]);
      }
    }
  });
}

template <class T> void oneHotAll(Task& task, In<int32_t> index, Out<T> y, Size classes) {
  if (!inRange(task, index, classes)) return;
  forRange(task, index.size, ceilDiv(cheapGrain, maxOf2(classes, 1)), [&](i64 begin, i64 end) {
    for (i64 i = begin; i < end; i++) {
      for (i64 c = 0; c < classes; c++) y.data[i * classes + c] = 0;
      y.data[i * classes + index.data[i]] = 1;
    }
  });
}

} // namespace

namespace gradus::GRADUS_ISA {

#define INDEXING(name, T) \
  void name(Task& task, In<T> x, In<int32_t> index, Out<T> y, Size outer, Size n, Size k, Size inner) { \
    name##All(task, x, index, y, outer, n, k, inner); \
  }
GRADUS_ANY(INDEXING, gather)
GRADUS_ANY(INDEXING, indexSelect)
GRADUS_NUMBER(INDEXING, scatterAdd)
GRADUS_NUMBER(INDEXING, indexAdd)

#define ONE_HOT(name, T) \
  void name(Task& task, In<int32_t> index, Out<T> y, Size classes) { oneHotAll(task, index, y, classes); }
GRADUS_NUMBER(ONE_HOT, oneHot)

// index: the positions of the true values, in order; found: how many. The rest of index is 0.
void nonzero(Task&, In<Bool> x, Out<int32_t> index, Out<int32_t> found) {
  i64 count = 0;
  for (i64 i = 0; i < x.size; i++)
    if (x.data[i]) index.data[count++] = int32_t(i);
  *found.data = int32_t(count);
  for (i64 i = count; i < index.size; i++) index.data[i] = 0;
}

} // namespace gradus::GRADUS_ISA
