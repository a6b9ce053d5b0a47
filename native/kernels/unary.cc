// Elementwise functions of one value: the values of unary.def.                     twin: lib/ops/unary.ts
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
#define UNARY_WITH_GRADIENT(name, dtypes, value, gradient) UNARY_##dtypes(name, (value))
#define TEST(name, dtypes, value) TEST_##dtypes(name, (value))
#include "unary.def"

} // namespace gradus::GRADUS_ISA
