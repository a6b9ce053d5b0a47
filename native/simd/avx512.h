// x86-64 with AVX-512 F, BW, DQ and VL: 16 lanes, masks in mask registers. Included by simd.h only.

// GCC 12 takes the don't-care operands inside its own AVX-512 intrinsics for uninitialized variables (bug 105593).
#ifndef __clang__
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#ifndef __clang__
#pragma GCC diagnostic pop
#endif

namespace {

struct M {
  __mmask16 m;
};
GRADUS_INLINE M mask(unsigned bits) { return {static_cast<__mmask16>(bits)}; }
GRADUS_INLINE M operator&(M a, M b) { return mask(a.m & b.m); }
GRADUS_INLINE M operator|(M a, M b) { return mask(a.m | b.m); }
GRADUS_INLINE M operator^(M a, M b) { return mask(a.m ^ b.m); }
GRADUS_INLINE M operator!(M a) { return mask(~static_cast<unsigned>(a.m)); }
GRADUS_INLINE bool any(M a) { return a.m != 0; }
GRADUS_INLINE bool all(M a) { return a.m == 0xffff; }

struct I {
  __m512i i;
  GRADUS_INLINE static I all(int32_t x) { return {_mm512_set1_epi32(x)}; }
};
GRADUS_INLINE I operator+(I a, I b) { return {_mm512_add_epi32(a.i, b.i)}; }
GRADUS_INLINE I operator-(I a, I b) { return {_mm512_sub_epi32(a.i, b.i)}; }
GRADUS_INLINE I operator&(I a, I b) { return {_mm512_and_si512(a.i, b.i)}; }
GRADUS_INLINE I operator|(I a, I b) { return {_mm512_or_si512(a.i, b.i)}; }
GRADUS_INLINE I operator^(I a, I b) { return {_mm512_xor_si512(a.i, b.i)}; }
GRADUS_INLINE M operator==(I a, I b) { return {_mm512_cmpeq_epi32_mask(a.i, b.i)}; }
GRADUS_INLINE M operator>(I a, I b) { return {_mm512_cmpgt_epi32_mask(a.i, b.i)}; }
template <int n> GRADUS_INLINE I shiftLeft(I a) { return {_mm512_slli_epi32(a.i, n)}; }
template <int n> GRADUS_INLINE I shiftRight(I a) { return {_mm512_srli_epi32(a.i, n)}; }
template <int n> GRADUS_INLINE I shiftRightArithmetic(I a) { return {_mm512_srai_epi32(a.i, n)}; }

// Lanes below n <= 16, for masked moves, which touch no memory of the other lanes.
GRADUS_INLINE M lanesBelow(int n) { return mask((1u << n) - 1); }

struct V {
  __m512 v;
  static constexpr int lanes = 16;
  static constexpr bool fused = true;  // mulAdd rounds once

  V() = default;
  GRADUS_INLINE V(__m512 value) : v(value) {}
  GRADUS_INLINE V(float x) : v(_mm512_set1_ps(x)) {}  // in every lane, so that formulas can be written 1 + x
  GRADUS_INLINE static V all(float x) { return x; }
  GRADUS_INLINE static V load(const float* p) { return {_mm512_loadu_ps(p)}; }
  GRADUS_INLINE static V loadPart(const float* p, int n) { return {_mm512_maskz_loadu_ps(lanesBelow(n).m, p)}; }
  GRADUS_INLINE static V loadStrided(const float* p, int64_t stride, int n) {
    if (n == lanes) {
      const __m256 low = _mm256_set_m128(fourStrided(p + 4 * stride, stride), fourStrided(p, stride));
      const __m256 high = _mm256_set_m128(fourStrided(p + 12 * stride, stride), fourStrided(p + 8 * stride, stride));
      return {_mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1)};
    }
    float part[lanes] = {};
    for (int i = 0; i < n; i++) part[i] = p[i * stride];
    return load(part);
  }
  GRADUS_INLINE static __m128 fourStrided(const float* p, int64_t stride) {
    return _mm_setr_ps(p[0], p[stride], p[2 * stride], p[3 * stride]);
  }
  GRADUS_INLINE void store(float* p) const { _mm512_storeu_ps(p, v); }
  GRADUS_INLINE void storePart(float* p, int n) const { _mm512_mask_storeu_ps(p, lanesBelow(n).m, v); }
};
GRADUS_INLINE V operator+(V a, V b) { return {_mm512_add_ps(a.v, b.v)}; }
GRADUS_INLINE V operator-(V a, V b) { return {_mm512_sub_ps(a.v, b.v)}; }
GRADUS_INLINE V operator*(V a, V b) { return {_mm512_mul_ps(a.v, b.v)}; }
GRADUS_INLINE V operator/(V a, V b) { return {_mm512_div_ps(a.v, b.v)}; }
GRADUS_INLINE M operator<(V a, V b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }
GRADUS_INLINE M operator<=(V a, V b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LE_OQ)}; }
GRADUS_INLINE M operator>(V a, V b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_GT_OQ)}; }
GRADUS_INLINE M operator>=(V a, V b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_GE_OQ)}; }
GRADUS_INLINE M operator==(V a, V b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ)}; }
GRADUS_INLINE M operator!=(V a, V b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_NEQ_UQ)}; }

