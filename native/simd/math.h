// Transcendental functions on V, written once for every ISA.
//
// Largest errors, in units in the last place, checked by native/test/math_test.cc:
//   exp 1.5   expm1 2   log 1   log1p 2   sin, cos 2   tanh 2   sigmoid 3   softplus 2   erf 2   pow 2.5
// A `fit` is a minimax polynomial printed by scripts/minimax.py; said with it are the interval, the degree, and the
// largest error in exact arithmetic, relative to the function named. Numbers below 2^-126 count as zero, going in and
// coming out: kernels run with flush-to-zero. No lane influences another, so an element has the same bits wherever it
// stands in a vector.
#pragma once

#include "simd.h"

namespace {

constexpr float infinity = __builtin_inff();
constexpr float smallestNormal = 0x1p-126f;

// c0 + c1 x + c2 x^2 + ...
GRADUS_INLINE V polynomial(V, float c0) { return c0; }
template <class... C>
GRADUS_INLINE V polynomial(V x, float c0, C... higher) {
  return mulAdd(polynomial(x, higher...), x, c0);
}

// The nearest integer for |x| < 2^22: adding 1.5 * 2^23 leaves no bits for a fraction.
constexpr float integerShift = 12582912.0f;
GRADUS_INLINE V nearestOfProduct(V a, V b) { return mulAdd(a, b, integerShift) - integerShift; }

// ---- exponential ---------------------------------------------------------------------------------------------------

constexpr float log2e = 1.44269504f;  // 1 / ln 2
constexpr float ln2 = 0.693147181f;
constexpr float ln2High = 0.69140625f;   // the first 9 bits of ln 2, exact when multiplied by an exponent,
constexpr float ln2Low = 0.0017409306f;  // and the rest (scripts/minimax.py)

// e^r = 1 + r + r^2 Q(r). Fit of Q: |r| <= ln 2 / 2, degree 4, 2^-28.2 of e^r.
GRADUS_INLINE V expReduced(V r) {
  return polynomial(r, 1.0f, 1.0f, 0.49999994f, 0.16666518f, 0.041668154f, 0.008368923f, 0.0013829878f);
}

// e^x for -104 <= x <= 89 or NaN: 2^n e^r with n = round(x / ln 2), r = x - n ln 2.
GRADUS_INLINE V expInRange(V x) {
  const V n = nearestOfProduct(x, log2e);
  const V r = mulAdd(n, -ln2Low, mulAdd(n, -ln2High, x));
  return scale(expReduced(r), n);
}

// e^x; the clamp keeps n finite where the result is 0 or infinity anyway.
GRADUS_INLINE V exp(V x) { return expInRange(clamp(x, -104, 89)); }

// e^x - 1 = 2^n (r + w) + (2^n - 1), where a = x - n ln2High is exact and r + w = a + (r^2 Q(r) - n ln2Low), so that
// what cancels against 2^n - 1 is exact too. Everything is halved until the end, else 2^128 would overflow.
// Fit of Q: |r| <= ln 2 / 2, degree 5, 2^-28.0 of e^r - 1.
GRADUS_INLINE V expm1(V x) {
  const V inRange = clamp(x, -20, 89);
  const V n = nearestOfProduct(inRange, log2e);
  const V a = mulAdd(n, -ln2High, inRange);
  const V r = mulAdd(n, -ln2Low, a);
  const V q = polynomial(r, 0.5f, 0.16666637f, 0.041666515f, 0.008341025f, 0.0013930065f, 0.00015288767f);
  const V w = mulAdd(n, -ln2Low, r * r * q);
  const V half = fromBits(shiftLeft<23>(toInt(n) + I::all(126)));  // 2^n / 2
  const V result = 2 * mulAdd(half, w, mulAdd(half, a, half - 0.5f));
  return select(abs(x) < 0x1p-26f, x, result);  // halving would flush the least, and 0 + 0 lose the sign of -0
}

// ---- logarithm -----------------------------------------------------------------------------------------------------

// log(2^k (1 + f)) = k ln 2 + f - f^2 / 2 + f^3 P(f) for sqrt(1/2) <= 1 + f <= sqrt 2.
// Fit of P: degree 7, 2^-27.4 of log(1 + f).
GRADUS_INLINE V logReduced(V k, V f) {
  const V p = polynomial(f, -0.5f, 0.3333333f, -0.2500082f, 0.2000124f, -0.16623406f, 0.14201622f, -0.13159697f,
                         0.12761939f, -0.07635828f);
  return mulAdd(k, ln2High, f + mulAdd(f * f, p, k * ln2Low));
}

// The k for which 2^-k x lies in [sqrt(1/2), sqrt 2), for a normal x > 0.
GRADUS_INLINE I exponentOf(V x) { return shiftRightArithmetic<23>(bitsOf(x) - bitsOf(0.707106769f)); }

// log of the edges: x = inf or NaN gives itself, 0 (or what counts as 0) -inf, negative numbers NaN.
GRADUS_INLINE V logEdges(V x, V y) {
  const V low = select(x < 0, __builtin_nanf(""), -infinity);
  return select(x < smallestNormal, low, select(x < infinity, y, x));
}

GRADUS_INLINE V log(V x) {
  const I k = exponentOf(x);
  const V m = fromBits(bitsOf(x) - shiftLeft<23>(k));
  return logEdges(x, logReduced(toFloat(k), m - 1));
}

// log(1 + x): with k from the rounded 1 + x, f = 2^-k x + (2^-k - 1) has lost nothing of x.
GRADUS_INLINE V log1p(V x) {
  const V u = x + 1;
  const I k = exponentOf(u);
  const V four = fromBits(shiftLeft<23>(I::all(129) - k));  // 2^(2-k): 2^-k itself is too small when k = 128
  const V f = mulAdd(four, x * 0.25f, mulAdd(four, 0.25f, -1));
  const V y = logEdges(u, logReduced(toFloat(k), f));
  return select(abs(x) < 0x1p-26f, x, y);  // the quarter would flush the least, and k ln 2 lose the sign of -0
}

// ---- sine and cosine -----------------------------------------------------------------------------------------------

// Up to here n = round(2 x / pi) times a 12-bit part of pi / 2 is exact: 12 bits of n leave room without fma; with it
// the limit is that n times the third part stays below 2^-11, so that the error of its subtraction is a float.
constexpr float largestDirectAngle = V::fused ? 10000 : 6400;

// x = n pi / 2 + r for any finite |x| > 1 by Payne and Hanek's method in integers: |x| = m 2^e with a 24-bit m, and
// only the bits of 2 / pi whose product with m 2^e lies below 4 and above 2^-60 matter. Returns r, puts n mod 4 in
// *quadrant.
[[maybe_unused]] __attribute__((noinline)) float reduceLargeAngle(float x, float* quadrant) {
  // 2 / pi after the point, 32 bits a word, behind one word of zeros (scripts/minimax.py).
  constexpr uint32_t twoOverPi[] = {0,           0xa2f9836eu, 0x4e441529u, 0xfc2757d1u,
                                    0xf534ddc0u, 0xdb629599u, 0x3c439041u, 0xfe5163abu};
  uint32_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  const uint64_t m = (bits & 0x7fffff) | 0x800000;
  // The first bit used must have weight 2^1 in the product: bit e - 1 after the point, bit e + 30 of the table.
  const int start = static_cast<int>(bits >> 23 & 255) - 150 + 30;
  const int word = start / 32, shift = start % 32;
  uint64_t w[3];
  for (int i = 0; i < 3; i++) {
    const uint64_t pair = static_cast<uint64_t>(twoOverPi[word + i]) << 32 | twoOverPi[word + i + 1];
    w[i] = pair << shift >> 32;
  }
  const uint64_t product = (m * w[0] << 32) + m * w[1] + (m * w[2] >> 32);  // units of 2^-62 quarter turns, modulo 4
  const uint64_t n = (product + (uint64_t{1} << 61)) >> 62;
  const double fraction = static_cast<double>(static_cast<int64_t>(product - (n << 62)));
  const double r = fraction * (1.5707963267948966 * 0x1p-62);
  *quadrant = static_cast<float>(x < 0 ? (4 - n) & 3 : n & 3);
  return static_cast<float>(x < 0 ? -r : r);
}

// Overwrites r and n in the lanes where |x| is finite and too large for the direct reduction.
[[maybe_unused]] __attribute__((noinline)) void reduceLargeAngles(const float* x, float* r, float* n) {
  for (int i = 0; i < V::lanes; i++) {
    const float size = __builtin_fabsf(x[i]);
    if (size > largestDirectAngle && size < infinity) r[i] = reduceLargeAngle(x[i], n + i);
  }
}

// sin(x + turn pi / 2). x = n pi / 2 + r, pi / 2 in parts of 12, 12, 12 and 24 bits (Cody and Waite), and by n mod 4
// one of sin r, cos r, -sin r, -cos r. Fits: |r| <= pi / 4 + 0.002,
// sin r = r + r^3 S(r^2), degree 2, 2^-27.9 of sin r; cos r = 1 - r^2 / 2 + r^4 C(r^2), degree 2, 2^-32.9 of cos r.
GRADUS_INLINE V sineOfTurned(V x, int32_t turn) {
  V n = nearestOfProduct(x, 0.636619772f);  // 2 / pi
  const V a = mulAdd(n, -0.0004837513f, mulAdd(n, -1.5703125f, x));  // exact
  const V b = mulAdd(n, -7.5495336e-08f, a);
  const V rounding = mulAdd(n, -7.5495336e-08f, a - b);
  V r = b + mulAdd(n, -2.563344e-12f, rounding);
  if (__builtin_expect(any(abs(x) > largestDirectAngle), 0)) {
    float xs[V::lanes], rs[V::lanes], ns[V::lanes];
    x.store(xs), r.store(rs), n.store(ns);
    reduceLargeAngles(xs, rs, ns);
    r = V::load(rs), n = V::load(ns);
  }
  const I quadrant = toInt(n) + I::all(turn);
  const V z = r * r;
  const V sine = mulAdd(r * z, polynomial(z, -0.16666655f, 0.008332185f, -0.00019517497f), r);
  const V cosine = polynomial(z, 1.0f, -0.5f, 0.041666646f, -0.0013887308f, 2.4432093e-05f);
  const V y = select((quadrant & I::all(1)) == I::all(1), cosine, sine);
  return fromBits(bitsOf(y) ^ shiftLeft<30>(quadrant & I::all(2)));
}

GRADUS_INLINE V sin(V x) { return select(abs(x) < 0x1p-13f, x, sineOfTurned(x, 0)); }  // keeps -0
GRADUS_INLINE V cos(V x) { return sineOfTurned(x, 1); }

// ---- functions of e^x ----------------------------------------------------------------------------------------------

// The size of a with the sign bit of x.
GRADUS_INLINE V withSignOf(V x, V a) { return fromBits(bitsOf(a) | (bitsOf(x) & I::all(INT32_MIN))); }

// |x| <= 0.625: x + x^3 P(x^2), fit of degree 4, 2^-27.7 of tanh x. Above: 1 - 2 / (e^2|x| + 1), 1 in float from 9.02.
GRADUS_INLINE V tanh(V x) {
  const V size = abs(x), z = x * x;
  const V p = polynomial(z, -0.33333284f, 0.13331476f, -0.05374194f, 0.020645147f, -0.0057108356f);
  const V tail = 1 - 2 / (1 + expInRange(clamp(size + size, 0, 20)));
  return withSignOf(x, select(size > 0.625f, tail, mulAdd(size * z, p, size)));
}

// 1 / (1 + e^-x). e^-x overflows only where the result is below 2^-126.
GRADUS_INLINE V sigmoid(V x) { return 1 / (1 + exp(-x)); }

// log(1 + e^x) = max(x, 0) + log(1 + t) with t = e^-|x| <= 1; k is 0 or 1, and f is exact.
GRADUS_INLINE V softplus(V x) {
  const V t = exp(-abs(x));
  const M upper = t > 0.41421357f;  // sqrt 2 - 1
  const V log1pOfT = logReduced(select(upper, 1, 0), select(upper, mulAdd(t, 0.5f, -0.5f), t));
  return select(x > 0, x, 0) + log1pOfT;
}

// |x| <= 0.875: x (1 + P(x^2)), fit of degree 5, 2^-26.7 of erf x. Above: 1 - e^L(|x|) with L = log(erfc), fit on
// [0.875, 4] of degree 6, 2^-29.0 of erf x; from 3.92 on erf is 1 in float.
GRADUS_INLINE V erfNearZero(V x) {
  const V p = polynomial(x * x, 0.12837917f, -0.37612575f, 0.11282642f, -0.026797103f, 0.0050395806f, -0.00062384584f);
  return x * (1 + p);
}
GRADUS_INLINE V erf(V x) {
  const V a = clamp(abs(x), 0, 4);
  const V l = polynomial(a, -0.00013357565f, -1.1279361f, -0.6367372f, -0.104327515f, 0.022420226f, -0.003092294f,
                         0.00020099625f);
  return select(abs(x) > 0.875f, withSignOf(x, 1 - expInRange(l)), erfNearZero(x));
}

// ---- the normal distribution ---------------------------------------------------------------------------------------

// a b - p where p = a b rounded. Without fma from halves of 12 bits, whose products are exact (Dekker, 1971).
GRADUS_INLINE V productError(V a, V b, V p) {
  if constexpr (V::fused) return mulAdd(a, b, -p);
  const I upperBits = I::all(-4096);
  const V a1 = fromBits(bitsOf(a) & upperBits), a2 = a - a1;
  const V b1 = fromBits(bitsOf(b) & upperBits), b2 = b - b1;
  return ((a1 * b1 - p) + a1 * b2 + a2 * b1) + a2 * b2;
}

// e^(-t^2 / 2). The rounding error of t^2 goes into the result as a factor: far out it would count t^2 times.
GRADUS_INLINE V gaussian(V t) {
  const V square = t * t, e = expInRange(square * -0.5f);
  return e * (1 - productError(t, t, square) * 0.5f);
}

// Phi(x), the share below x. Near 0 it is (1 + erf(x / sqrt 2)) / 2, which further left would lose all digits: there,
// with t = |x| and u = 1 / (1 + t / 4), Phi(-t) = e^(-t^2 / 2) u P(u), fit on t <= 14.4 of degree 9, 2^-26.7; beyond,
// Phi(-t) is subnormal.
GRADUS_INLINE V normalCdf(V x) {
  const V t = clamp(abs(x), 0, 14.4f), u = 1 / (1 + t * 0.25f);
  const V p = polynomial(u, 0.09974662f, 0.099516064f, 0.09533054f, 0.07282244f, 0.0843796f, 0.016786812f, 0.023712082f,
                         0.055079192f, -0.0642064f, 0.01683306f);
  const V tail = gaussian(t) * (u * p);
  const V near = mulAdd(erfNearZero(x * 0.70710678f), 0.5f, 0.5f);
  return select(t < 1.2f, near, select(x > 0, 1 - tail, tail));
}

// e^(-x^2 / 2) / sqrt(2 pi)
GRADUS_INLINE V normalDensity(V x) { return gaussian(clamp(abs(x), 0, 14.4f)) * 0.39894228f; }

// ---- powers --------------------------------------------------------------------------------------------------------

// A sum of two floats, the second below half a unit of the first: about 48 bits.
struct Pair {
  V high, low;
};

// log2 x for a normal x > 0, to 2^-29.9 of its size. x = 2^k m with 2^(-1/4) <= m < 2^(3/4), c the nearer of 1 and
// 45 / 32, s = (m - c) / (m + c): log2 m = log2 c + (2 / ln 2) atanh s = log2 c + (2 / ln 2) s + s^3 R(s^2).
// Fit of R: |s| <= 0.0893, degree 2, 2^-37.0 of log2 (m / c).
GRADUS_INLINE Pair log2Pair(V x) {
  const I exponent = shiftRightArithmetic<23>(bitsOf(x) - bitsOf(0.840896428f));
  const V m = fromBits(bitsOf(x) - shiftLeft<23>(exponent));
  const M upper = m > 1.1892071f;  // 2^(1/4)
  const V c = select(upper, 1.40625f, 1);
  const V k = toFloat(exponent) + select(upper, 0.4918213f, 0);  // exact: log2 (45 / 32) to 12 bits
  const V kLow = select(upper, 3.1807267e-05f, 0);                // and the rest
  const V d = m + c, dLow = m - (d - c), inverse = 1 / d;
  const V f = m - c;  // exact
  const V s = f * inverse;
  const V p = s * d;
  const V sLow = ((f - p) - productError(s, d, p) - s * dLow) * inverse;
  const V z = s * s;
  const V r = polynomial(z, 0.9617967f, 0.57706344f, 0.41644737f);
  constexpr float slope = 2.8847656f, slopeLow = 0.0006244568f;  // 2 / ln 2, the first 12 bits and the rest
  const V main = s * slope;
  const V low = productError(s, slope, main) + mulAdd(s, slopeLow, mulAdd(sLow, slope, mulAdd(s * z, r, kLow)));
  const V sum = k + main;
  const V rest = (main - (sum - k)) + low;  // |k| > |main| or k = 0
  const V high = sum + rest;
  return {high, rest - (high - sum)};
}

// |x|^y = 2^(y log2 |x|) for x of either sign; 0^0 and 1^NaN are left to pow.
GRADUS_INLINE V powOfSize(V size, V y) {
  const Pair l = log2Pair(size);
  const V high = select(size < smallestNormal, -infinity, select(size < infinity, l.high, size));
  const V t = y * high;
  const V tLow = mulAdd(y, l.low, productError(y, high, t));
  const V inRange = clamp(t, -160, 160);
  const V n = nearestOfProduct(inRange, 1);
  const V r = (inRange - n) + select(abs(t) < 160, tLow, 0);
  return scale(expReduced(r * ln2), n);
}

// x^y as C's pow: 1 for x = 1 or y = 0, even NaN; negative x needs an integer y, odd ones keep the sign.
GRADUS_INLINE V pow(V x, V y) {
  const V size = abs(x), half = y * 0.5f;
  const M whole = trunc(y) == y, odd = whole & (trunc(half) != half);
  const V even = powOfSize(size, y);
  const V signedValue = select(odd, fromBits(bitsOf(even) ^ (bitsOf(x) & I::all(INT32_MIN))), even);
  const M undefined = (x < 0) & (x > -infinity) & !whole;
  const M one = (x == 1) | (y == 0) | ((x == -1) & (abs(y) == infinity));
  return select(one, 1, select(undefined, __builtin_nanf(""), signedValue));
}

// -1, 0 or 1; 0 also for NaN.
GRADUS_INLINE V sign(V x) { return select(x > 0, 1, select(x < 0, -1, 0)); }

}  // namespace
