// x86-64 without extensions: SSE2, 4 lanes, no fused multiply-add. Included by simd.h only.
#include <emmintrin.h>

namespace {

struct M {
  __m128 m;  // all bits of a lane set or clear
};
GRADUS_INLINE M operator&(M a, M b) { return {_mm_and_ps(a.m, b.m)}; }
GRADUS_INLINE M operator|(M a, M b) { return {_mm_or_ps(a.m, b.m)}; }
GRADUS_INLINE M operator^(M a, M b) { return {_mm_xor_ps(a.m, b.m)}; }
GRADUS_INLINE M operator!(M a) { return {_mm_xor_ps(a.m, _mm_castsi128_ps(_mm_set1_epi32(-1)))}; }
GRADUS_INLINE bool any(M a) { return _mm_movemask_ps(a.m) != 0; }
GRADUS_INLINE bool all(M a) { return _mm_movemask_ps(a.m) == 15; }

struct I {
  __m128i i;
  GRADUS_INLINE static I all(int32_t x) { return {_mm_set1_epi32(x)}; }
};
GRADUS_INLINE I operator+(I a, I b) { return {_mm_add_epi32(a.i, b.i)}; }
GRADUS_INLINE I operator-(I a, I b) { return {_mm_sub_epi32(a.i, b.i)}; }
GRADUS_INLINE I operator&(I a, I b) { return {_mm_and_si128(a.i, b.i)}; }
GRADUS_INLINE I operator|(I a, I b) { return {_mm_or_si128(a.i, b.i)}; }
GRADUS_INLINE I operator^(I a, I b) { return {_mm_xor_si128(a.i, b.i)}; }
GRADUS_INLINE M operator==(I a, I b) { return {_mm_castsi128_ps(_mm_cmpeq_epi32(a.i, b.i))}; }
GRADUS_INLINE M operator>(I a, I b) { return {_mm_castsi128_ps(_mm_cmpgt_epi32(a.i, b.i))}; }
template <int n> GRADUS_INLINE I shiftLeft(I a) { return {_mm_slli_epi32(a.i, n)}; }
template <int n> GRADUS_INLINE I shiftRight(I a) { return {_mm_srli_epi32(a.i, n)}; }
template <int n> GRADUS_INLINE I shiftRightArithmetic(I a) { return {_mm_srai_epi32(a.i, n)}; }

struct V {
  __m128 v;
  static constexpr int lanes = 4;
  static constexpr bool fused = false;  // mulAdd rounds twice