GRADUS_INLINE I bitsOf(V x) { return {_mm512_castps_si512(x.v)}; }
GRADUS_INLINE V fromBits(I x) { return {_mm512_castsi512_ps(x.i)}; }
GRADUS_INLINE I toInt(V x) { return {_mm512_cvtps_epi32(x.v)}; }  // NaN and out of range: INT32_MIN
GRADUS_INLINE I truncToInt(V x) { return {_mm512_cvttps_epi32(x.v)}; }
GRADUS_INLINE V toFloat(I x) { return {_mm512_cvtepi32_ps(x.i)}; }

GRADUS_INLINE V select(M m, V a, V b) { return {_mm512_mask_blend_ps(m.m, b.v, a.v)}; }
GRADUS_INLINE I select(M m, I a, I b) { return {_mm512_mask_blend_epi32(m.m, b.i, a.i)}; }
GRADUS_INLINE V mulAdd(V a, V b, V c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
GRADUS_INLINE V sqrt(V x) { return {_mm512_sqrt_ps(x.v)}; }
GRADUS_INLINE V trunc(V x) { return {_mm512_roundscale_ps(x.v, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC)}; }
GRADUS_INLINE V roundEven(V x) { return {_mm512_roundscale_ps(x.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
GRADUS_INLINE V floor(V x) { return {_mm512_roundscale_ps(x.v, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)}; }
GRADUS_INLINE V ceil(V x) { return {_mm512_roundscale_ps(x.v, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC)}; }

// vmaxps and vminps give their second operand if either is NaN.
GRADUS_INLINE V max(V a, V b) { return {_mm512_mask_max_ps(a.v, (a == a).m, a.v, b.v)}; }
GRADUS_INLINE V min(V a, V b) { return {_mm512_mask_min_ps(a.v, (a == a).m, a.v, b.v)}; }
GRADUS_INLINE V clamp(V x, V low, V high) { return {_mm512_min_ps(high.v, _mm512_max_ps(low.v, x.v))}; }  // NaN stays

// x 2^n for an integer n; overflow and underflow are those of one exact product.
GRADUS_INLINE V scale(V x, V n) { return {_mm512_scalef_ps(x.v, n.v)}; }

GRADUS_INLINE M loadMask(const uint8_t* p, int n) {
  const __m128i bytes = _mm_maskz_loadu_epi8(lanesBelow(n).m, p);
  return {_mm_test_epi8_mask(bytes, bytes)};
}
GRADUS_INLINE void storeMask(M m, uint8_t* p, int n) {
  _mm_mask_storeu_epi8(p, lanesBelow(n).m, _mm_maskz_set1_epi8(m.m, 1));
}

// The two halves of 8 lanes, to fold a vector.
GRADUS_INLINE __m256 lowerHalf(V x) { return _mm512_castps512_ps256(x.v); }
GRADUS_INLINE __m256 upperHalf(V x) { return _mm512_extractf32x8_ps(x.v, 1); }

GRADUS_INLINE float sumOf(V x) {  // lane i + lane i + 8, then i + 4, i + 2, i + 1
  const __m256 eight = _mm256_add_ps(lowerHalf(x), upperHalf(x));
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
GRADUS_INLINE float maxOfNumbers(V x) {  // no lane is NaN
  const __m256 eight = _mm256_max_ps(lowerHalf(x), upperHalf(x));
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}

}  // namespace
