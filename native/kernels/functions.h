// The functions that the rows of unary.def and binary.def name, for each kind of lanes.
#pragma once
#include "kernel.h"

namespace {

// The C library has an abs and a select of its own in the global namespace, which would hide those of simd/.
inline V magnitude(V x) { return abs(x); }
inline V chosen(M m, V a, V b) { return select(m, a, b); }

namespace fn {

// ---- float32: those of simd/, and the ones composed from them ----
using ::sign, ::floor, ::ceil, ::roundEven, ::sqrt, ::exp, ::expm1, ::log, ::log1p, ::sin, ::cos, ::tanh;
using ::sigmoid, ::softplus, ::erf, ::pow, ::max, ::min;
inline V abs(V x) { return magnitude(x); }
inline V select(M m, V a, V b) { return chosen(m, a, b); }
inline V clamp(V x, V a, V b) { return ::min(::max(x, a), b); }
inline M inside(V x, V a, V b) {
  return ((x > a) | (a == -infinity)) & ((x < b) | (b == infinity)); // an infinite bound is none
}

// fmod with the sign of the divisor: a − b·⌊a/b⌋ loses everything when a/b is large, so long division in float64,
// whose 53 bits hold any quotient below 2^29; beyond that fmod's value is exact by repeated reduction.
inline float remainder(float a, float b) {
  double x = a, y = b;
  if (b == 0 || a != a || b != b || x - x != 0) return __builtin_nanf("");
  if (y - y != 0 && a != 0) return (a < 0) == (b < 0) ? a : b;
  if (a == 0) return b < 0 ? -0.0f : 0.0f;
  double m = x < 0 ? -x : x;
  const double d = y < 0 ? -y : y;
  while (m >= d) {
    double scaled = d;
    while (m >= scaled * 0x1p29) scaled *= 0x1p29;
    m -= scaled * double(i64(m / scaled));
    if (m < 0) m += scaled;
  }
  if (m == 0) return b < 0 ? -0.0f : 0.0f;
  const double r = x < 0 ? -m : m;
  return float((r < 0) != (y < 0) ? r + y : r);
}
inline V remainder(V a, V b) {
  float p[V::lanes], q[V::lanes];
  a.store(p);
  b.store(q);
  for (int i = 0; i < V::lanes; i++) p[i] = remainder(p[i], q[i]);
  return V::load(p);
}

using ::normalCdf, ::normalDensity;
inline V geluSlope(V x) { return normalCdf(x) + x * normalDensity(x); }

// Hendrycks & Gimpel (2016): Φ(x) ≈ ½(1 + tanh(√(2/π)(x + 0.044715x³))) = σ of twice the argument.
inline V tanhCdf(V x) { return sigmoid((x + x * x * x * 0.044715f) * 1.5957691216f); }
inline V geluTanhSlope(V x) {
  const V p = tanhCdf(x);
  const V z = ::clamp(x, -16, 16); // where p(1 - p) is 0; without it, 0 times the overflow of z² would be NaN
  return p + z * (p * (1 - p)) * ((z * z * 0.134145f + 1) * 1.5957691216f);
}
inline V siluSlope(V x) {
  const V s = sigmoid(x);
  return s * ((1 - s) * x + 1);
}
// 2/√π · exp(−x²)
inline V erfSlope(V x) { return exp(-(x * x)) * 1.1283791671f; }

// ---- int32 ----
inline W max(W a, W b) { return a.v > b.v ? a : b; }
inline W min(W a, W b) { return a.v < b.v ? a : b; }
inline W floor(W x) { return x; }
inline W ceil(W x) { return x; }
inline W roundEven(W x) { return x; }
inline W abs(W x) { return x.v < 0 ? -x : x; }
inline W sign(W x) { return int32_t(x.v > 0) - int32_t(x.v < 0); }
inline W clamp(W x, W a, W b) { return min(max(x, a), b); }
// The sign of the divisor; 0 where the divisor is 0, since int32 has no NaN.
inline W remainder(W a, W b) {
  if (b.v == 0 || b.v == -1) return 0;
  const int32_t r = a.v % b.v;
  return r != 0 && (r < 0) != (b.v < 0) ? r + b.v : r;
}
// Wraps like mul; a negative exponent gives what the truncated quotient would: 0, or ±1 for bases ±1.
inline W pow(W a, W b) {
  if (b.v < 0) return a.v == 1 ? 1 : a.v == -1 ? (b.v & 1 ? -1 : 1) : 0;
  W result = 1;
  for (uint32_t e = uint32_t(b.v); e; e >>= 1) {
    if (e & 1) result = result * a;
    a = a * a;
  }
  return result;
}

} // namespace fn
} // namespace