  V() = default;
  GRADUS_INLINE V(__m128 value) : v(value) {}
  GRADUS_INLINE V(float x) : v(_mm_set1_ps(x)) {}  // in every lane, so that formulas can be written 1 + x
  GRADUS_INLINE static V all(float x) { return x; }
  GRADUS_INLINE static V load(const float* p) { return {_mm_loadu_ps(p)}; }
  GRADUS_INLINE static V loadPart(const float* p, int n) { return loadStrided(p, 1, n); }
  GRADUS_INLINE static V loadStrided(const float* p, int64_t stride, int n) {
    if (n == lanes) return {_mm_setr_ps(p[0], p[stride], p[2 * stride], p[3 * stride])};
    return {_mm_setr_ps(n > 0 ? p[0] : 0, n > 1 ? p[stride] : 0, n > 2 ? p[2 * stride] : 0, 0)};
  }
  GRADUS_INLINE void store(float* p) const { _mm_storeu_ps(p, v); }
  GRADUS_INLINE void storePart(float* p, int n) const {
    if (n > 0) p[0] = _mm_cvtss_f32(v);
    if (n > 1) p[1] = _mm_cvtss_f32(_mm_shuffle_ps(v, v, 1));
    if (n > 2) p[2] = _mm_cvtss_f32(_mm_movehl_ps(v, v));
  }
};
GRADUS_INLINE V operator+(V a, V b) { return {_mm_add_ps(a.v, b.v)}; }
GRADUS_INLINE V operator-(V a, V b) { return {_mm_sub_ps(a.v, b.v)}; }
GRADUS_INLINE V operator*(V a, V b) { return {_mm_mul_ps(a.v, b.v)}; }
GRADUS_INLINE V operator/(V a, V b) { return {_mm_div_ps(a.v, b.v)}; }
GRADUS_INLINE M operator<(V a, V b) { return {_mm_cmplt_ps(a.v, b.v)}; }
GRADUS_INLINE M operator<=(V a, V b) { return {_mm_cmple_ps(a.v, b.v)}; }
GRADUS_INLINE M operator>(V a, V b) { return {_mm_cmplt_ps(b.v, a.v)}; }
GRADUS_INLINE M operator>=(V a, V b) { return {_mm_cmple_ps(b.v, a.v)}; }
GRADUS_INLINE M operator==(V a, V b) { return {_mm_cmpeq_ps(a.v, b.v)}; }
GRADUS_INLINE M operator!=(V a, V b) { return {_mm_cmpneq_ps(a.v, b.v)}; }

GRADUS_INLINE I bitsOf(V x) { return {_mm_castps_si128(x.v)}; }
GRADUS_INLINE V fromBits(I x) { return {_mm_castsi128_ps(x.i)}; }
GRADUS_INLINE I toInt(V x) { return {_mm_cvtps_epi32(x.v)}; }  // NaN and out of range: INT32_MIN
GRADUS_INLINE I truncToInt(V x) { return {_mm_cvttps_epi32(x.v)}; }
GRADUS_INLINE V toFloat(I x) { return {_mm_cvtepi32_ps(x.i)}; }

GRADUS_INLINE V select(M m, V a, V b) { return {_mm_or_ps(_mm_and_ps(m.m, a.v), _mm_andnot_ps(m.m, b.v))}; }
GRADUS_INLINE I select(M m, I a, I b) { return bitsOf(select(m, fromBits(a), fromBits(b))); }
GRADUS_INLINE V mulAdd(V a, V b, V c) { return a * b + c; }
GRADUS_INLINE V sqrt(V x) { return {_mm_sqrt_ps(x.v)}; }

// The integer i near x as float, with the sign of x so that -0.3 gives -0; from 2^23 on every float is an integer.
GRADUS_INLINE V rounded(V x, V i) {
  const I sign = bitsOf(x) & I::all(INT32_MIN);
  const M small = V{_mm_andnot_ps(_mm_set1_ps(-0.0f), x.v)} < V::all(8388608.0f);
  return select(small, fromBits(bitsOf(i) | sign), x);
}
GRADUS_INLINE V one(M m) { return {_mm_and_ps(m.m, _mm_set1_ps(1.0f))}; }  // 1 where true, else 0
GRADUS_INLINE V trunc(V x) { return rounded(x, toFloat(truncToInt(x))); }
GRADUS_INLINE V roundEven(V x) { return rounded(x, toFloat(toInt(x))); }
GRADUS_INLINE V floor(V x) {
  const V i = toFloat(truncToInt(x));
  return rounded(x, i - one(i > x));
}
GRADUS_INLINE V ceil(V x) {
  const V i = toFloat(truncToInt(x));
  return rounded(x, i + one(i < x));
}

// maxps and minps give their second operand if either is NaN.
GRADUS_INLINE V max(V a, V b) { return select(a == a, {_mm_max_ps(a.v, b.v)}, a); }
GRADUS_INLINE V min(V a, V b) { return select(a == a, {_mm_min_ps(a.v, b.v)}, a); }
GRADUS_INLINE V clamp(V x, V low, V high) { return {_mm_min_ps(high.v, _mm_max_ps(low.v, x.v))}; }  // NaN stays

// x 2^n for an integer -252 <= n <= 254, in two halves so that only the last product can overflow or underflow.
GRADUS_INLINE V scale(V x, V n) {
  const I k = toInt(n), half = shiftRightArithmetic<1>(k), bias = I::all(127);
  return x * fromBits(shiftLeft<23>(half + bias)) * fromBits(shiftLeft<23>(k - half + bias));
}

GRADUS_INLINE M loadMask(const uint8_t* p, int n) {
  const __m128i zero = _mm_setzero_si128();
  const __m128i bytes = _mm_cvtsi32_si128(static_cast<int>(loadBytes<4>(p, n)));
  return {_mm_castsi128_ps(_mm_cmpgt_epi32(_mm_unpacklo_epi16(_mm_unpacklo_epi8(bytes, zero), zero), zero))};
}
GRADUS_INLINE void storeMask(M m, uint8_t* p, int n) {
  const __m128i words = _mm_packs_epi32(_mm_castps_si128(m.m), _mm_setzero_si128());
  const __m128i bytes = _mm_packs_epi16(words, words);
  storeBytes<4>(static_cast<uint32_t>(_mm_cvtsi128_si32(bytes)) & 0x01010101u, p, n);
}

GRADUS_INLINE float sumOf(V x) {  // (x0 + x2) + (x1 + x3)
  const __m128 s = _mm_add_ps(x.v, _mm_movehl_ps(x.v, x.v));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_shuffle_ps(s, s, 1)));
}
GRADUS_INLINE float maxOfNumbers(V x) {  // no lane is NaN
  const __m128 s = _mm_max_ps(x.v, _mm_movehl_ps(x.v, x.v));
  return _mm_cvtss_f32(_mm_max_ss(s, _mm_shuffle_ps(s, s, 1)));
}

}  // namespace
