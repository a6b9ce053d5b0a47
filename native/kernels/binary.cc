// Elementwise functions of two values and the three-way choice.                     twins: lib/ops/binary.ts compare.ts
#include "functions.h"

namespace gradus::GRADUS_ISA {

#define OF(name, T, Y, value) \
  void name(Task& task, StridedIn<T> left, StridedIn<T> right, Out<Y> y) { \
    elementwise(task, y, [](Lanes<T> a, Lanes<T> b) { return value; }, left, right); \
  }
#define BINARY_FLOAT(name, value) OF(name, float, float, value)
#define BINARY_NUMBER(name, value) OF(name, float, float, value) OF(name, int32_t, int32_t, value)
#define BINARY_BOOL(name, value) OF(name, Bool, Bool, value)
#define BINARY(name, dtypes, value) BINARY_##dtypes(name, (value))
#define COMPARE(name, dtypes, value) OF(name, float, Bool, (value)) OF(name, int32_t, Bool, (value))
#include "binary.def"

// y = condition ? a : b
void where(Task& task, StridedIn<Bool> condition, StridedIn<float> a, StridedIn<float> b, Out<float> y) {
  const int last = a.at.rank ? a.at.rank - 1 : 0;
  const i64 n = a.at.rank ? a.at.dims[last] : 1;
  const i64 sc = a.at.rank ? condition.at.strides[last] : 0, sa = a.at.rank ? a.at.strides[last] : 0,
            sb = a.at.rank ? b.at.strides[last] : 0;
  if (n == 0) return;
  forRange(task, elements(a.at, 0, last), cheapGrain / n, [&](i64 begin, i64 end) {
    const Layout* const layouts[] = {&condition.at, &a.at, &b.at};
    Rows<3> walk(layouts, last, begin);
    for (i64 row = begin; row < end; row++, walk.next()) {
      const Run<float> ra{a.data + walk.offset[1], sa}, rb{b.data + walk.offset[2], sb};
      const Bool* c = condition.data + walk.offset[0];
      for (i64 i = 0; i < n; i += V::lanes) {
        const int part = int(minOf2(V::lanes, n - i));
        Bool bits[V::lanes];
        for (int j = 0; j < part; j++) bits[j] = c[(i + j) * sc];
        put(select(loadMask(bits, part), ra.at(i, part), rb.at(i, part)), y.data + row * n + i, part);
      }
    }
  });
}

// The same for types without vector lanes.
#define WHERE(T) \
  void where(Task& task, StridedIn<Bool> condition, StridedIn<T> a, StridedIn<T> b, Out<T> y) { \
    elementwise(task, y, [](B c, Lanes<T> p, Lanes<T> q) { return c.v ? p : q; }, condition, a, b); \
  }
WHERE(int32_t)
WHERE(Bool)
WHERE(double)

} // namespace gradus::GRADUS_ISA
