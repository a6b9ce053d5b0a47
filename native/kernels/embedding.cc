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
template <class T> constexpr bool isFloat = false;
template <> constexpr bool isFloat<float> = true;

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

// Calls body(o, from, to, scratch) for strips of `width` columns of [outer, …, inner], with room for `wide` values each.
template <class F>
void forStrips(Task& task, i64 outer, i64 inner, i64 width, i64 work, i64 wide, const F& body) {
  const i64 strips = ceilDiv(inner, width), count = outer * strips, each = ceilDiv(cheapGrain, maxOf2(work, 1));
  const i64 chunks = ceilDiv(count, each);
  // By worker, of whom any may come; by chunk where there are fewer of these.
  const i64 rooms = minOf2(chunks, task.workers);
  double* scratch = nullptr;
  if (wide) {
    scratch = static_cast<double*>(task.allocate(task, rooms * wide * 8));
    if (!scratch) return;
  }
  forChunks(task, chunks, [&](i64 chunk, int worker) {
    for (i64 s = chunk * each; s < minOf2(count, (chunk + 1) * each); s++) {
      const i64 from = s % strips * width;
      body(s / strips, from, minOf2(inner, from + width), scratch + (chunks == rooms ? chunk : worker) * wide);
    }
  });
}

// y = 0, then y[o, index[o, j, i], i] += g[o, j, i], in the order of j. float32 is added up in float64.
template <class T>
void scatterAddAll(Task& task, In<T> g, In<int32_t> index, Out<T> y, Size outer, Size n, Size k, Size inner) {
  if (!inRange(task, index, n) || y.size == 0) return;
  constexpr i64 width = 16;
  const i64 most = minOf2(width, inner);
  const bool wide = isFloat<T> && k > 1;
  forStrips(task, outer, inner, width, (n + k) * most, wide ? n * most : 0, [&](i64 o, i64 from, i64 to, double* sums) {
    const i64 columns = to - from;
    if (wide) for (i64 i = 0; i < n * columns; i++) sums[i] = 0;
    else for (i64 r = 0; r < n; r++) for (i64 i = from; i < to; i++) y.data[(o * n + r) * inner + i] = 0;
    for (i64 j = 0; j < k; j++)
      for (i64 i = from; i < to; i++) {
        const i64 at = (o * k + j) * inner + i, r = index.data[at];
        if (wide) sums[r * columns + i - from] += double(g.data[at]);
        else y.data[(o * n + r) * inner + i] = joined(y.data[(o * n + r) * inner + i], g.data[at]);
      }
    if (wide)
      for (i64 r = 0; r < n; r++)
        for (i64 i = from; i < to; i++) y.data[(o * n + r) * inner + i] = T(sums[r * columns + i - from]);
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

// The rows that several indices name get a place each, the others −1. Places are filled into `place`; returns how many.
i64 placesOfShared(In<int32_t> index, i64 n, int32_t* place) {
  for (i64 r = 0; r < n; r++) place[r] = 0;
  for (i64 j = 0; j < index.size; j++) place[index.data[j]] += place[index.data[j]] < 2;
  i64 places = 0;
  for (i64 r = 0; r < n; r++) place[r] = place[r] > 1 ? int32_t(places++) : -1;
  return places;
}

// y = 0, then y[o, index[j], :] += g[o, j, :], in the order of j. float32 rows that are added to several times are added
// up in float64.
template <class T>
void indexAddAll(Task& task, In<T> g, In<int32_t> index, Out<T> y, Size outer, Size n, Size k, Size inner) {
  if (!inRange(task, index, n) || y.size == 0) return;
  constexpr i64 width = 64;
  const i64 most = minOf2(width, inner);
  int32_t* place = nullptr;
  i64 places = 0;
  if (isFloat<T> && k > 1) {
    place = static_cast<int32_t*>(task.allocate(task, n * i64(sizeof(int32_t))));
    if (!place) return;
    places = placesOfShared(index, n, place);
  }
  forStrips(task, outer, inner, width, (n + k) * most, places * most, [&](i64 o, i64 from, i64 to, double* sums) {
    const i64 columns = to - from;
    for (i64 r = 0; r < n; r++)
      for (i64 i = from; i < to; i++) y.data[(o * n + r) * inner + i] = 0;
    for (i64 i = 0; i < places * columns; i++) sums[i] = 0;
    for (i64 j = 0; j < k; j++) {
      const i64 r = index.data[j];
      const T* add = g.data + (o * k + j) * inner + from;
      T* to = y.data + (o * n + r) * inner + from;
      double* sum = places && place[r] >= 0 ? sums + place[r] * columns : nullptr;
      if (sum) for (i64 i = 0; i < columns; i++) sum[i] += double(add[i]);
      else for (i64 i = 0; i < columns; i++) to[i] = joined(to[i], add[i]);
    }
    if (places)
      for (i64 r = 0; r < n; r++)
        if (place[r] >= 0)
          for (i64 i = 0; i < columns; i++) y.data[(o * n + r) * inner + from + i] = T(sums[place[r] * columns + i]);
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
