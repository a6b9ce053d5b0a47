// Moving, converting and filling.                                                           twin: lib/ops/movement.ts
#include "kernel.h"

namespace {

// A transposing row copy reads or writes one element per cache line, so both sides are walked in square tiles.
constexpr i64 tile = 16;

template <class T> void copyPlane(const T* x, i64 xr, i64 xc, T* y, i64 yr, i64 yc, i64 rows, i64 columns) {
  if (xc == 1 && yc == 1) {
    for (i64 r = 0; r < rows; r++) __builtin_memcpy(y + r * yr, x + r * xr, size_t(columns) * sizeof(T));
    return;
  }
  for (i64 r0 = 0; r0 < rows; r0 += tile) {
    const i64 r1 = minOf2(rows, r0 + tile);
    for (i64 c0 = 0; c0 < columns; c0 += tile) {
      const i64 c1 = minOf2(columns, c0 + tile);
      for (i64 r = r0; r < r1; r++)
        for (i64 c = c0; c < c1; c++) y[r * yr + c * yc] = x[r * xr + c * xc];
    }
  }
}

// The last two dims form planes; each chunk takes whole planes, or a band of rows where there is one plane only.
template <class T> void copyAll(Task& task, const T* x, const Layout& from, T* y, const Layout& to) {
  const int rank = from.rank;
  const i64 columns = rank > 0 ? from.dims[rank - 1] : 1, rows = rank > 1 ? from.dims[rank - 2] : 1;
  const i64 xc = rank > 0 ? from.strides[rank - 1] : 1, yc = rank > 0 ? to.strides[rank - 1] : 1;
  const i64 xr = rank > 1 ? from.strides[rank - 2] : 0, yr = rank > 1 ? to.strides[rank - 2] : 0;
  const int outer = rank > 2 ? rank - 2 : 0;
  const i64 planes = elements(from, 0, outer);
  if (rows * columns == 0) return;
  if (planes == 1 && rows == 1) {
    forRange(task, columns, cheapGrain, [&](i64 begin, i64 end) {
      copyPlane(x + begin * xc, 0, xc, y + begin * yc, 0, yc, 1, end - begin);
    });
    return;
  }
  if (planes == 1) {
    forRange(task, ceilDiv(rows, tile), ceilDiv(cheapGrain, tile * columns), [&](i64 begin, i64 end) {
      const i64 first = begin * tile;
      copyPlane(x + first * xr, xr, xc, y + first * yr, yr, yc, minOf2(rows, end * tile) - first, columns);
    });
    return;
  }
  forRange(task, planes, cheapGrain / (rows * columns), [&](i64 begin, i64 end) {
    const Layout* const layouts[] = {&from, &to};
    Rows<2> walk(layouts, outer, begin);
    for (i64 p = begin; p < end; p++, walk.next())
      copyPlane(x + walk.offset[0], xr, xc, y + walk.offset[1], yr, yc, rows, columns);
  });
}

template <class T> T number(Real value) { return T(value); }
template <> Bool number<Bool>(Real value) { return value != 0; }

template <class T> void fillAll(Task& task, StridedOut<T> y, Real value) {
  const int outer = y.at.rank ? y.at.rank - 1 : 0;
  const i64 n = y.at.rank ? y.at.dims[outer] : 1, stride = y.at.rank ? y.at.strides[outer] : 1;
  const T v = number<T>(value);
  if (n == 0) return;
  if (y.at.rank <= 1) {
    forRange(task, n, cheapGrain, [&](i64 begin, i64 end) {
      if (stride == 1) for (i64 i = begin; i < end; i++) y.data[i] = v;
      else for (i64 i = begin; i < end; i++) y.data[i * stride] = v;
    });
    return;
  }
  forRange(task, elements(y.at, 0, outer), cheapGrain / n, [&](i64 begin, i64 end) {
    const Layout* const layouts[] = {&y.at};
    Rows<1> walk(layouts, outer, begin);
    for (i64 row = begin; row < end; row++, walk.next())
      for (i64 i = 0; i < n; i++) y.data[walk.offset[0] + i * stride] = v;
  });
}

// start + i·step in float64, rounded once, so that no error builds up.
template <class T> void arangeAll(Task& task, Out<T> y, Real start, Real step) {
  forRange(task, y.size, cheapGrain, [&](i64 begin, i64 end) {
    for (i64 i = begin; i < end; i++) y.data[i] = T(start + double(i) * step);
  });
}

} // namespace

namespace gradus::GRADUS_ISA {

#define MOVE(unused, T) \
  void copy(Task& task, StridedIn<T> x, StridedOut<T> y) { copyAll(task, x.data, x.at, y.data, y.at); } \
  void assign(Task& task, StridedIn<T> x, StridedInOut<T> y) { copyAll(task, x.data, x.at, y.data, y.at); } \
  void fill(Task& task, StridedOut<T> y, Real value) { fillAll(task, y, value); }
GRADUS_ANY(MOVE, )

#define ARANGE(unused, T) \
  void arange(Task& task, Out<T> y, Real start, Real step) { arangeAll(task, y, start, step); }
GRADUS_NUMBER(ARANGE, )

} // namespace gradus::GRADUS_ISA

namespace {

// Conversions between element types. float → int truncates and saturates, NaN becomes 0; anything → bool is ≠ 0.
inline int32_t toInt32(double x) {
  return x >= 2147483647.0 ? 2147483647 : x <= -2147483648.0 ? -2147483647 - 1 : x != x ? 0 : int32_t(x);
}
template <class Y, class X> Y converted(X x) {
  if constexpr (sizeof(Y) == 1) return Y(x != 0);
  else if constexpr (Y(1) / 2 == 0 && X(1) / 2 != 0) return toInt32(double(x));
  else return Y(x);
}

template <class X, class Y> void convert(Task& task, StridedIn<X> x, Out<Y> y) {
  const int outer = x.at.rank ? x.at.rank - 1 : 0;
  const i64 n = x.at.rank ? x.at.dims[outer] : 1, stride = x.at.rank ? x.at.strides[outer] : 0;
  if (n == 0) return;
  forRange(task, elements(x.at, 0, outer), cheapGrain / n, [&](i64 begin, i64 end) {
    const Layout* const layouts[] = {&x.at};
    Rows<1> walk(layouts, outer, begin);
    for (i64 row = begin; row < end; row++, walk.next()) {
      const X* from = x.data + walk.offset[0];
      Y* to = y.data + row * n;
      if (stride == 1) for (i64 i = 0; i < n; i++) to[i] = converted<Y>(from[i]);
      else for (i64 i = 0; i < n; i++) to[i] = converted<Y>(from[i * stride]);
    }
  });
}

} // namespace

namespace gradus::GRADUS_ISA {

#define CONVERT(name, X, Y) void name(Task& task, StridedIn<X> x, Out<Y> y) { convert(task, x, y); }
#define CONVERT_FROM(unused, X) \
  CONVERT(toFloat32, X, float) CONVERT(toInt32, X, int32_t) CONVERT(toBool, X, Bool) CONVERT(toFloat64, X, double)
GRADUS_ANY(CONVERT_FROM, )

} // namespace gradus::GRADUS_ISA
