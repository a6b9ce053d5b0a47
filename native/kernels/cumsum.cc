// The running sum along the middle of [outer, n, inner], added in order in float64 or int32.      twin: lib/ops/cumsum.ts
#include "kernel.h"

namespace {

template <class T, class Total> void runningSum(Task& task, In<T> x, Out<T> y, Size outer, Size n, Size inner) {
  if (y.size == 0) return; // then n * inner may be too large for int64
  forRange(task, outer, ceilDiv(cheapGrain, n * inner), [&](i64 begin, i64 end) {
    for (i64 o = begin; o < end; o++)
      for (i64 i = 0; i < inner; i++) {
        Total total = 0;
        for (i64 k = 0; k < n; k++) {
          const i64 at = (o * n + k) * inner + i;
          total = total + Total(x.data[at]);
          y.data[at] = T(total);
        }
      }
  });
}

} // namespace

namespace gradus::GRADUS_ISA {

void cumsum(Task& task, In<float> x, Out<float> y, Size outer, Size n, Size inner) {
  runningSum<float, double>(task, x, y, outer, n, inner);
}
// Unsigned, since sums wrap.
void cumsum(Task& task, In<int32_t> x, Out<int32_t> y, Size outer, Size n, Size inner) {
  runningSum<int32_t, uint32_t>(task, x, y, outer, n, inner);
}

} // namespace gradus::GRADUS_ISA
