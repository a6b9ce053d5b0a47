// Sums whose errors do not grow with their length: chains in float32, their totals in float64.
#pragma once
#include "kernel.h"

namespace {

// The longest chain of additions in float32. In one long chain the rounding errors of equal numbers all point one way,
// and those of others add up too.
constexpr i64 chainLength = 64;

// What distinguishes one reduction from another: the start value, how to join two values, and how many are joined in
// float32 before the result is joined in float64.
struct Sum {
  static constexpr i64 chain = chainLength;
  template <class T> static T start() { return 0; }
  static V join(V a, V b) { return a + b; }
  static W join(W a, W b) { return a + b; }
  static double join(double a, double b) { return a + b; }
};

// The totals of the vectors that it joins, lane by lane in float64.
template <class Op> struct Totals {
  double lanes[V::lanes];
  Totals() { for (double& lane : lanes) lane = Op::template start<float>(); }
  void join(V s) {
    float part[V::lanes];
    s.store(part);
    for (int j = 0; j < V::lanes; j++) lanes[j] = Op::join(lanes[j], double(part[j]));
  }
  V each() const {
    float rounded[V::lanes];
    for (int j = 0; j < V::lanes; j++) rounded[j] = float(lanes[j]);
    return V::load(rounded);
  }
  // Lanes are joined pairwise: (0,1)(2,3)… then again.
  double all() {
    for (int half = V::lanes / 2; half; half /= 2)
      for (int j = 0; j < half; j++) lanes[j] = Op::join(lanes[2 * j], lanes[2 * j + 1]);
    return lanes[0];
  }
};

// Σ f(k) for k in [0, n), each lane for itself.
template <class F> inline V columnSum(i64 n, const F& f) {
  const auto chain = [&](i64 from, i64 to) {
    V s = V::all(0);
    for (i64 k = from; k < to; k++) s = s + f(k);
    return s;
  };
  if (n <= chainLength) return chain(0, n);
  Totals<Sum> totals;
  for (i64 k = 0; k < n; k += chainLength) totals.join(chain(k, minOf2(n, k + chainLength)));
  return totals.each();
}

// Σ of f(i, lanes), which are the values of the elements from i on; lanes past the end count as 0.
template <class F> inline float rowSum(i64 n, const F& f) {
  const auto chain = [&](i64 from, i64 to) {
    V s = V::all(0);
    i64 i = from;
    for (; i + V::lanes <= to; i += V::lanes) s = s + f(i, V::lanes);
    if (i < to) {
      float lanes[V::lanes];
      f(i, int(to - i)).store(lanes);
      s = s + V::loadPart(lanes, int(to - i));
    }
    return s;
  };
  constexpr i64 length = chainLength * V::lanes;
  if (n <= length) return sumOf(chain(0, n));
  Totals<Sum> totals;
  for (i64 i = 0; i < n; i += length) totals.join(chain(i, minOf2(n, i + length)));
  return float(totals.all());
}

} // namespace
