// Elementwise functions of one value: the rows of unary.def, and conversions.      twin: lib/ops/unary.ts
#include "functions.h"

namespace {

// A parameter as lanes: float32 as it is; int32 saturated, so that an absent bound (±∞) never binds.
template <class T> Lanes<T> parameter(Real value);
template <> V parameter<float>(Real value) { return V::all(float(value)); }
template <> W parameter<int32_t>(Real value) {
  return value >= 2147483647.0 ? 2147483647 : value <= -2147483648.0 ? -2147483647 - 1 : int32_t(value);
}

} // namespace

namespace gradus::GRADUS_ISA {

#define FORWARD(name, T, value) \
  void name(Task& task, StridedIn<T> input, Out<T> y, Real p, Real q) { \
    [[maybe_unused]] const auto a = parameter<T>(p), b = parameter<T>(q); \
    elementwise(task, y, [=](Lanes<T> x) { return Lanes<T>(value); }, input); \
  }
#define UNARY_FLOAT(name, value) FORWARD(name, float, value)
#define UNARY_NUMBER(name, value) FORWARD(name, float, value) FORWARD(name, int32_t, value)
#define TEST_FLOAT(name, value) \
  void name(Task& task, StridedIn<float> input, Out<Bool> y) { elementwise(task, y, [](V x) { return value; }, input); }
#define TEST_BOOL(name, value) \
  void name(Task& task, StridedIn<Bool> input, Out<Bool> y) { elementwise(task, y, [](B x) { return value; }, input); }

#define UNARY(name, dtypes, value) UNARY_##dtypes(name, (value))
#define UNARY_WITH_GRADIENT(name, dtypes, value, gradient) \
  UNARY_##dtypes(name, (value)) \
  void name##Grad(Task& task, StridedIn<float> upstream, StridedIn<float> saved, Out<float> dx, Real p, Real q) { \
    [[maybe_unused]] const V a = V::all(float(p)), b = V::all(float(q)); \
    elementwise(task, dx, [=](V g, [[maybe_unused]] V v) { return V(gradient); }, upstream, saved); \
  }
#define TEST(name, dtypes, value) TEST_##dtypes(name, (value))
#include "unary.def"

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
