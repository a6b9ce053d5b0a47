// What every kernel file starts with: lanes for each element type, work sharing, and the strided loops.
// The only code that knows about tails, strides and threads. In an anonymous namespace, as all code of kernel units.
#pragma once
#include "../kernels.h"
#include "../simd/math.h"
#include "../simd/simd.h"

namespace {

using namespace gradus;

// ---- lanes: V for float32; one-element lanes, which the compiler vectorises, for the other types -------------------

// int32 arithmetic wraps, as in every framework; C++ would call overflow undefined.
struct W {
  static constexpr int lanes = 1;
  int32_t v;
  W() = default;
  W(int32_t value) : v(value) {}
  static W all(int32_t value) { return value; }
  static W load(const int32_t* p) { return *p; }
  static W loadPart(const int32_t* p, int n) { return n ? *p : 0; }
  static W loadStrided(const int32_t* p, int64_t, int n) { return n ? *p : 0; }
  void store(int32_t* p) const { *p = v; }
  void storePart(int32_t* p, int n) const { if (n) *p = v; }
};
inline W wrapped(uint32_t value) { return static_cast<int32_t>(value); }
inline W operator+(W a, W b) { return wrapped(uint32_t(a.v) + uint32_t(b.v)); }
inline W operator-(W a, W b) { return wrapped(uint32_t(a.v) - uint32_t(b.v)); }
inline W operator*(W a, W b) { return wrapped(uint32_t(a.v) * uint32_t(b.v)); }
inline W operator-(W a) { return wrapped(0u - uint32_t(a.v)); }

// A truth value; also the result of comparing W.
struct B {
  static constexpr int lanes = 1;
  uint8_t v;
  B() = default;
  B(bool value) : v(value) {}
  static B load(const uint8_t* p) { return *p != 0; }
  static B loadPart(const uint8_t* p, int n) { return n ? *p != 0 : false; }
  static B loadStrided(const uint8_t* p, int64_t, int n) { return n ? *p != 0 : false; }
  static B all(uint8_t value) { return value != 0; }
  void store(uint8_t* p) const { *p = v; }
  void storePart(uint8_t* p, int n) const { if (n) *p = v; }
};
inline B operator&(B a, B b) { return bool(a.v & b.v); }
inline B operator|(B a, B b) { return bool(a.v | b.v); }
inline B operator^(B a, B b) { return bool(a.v ^ b.v); }
inline B operator!(B a) { return !a.v; }
inline B operator<(W a, W b) { return a.v < b.v; }
inline B operator<=(W a, W b) { return a.v <= b.v; }
inline B operator>(W a, W b) { return a.v > b.v; }
inline B operator>=(W a, W b) { return a.v >= b.v; }
inline B operator==(W a, W b) { return a.v == b.v; }
inline B operator!=(W a, W b) { return a.v != b.v; }

// float64 is stored, moved and converted, never computed with.
struct D {
  static constexpr int lanes = 1;
  double v;
  static D load(const double* p) { return {*p}; }
  static D loadPart(const double* p, int n) { return {n ? *p : 0}; }
  static D loadStrided(const double* p, int64_t, int n) { return {n ? *p : 0}; }
  static D all(double value) { return {value}; }
  void store(double* p) const { *p = v; }
  void storePart(double* p, int n) const { if (n) *p = v; }
};

template <class T> struct LanesOf;
template <> struct LanesOf<float> { using type = V; };
template <> struct LanesOf<int32_t> { using type = W; };
template <> struct LanesOf<Bool> { using type = B; };
template <> struct LanesOf<double> { using type = D; };
template <class T> using Lanes = typename LanesOf<T>::type;

// ---- sharing work --------------------------------------------------------------------------------------------------

inline i64 minOf2(i64 a, i64 b) { return a < b ? a : b; }
inline i64 maxOf2(i64 a, i64 b) { return a > b ? a : b; }
inline i64 ceilDiv(i64 a, i64 b) { return (a + b - 1) / b; }

// Runs body(chunk, worker) for every chunk, on several threads when there are several chunks.
template <class F> inline void forChunks(Task& task, i64 chunks, const F& body) {
  if (chunks == 1) return body(i64(0), 0);
  if (chunks < 1) return;
  task.dispatch(task, chunks, [](void* f, i64 chunk, int worker) { (*static_cast<const F*>(f))(chunk, worker); },
                const_cast<F*>(&body));
}

// Runs body(begin, end) over [0, n) in pieces of at least `grain`, and of at most eight pieces per worker, so that a
// slow thread does not hold up the rest. Whether and where it cuts must not matter to the result.
template <class F> inline void forRange(Task& task, i64 n, i64 grain, const F& body) {
  const i64 chunks = maxOf2(1, minOf2(task.workers > 1 ? task.workers * 8 : 1, n / maxOf2(grain, 1)));
  const i64 size = ceilDiv(n, chunks);
  if (n > 0) forChunks(task, ceilDiv(n, size), [&](i64 c, int) { body(c * size, minOf2(n, (c + 1) * size)); });
}

// Elements that make sharing worth while: below, waking a thread costs more than it saves.
constexpr i64 cheapGrain = 32768;

// ---- strided loops -------------------------------------------------------------------------------------------------

inline i64 elements(const Layout& at, int from, int to) {
  i64 n = 1;
  for (int d = from; d < to; d++) n *= at.dims[d];
  return n;
}

// Offsets of several layouts with equal dims, walked row by row (a row being the last dim).
template <int count> struct Rows {
  const Layout* layouts[count];
  int rank;
  i64 index[maxRank];
  i64 offset[count];

  Rows(const Layout* const (&all)[count], int outerRank, i64 row) : rank(outerRank) {
    for (int l = 0; l < count; l++) { layouts[l] = all[l]; offset[l] = 0; }
    for (int d = rank - 1; d >= 0; d--) {
      const i64 dim = layouts[0]->dims[d];
      index[d] = row % dim;
      row /= dim;
      for (int l = 0; l < count; l++) offset[l] += index[d] * layouts[l]->strides[d];
    }
  }
  // By identity: arguments are evaluated in no fixed order, so a counter in a pack would mix them up.
  i64 offsetOf(const Layout& layout) const {
    int l = 0;
    while (layouts[l] != &layout) l++;
    return offset[l];
  }
  void next() {
    for (int d = rank - 1; d >= 0; d--) {
      for (int l = 0; l < count; l++) offset[l] += layouts[l]->strides[d];
      if (++index[d] < layouts[0]->dims[d]) return;
      for (int l = 0; l < count; l++) offset[l] -= index[d] * layouts[l]->strides[d];
      index[d] = 0;
    }
  }
};

// One run of n elements of an input: consecutive, constant, or strided.
template <class T> struct Run {
  const T* p;
  i64 stride;
  Lanes<T> at(i64 i, int n) const {
    using L = Lanes<T>;
    if (stride == 1) return n == L::lanes ? L::load(p + i) : L::loadPart(p + i, n);
    if (stride == 0) return L::all(*p);
    return L::loadStrided(p + i * stride, stride, n);
  }
};

// Inputs are read in units of the widest lanes among them, so that a mask of V is as long as V.
template <class... T> struct Widest { static constexpr int lanes = 1; };
template <class T, class... U> struct Widest<T, U...> {
  static constexpr int rest = Widest<U...>::lanes;
  static constexpr int lanes = Lanes<T>::lanes > rest ? Lanes<T>::lanes : rest;
};

inline V take(const float* p, int n) { return n == V::lanes ? V::load(p) : V::loadPart(p, n); }
inline void put(V r, float* y, int n) { n == V::lanes ? r.store(y) : r.storePart(y, n); }
inline void put(W r, int32_t* y, int n) { r.storePart(y, n); }
inline void put(B r, uint8_t* y, int n) { r.storePart(y, n); }
inline void put(D r, double* y, int n) { r.storePart(y, n); }
inline void put(M r, uint8_t* y, int n) { storeMask(r, y, n); }

// y[i] = f(a[i], b[i], …) over one run.
template <class Y, class F, class... X> inline void mapRun(i64 n, Y* y, const F& f, Run<X>... x) {
  constexpr int lanes = Widest<X..., Y>::lanes == 1 ? 1 : V::lanes;
  if (((x.stride == 1) && ...)) {
    i64 i = 0;
    for (; i + lanes <= n; i += lanes) put(f(Lanes<X>::load(x.p + i)...), y + i, lanes);
    if (i < n) put(f(Lanes<X>::loadPart(x.p + i, int(n - i))...), y + i, int(n - i));
    return;
  }
  for (i64 i = 0; i < n; i += lanes) {
    const int part = int(minOf2(lanes, n - i));
    put(f(x.at(i, part)...), y + i, part);
  }
}

// y = f(a, b, …) elementwise: y dense, the inputs strided over equal dims.
template <class Y, class F, class First, class... Rest>
inline void elementwise(Task& task, Out<Y> y, const F& f, StridedIn<First> first, StridedIn<Rest>... rest) {
  const Layout& at = first.at;
  if (at.rank == 0) return mapRun(1, y.data, f, Run<First>{first.data, 1}, Run<Rest>{rest.data, 1}...);
  const int outer = at.rank - 1;
  const i64 n = at.dims[outer], rows = elements(at, 0, outer);
  if (n == 0) return;
  if (rows == 1) {
    forRange(task, n, cheapGrain, [&](i64 begin, i64 end) {
      mapRun(end - begin, y.data + begin, f, Run<First>{first.data + begin * at.strides[outer], at.strides[outer]},
             Run<Rest>{rest.data + begin * rest.at.strides[outer], rest.at.strides[outer]}...);
    });
    return;
  }
  forRange(task, rows, cheapGrain / n, [&](i64 begin, i64 end) {
    const Layout* const layouts[] = {&first.at, &rest.at...};
    Rows<1 + int(sizeof...(Rest))> walk(layouts, outer, begin);
    for (i64 row = begin; row < end; row++, walk.next()) {
      mapRun(n, y.data + row * n, f, Run<First>{first.data + walk.offset[0], at.strides[outer]},
             Run<Rest>{rest.data + walk.offsetOf(rest.at), rest.at.strides[outer]}...);
    }
  });
}

} // namespace
