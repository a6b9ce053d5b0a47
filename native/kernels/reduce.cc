// Reductions. x: [kept…, reduced…] → y: [kept…].                                              twin: lib/ops/reduce.ts
//
// Bits: the order of additions follows from the shape and strides alone. Values go into leaves, a leaf into 4 vectors of
// partial sums, these into one by a pairwise tree; leaves are added in order in float64. Columns are added in chains of
// rows, and these in float64. No chain in float32 is longer than `chainLength`, so errors do not grow with the number of
// values. Threads only decide who computes a leaf. Products lose digits at every step: they are float64 throughout.
#include "functions.h"
#include "sums.h"

namespace {

constexpr i64 leafSize = 4 * chainLength * V::lanes;

// Beside Sum, of sums.h.
struct Prod {
  static constexpr i64 chain = 1;
  template <class T> static T start() { return 1; }
  static V join(V a, V b) { return a * b; }
  static W join(W a, W b) { return a * b; }
  static double join(double a, double b) { return a * b; }
};
struct Max {
  static constexpr i64 chain = chainLength;
  template <class T> static T start();
  static V join(V a, V b) { return ::max(a, b); }
  static W join(W a, W b) { return fn::max(a, b); }
  static double join(double a, double b) { return a > b || a != a ? a : b; }
};
template <> float Max::start<float>() { return -__builtin_inff(); }
template <> int32_t Max::start<int32_t>() { return -2147483647 - 1; }
struct Min {
  static constexpr i64 chain = chainLength;
  template <class T> static T start();
  static V join(V a, V b) { return ::min(a, b); }
  static W join(W a, W b) { return fn::min(a, b); }
  static double join(double a, double b) { return a < b || a != a ? a : b; }
};
template <> float Min::start<float>() { return __builtin_inff(); }
template <> int32_t Min::start<int32_t>() { return 2147483647; }

// One leaf.
template <class Op> double leaf(const float* p, i64 n, i64 stride) {
  constexpr int w = V::lanes;
  const Run<float> run{p, stride};
  double total = Op::template start<float>();
  i64 i = 0;
  if (n >= w) {
    Totals<Op> totals;
    if constexpr (Op::chain == 1) {
      for (; i + w <= n; i += w) totals.join(run.at(i, w));
    } else {
      V a = V::all(float(total)), b = a, c = a, d = a;
      for (; i + 4 * w <= n; i += 4 * w) {
        a = Op::join(a, run.at(i, w));
        b = Op::join(b, run.at(i + w, w));
        c = Op::join(c, run.at(i + 2 * w, w));
        d = Op::join(d, run.at(i + 3 * w, w));
      }
      for (; i + w <= n; i += w) a = Op::join(a, run.at(i, w));
      totals.join(Op::join(Op::join(a, b), Op::join(c, d)));
    }
    total = totals.all();
  }
  for (; i < n; i++) total = Op::join(total, double(p[i * stride]));
  return total;
}
template <class Op> W leaf(const int32_t* p, i64 n, i64 stride) {
  W total = Op::template start<int32_t>();
  for (i64 i = 0; i < n; i++) total = Op::join(total, W(p[i * stride]));
  return total;
}

// Totals of leaves: float64 for float32, wrapping int32 for int32.
template <class T> struct TotalOf { using type = double; };
template <> struct TotalOf<int32_t> { using type = W; };
inline float finish(double total, Real divisor) { return float(divisor == 1 ? total : total / divisor); }
inline int32_t finish(W total, Real) { return total.v; }

// The kept and the reduced part of a layout.
inline Layout part(const Layout& at, int from, int to) {
  Layout p;
  p.rank = to - from;
  for (int d = from; d < to; d++) { p.dims[d - from] = at.dims[d]; p.strides[d - from] = at.strides[d]; }
  return p;
}

// One output from its reduced values, leaf by leaf in order.
template <class Op, class T> typename TotalOf<T>::type foldAll(const T* x, const Layout& reduced) {
  typename TotalOf<T>::type total = Op::template start<T>();
  const int outer = reduced.rank ? reduced.rank - 1 : 0;
  const i64 n = reduced.rank ? reduced.dims[outer] : 1, stride = reduced.rank ? reduced.strides[outer] : 1;
  const i64 rows = elements(reduced, 0, outer);
  const Layout* const layouts[] = {&reduced};
  Rows<1> walk(layouts, outer, 0);
  for (i64 row = 0; row < rows; row++, walk.next())
    for (i64 i = 0; i < n; i += leafSize)
      total = Op::join(total, leaf<Op>(x + walk.offset[0] + i * stride, minOf2(leafSize, n - i), stride));
  return total;
}

// A few large outputs: the leaves are shared among threads, then joined in order.
template <class Op, class T>
void foldLarge(Task& task, const T* x, const Layout& reduced, T* y, Real divisor) {
  const int outer = reduced.rank - 1;
  const i64 n = reduced.dims[outer], stride = reduced.strides[outer], rows = elements(reduced, 0, outer);
  const i64 perRow = ceilDiv(n, leafSize), count = rows * perRow;
  using Total = typename TotalOf<T>::type;
  Total* leaves = static_cast<Total*>(task.allocate(task, count * i64(sizeof(Total))));
  if (!leaves) return;
  forRange(task, count, 8, [&](i64 begin, i64 end) {
    for (i64 l = begin; l < end; l++) {
      const Layout* const layouts[] = {&reduced};
      const Rows<1> at(layouts, outer, l / perRow);
      const i64 i = l % perRow * leafSize;
      leaves[l] = leaf<Op>(x + at.offset[0] + i * stride, minOf2(leafSize, n - i), stride);
    }
  });
  Total total = Op::template start<T>();
  for (i64 l = 0; l < count; l++) total = Op::join(total, leaves[l]);
  *y = finish(total, divisor);
}

// Columns: the kept dim is the consecutive one, so a vector of neighbouring outputs goes down the rows together.
template <class Op> void foldColumns(const float* x, const Layout& reduced, float* y, i64 begin, i64 end, Real divisor) {
  const int inner = reduced.rank - 1;
  const i64 n = reduced.dims[inner], stride = reduced.strides[inner], blocks = elements(reduced, 0, inner);
  const V start = V::all(Op::template start<float>());
  for (i64 j = begin; j < end; j += V::lanes) {
    const int lanes = int(minOf2(V::lanes, end - j));
    const Layout* const layouts[] = {&reduced};
    Rows<1> walk(layouts, inner, 0);
    Totals<Op> totals;
    V s = start;
    i64 joined = 0; // in s
    for (i64 block = 0; block < blocks; block++, walk.next()) {
      const float* p = x + walk.offset[0] + j;
      for (i64 r0 = 0, r1; r0 < n; r0 = r1) {
        r1 = minOf2(n, r0 + Op::chain - joined);
        if (lanes == V::lanes) for (i64 r = r0; r < r1; r++) s = Op::join(s, V::load(p + r * stride));
        else for (i64 r = r0; r < r1; r++) s = Op::join(s, V::loadPart(p + r * stride, lanes));
        joined += r1 - r0;
        if (joined < Op::chain) continue;
        totals.join(s);
        s = start;
        joined = 0;
      }
    }
    totals.join(s);
    for (int l = 0; l < lanes; l++) y[j + l] = finish(totals.lanes[l], divisor);
  }
}

template <class Op, class T> void fold(Task& task, StridedIn<T> x, Out<T> y, Size kept, Real divisor = 1) {
  const Layout outer = part(x.at, 0, int(kept)), reduced = part(x.at, int(kept), x.at.rank);
  const i64 size = elements(reduced, 0, reduced.rank);
  if (y.size == 0) return;
  if (size == 0) {
    for (i64 i = 0; i < y.size; i++) y.data[i] = finish(typename TotalOf<T>::type(Op::template start<T>()), divisor);
    return;
  }
  if constexpr (sizeof(typename TotalOf<T>::type) == sizeof(double)) {
    const bool columns = outer.rank && reduced.rank && outer.strides[outer.rank - 1] == 1 &&
                         reduced.strides[reduced.rank - 1] != 1 && outer.dims[outer.rank - 1] > 1;
    if (columns) {
      const i64 width = outer.dims[outer.rank - 1], strips = ceilDiv(width, 64);
      forRange(task, y.size / width * strips, ceilDiv(cheapGrain, 64 * size), [&](i64 begin, i64 end) {
        for (i64 s = begin; s < end; s++) {
          const Layout* const layouts[] = {&outer};
          const Rows<1> at(layouts, outer.rank - 1, s / strips);
          const i64 j = s % strips * 64;
          foldColumns<Op>(x.data + at.offset[0], reduced, y.data + s / strips * width, j, minOf2(width, j + 64), divisor);
        }
      });
      return;
    }
  }
  const Layout* const layouts[] = {&outer};
  if (size >= 16 * leafSize && y.size < 4 * task.workers) {
    for (i64 i = 0; i < y.size; i++)
      foldLarge<Op>(task, x.data + Rows<1>(layouts, outer.rank, i).offset[0], reduced, y.data + i, divisor);
    return;
  }
  forRange(task, y.size, ceilDiv(cheapGrain, size), [&](i64 begin, i64 end) {
    Rows<1> walk(layouts, outer.rank, begin);
    for (i64 i = begin; i < end; i++, walk.next())
      y.data[i] = finish(foldAll<Op>(x.data + walk.offset[0], reduced), divisor);
  });
}

// Calls body(output, pointer to its first value) for every output.
template <class T, class F> void forOutputs(Task& task, StridedIn<T> x, i64 outputs, Size kept, const F& body) {
  const Layout outer = part(x.at, 0, int(kept));
  const i64 size = elements(x.at, int(kept), x.at.rank);
  forRange(task, outputs, ceilDiv(cheapGrain, maxOf2(size, 1)), [&](i64 begin, i64 end) {
    const Layout* const layouts[] = {&outer};
    Rows<1> walk(layouts, outer.rank, begin);
    for (i64 i = begin; i < end; i++, walk.next()) body(i, x.data + walk.offset[0]);
  });
}

// The index, in row-major order over the reduced dims, of the first value that is better than all before; NaN is best.
template <bool largest, class T> void argFold(Task& task, StridedIn<T> x, Out<int32_t> y, Size kept) {
  const Layout reduced = part(x.at, int(kept), x.at.rank);
  const int outer = reduced.rank ? reduced.rank - 1 : 0;
  const i64 n = reduced.rank ? reduced.dims[outer] : 1, stride = reduced.rank ? reduced.strides[outer] : 1;
  const i64 rows = elements(reduced, 0, outer);
  if (y.size && n * rows == 0) task.fault = Fault::contract; // the largest of nothing has no place
  if (task.failed()) return;
  forOutputs(task, x, y.size, kept, [&](i64 output, const T* p) {
    const Layout* const layouts[] = {&reduced};
    Rows<1> walk(layouts, outer, 0);
    T best = *p;
    i64 at = 0;
    for (i64 row = 0; row < rows; row++, walk.next())
      for (i64 i = 0; i < n; i++) {
        const T v = p[walk.offset[0] + i * stride];
        if ((largest ? v > best : v < best) || (v != v && best == best)) { best = v; at = row * n + i; }
      }
    y.data[output] = int32_t(at);
  });
}

// Is some (all) of the values equal to `wanted`? Stops at the first that settles it.
template <Bool settles> void search(Task& task, StridedIn<Bool> x, Out<Bool> y, Size kept) {
  const Layout reduced = part(x.at, int(kept), x.at.rank);
  const int outer = reduced.rank ? reduced.rank - 1 : 0;
  const i64 n = reduced.rank ? reduced.dims[outer] : 1, stride = reduced.rank ? reduced.strides[outer] : 1;
  const i64 rows = n ? elements(reduced, 0, outer) : 0;
  forOutputs(task, x, y.size, kept, [&](i64 output, const Bool* p) {
    const Layout* const layouts[] = {&reduced};
    y.data[output] = !settles;
    if (!rows) return;
    Rows<1> walk(layouts, outer, 0);
    for (i64 row = 0; row < rows; row++, walk.next())
      for (i64 i = 0; i < n; i++)
        if (p[walk.offset[0] + i * stride] == settles) { y.data[output] = settles; return; }
  });
}

} // namespace

namespace gradus::GRADUS_ISA {

void sum(Task& task, StridedIn<float> x, Out<float> y, Size kept, Real divisor) { fold<Sum>(task, x, y, kept, divisor); }
void sum(Task& task, StridedIn<int32_t> x, Out<int32_t> y, Size kept, Real) { fold<Sum>(task, x, y, kept); }

#define FOLD(name, Op, T) void name(Task& task, StridedIn<T> x, Out<T> y, Size kept) { fold<Op>(task, x, y, kept); }
FOLD(prod, Prod, float) FOLD(prod, Prod, int32_t)
FOLD(max, Max, float) FOLD(max, Max, int32_t)
FOLD(min, Min, float) FOLD(min, Min, int32_t)

#define ARG(name, largest, T) \
  void name(Task& task, StridedIn<T> x, Out<int32_t> y, Size kept) { argFold<largest>(task, x, y, kept); }
ARG(argmax, true, float) ARG(argmax, true, int32_t)
ARG(argmin, false, float) ARG(argmin, false, int32_t)

void any(Task& task, StridedIn<Bool> x, Out<Bool> y, Size kept) { search<1>(task, x, y, kept); }
void all(Task& task, StridedIn<Bool> x, Out<Bool> y, Size kept) { search<0>(task, x, y, kept); }

// ∂ ∏x / ∂xₖ is the product of all the others. What cannot be divided out again is counted instead of multiplied.
void prodGrad(Task& task, In<float> g, In<float> x, Out<float> dx, Size outer, Size n, Size inner) {
  if (dx.size == 0) return; // then n * inner may be too large for int64
  forRange(task, outer, ceilDiv(cheapGrain, n * inner), [&](i64 begin, i64 end) {
    for (i64 o = begin; o < end; o++)
      for (i64 i = 0; i < inner; i++) {
        const i64 first = o * n * inner + i;
        double product = 1, sign = 1; // of the finite values that are not 0; of the infinite ones
        i64 zeros = 0, infinities = 0, undefined = 0;
        for (i64 k = 0; k < n; k++) {
          const float v = x.data[first + k * inner];
          if (v != v) undefined++;
          else if (v - v != 0) { infinities++; sign = v < 0 ? -sign : sign; }
          else if (v == 0) zeros++;
          else product *= v;
        }
        for (i64 k = 0; k < n; k++) {
          const float v = x.data[first + k * inner];
          const bool isNaN = v != v, isInfinite = !isNaN && v - v != 0;
          const i64 zerosLeft = zeros - (v == 0), infinitiesLeft = infinities - isInfinite;
          double others = isNaN || isInfinite || v == 0 ? product : product / v;
          if (undefined - isNaN || (zerosLeft && infinitiesLeft)) others = __builtin_nan("");
          else if (zerosLeft) others = 0;
          else if (infinitiesLeft) others *= (isInfinite && v < 0 ? -sign : sign) * double(infinity);
          dx.data[first + k * inner] = float(double(g.data[o * inner + i]) * others);
        }
      }
  });
}

} // namespace gradus::GRADUS_ISA
