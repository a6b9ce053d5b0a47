// x86-64 with AVX2, FMA, F16C and BMI2: 8 lanes. Included by simd.h only.
#include <immintrin.h>

namespace {

struct M {
  __m256 m;  // all bits of a lane set or clear
};
GRADUS_INLINE M operator&(M a, M b) { return {_mm256_and_ps(a.m, b.m)}; }
GRADUS_INLINE M operator|(M a, M b) { return {_mm256_or_ps(a.m, b.m)}; }
GRADUS_INLINE M operator^(M a, M b) { return {_mm256_xor_ps(a.m, b.m)}; }
GRADUS_INLINE M operator!(M a) { return {_mm256_xor_ps(a.m, _mm256_castsi256_ps(_mm256_set1_epi32(-1)))}; }
GRADUS_INLINE bool any(M a) { return _mm256_movemask_ps(a.m) != 0; }
GRADUS_INLINE bool all(M a) { return _mm256_movemask_ps(a.m) == 255; }

struct I {
  __m256i i;
  GRADUS_INLINE static I all(int32_t x) { return {_mm256_set1_epi32(x)}; }
};
GRADUS_INLINE I operator+(I a, I b) { return {_mm256_add_epi32(a.i, b.i)}; }
GRADUS_INLINE I operator-(I a, I b) { return {_mm256_sub_epi32(a.i, b.i)}; }
GRADUS_INLINE I operator&(I a, I b) { return {_mm256_and_si256(a.i, b.i)}; }
GRADUS_INLINE I operator|(I a, I b) { return {_mm256_or_si256(a.i, b.i)}; }
GRADUS_INLINE I operator^(I a, I b) { return {_mm256_xor_si256(a.i, b.i)}; }
GRADUS_INLINE M operator==(I a, I b) { return {_mm256_castsi256_ps(_mm256_cmpeq_epi32(a.i, b.i))}; }
GRADUS_INLINE M operator>(I a, I b) { return {_mm256_castsi256_ps(_mm256_cmpgt_epi32(a.i, b.i))}; }
template <int n> GRADUS_INLINE I shiftLeft(I a) { return {_mm256_slli_epi32(a.i, n)}; }
template <int n> GRADUS_INLINE I shiftRight(I a) { return {_mm256_srli_epi32(a.i, n)}; }
template <int n> GRADUS_INLINE I shiftRightArithmetic(I a) { return {_mm256_srai_epi32(a.i, n)}; }

// Lanes below n, for masked moves, which touch no memory of the other lanes.
GRADUS_INLINE __m256i lanesBelow(int n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

struct V {
  __m256 v;
  static constexpr int lanes = 8;
  static constexpr bool fused = true;  // mulAdd rounds once

  V() = default;
  GRADUS_INLINE V(__m256 value) : v(value) {}
  GRADUS_INLINE V(float x) : v(_mm256_set1_ps(x)) {}  // in every lane, so that formulas can be written 1 + x
  GRADUS_INLINE static V all(float x) { return x; }
  GRADUS_INLINE static V load(const float* p) { return {_mm256_loadu_ps(p)}; }
  GRADUS_INLINE static V loadPart(const float* p, int n) { return {_mm256_maskload_ps(p, lanesBelow(n))}; }
  GRADUS_INLINE static V loadStrided(const float* p, int64_t stride, int n) {
    if (n == lanes) return {_mm256_set_m128(fourStrided(p + 4 * stride, stride), fourStrided(p, stride))};
    float part[lanes] = {};
    for (int i = 0; i < n; i++) part[i] = p[i * stride];
    return load(part);
  }
  GRADUS_INLINE static __m128 fourStrided(const float* p, int64_t stride) {
    return _mm_setr_ps(p[0], p[stride], p[2 * stride], p[3 * stride]);
  }
  GRADUS_INLINE void store(float* p) const { _mm256_storeu_ps(p, v); }
  GRADUS_INLINE void storePart(float* p, int n) const { _mm256_maskstore_ps(p, lanesBelow(n), v); }
};
GRADUS_INLINE V operator+(V a, V b) { return {_mm256_add_ps(a.v, b.v)}; }
GRADUS_INLINE V operator-(V a, V b) { return {_mm256_sub_ps(a.v, b.v)}; }
GRADUS_INLINE V operator*(V a, V b) { return {_mm256_mul_ps(a.v, b.v)}; }
GRADUS_INLINE V operator/(V a, V b) { return {_mm256_div_ps(a.v, b.v)}; }
GRADUS_INLINE M operator<(V a, V b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ)}; }
GRADUS_INLINE M operator<=(V a, V b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LE_OQ)}; }
GRADUS_INLINE M operator>(V a, V b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_GT_OQ)}; }
GRADUS_INLINE M operator>=(V a, V b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_GE_OQ)}; }
GRADUS_INLINE M operator==(V a, V b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_EQ_OQ)}; }
GRADUS_INLINE M operator!=(V a, V b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_NEQ_UQ)}; }

GRADUS_INLINE I bitsOf(V x) { return {_mm256_castps_si256(x.v)}; }
GRADUS_INLINE V fromBits(I x) { return {_mm256_castsi256_ps(x.i)}; }
GRADUS_INLINE I toInt(V x) { return {_mm256_cvtps_epi32(x.v)}; }  // NaN and out of range: INT32_MIN
GRADUS_INLINE I truncToInt(V x) { return {_mm256_cvttps_epi32(x.v)}; }
GRADUS_INLINE V toFloat(I x) { return {_mm256_cvtepi32_ps(x.i)}; }

GRADUS_INLINE V select(M m, V a, V b) { return {_mm256_blendv_ps(b.v, a.v, m.m)}; }
GRADUS_INLINE I select(M m, I a, I b) { return bitsOf(select(m, fromBits(a), fromBits(b))); }
GRADUS_INLINE V mulAdd(V a, V b, V c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
GRADUS_INLINE V sqrt(V x) { return {_mm256_sqrt_ps(x.v)}; }
GRADUS_INLINE V trunc(V x) { return {_mm256_round_ps(x.v, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC)}; }
GRADUS_INLINE V roundEven(V x) { return {_mm256_round_ps(x.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
GRADUS_INLINE V floor(V x) { return {_mm256_round_ps(x.v, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)}; }
GRADUS_INLINE V ceil(V x) { return {_mm256_round_ps(x.v, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC)}; }

// vmaxps and vminps give their second operand if either is NaN.
GRADUS_INLINE V max(V a, V b) { return select(a == a, {_mm256_max_ps(a.v, b.v)}, a); }
GRADUS_INLINE V min(V a, V b) { return select(a == a, {_mm256_min_ps(a.v, b.v)}, a); }
GRADUS_INLINE V clamp(V x, V low, V high) { return {_mm256_min_ps(high.v, _mm256_max_ps(low.v, x.v))}; }  // NaN stays

// x 2^n for an integer -252 <= n <= 254, in two halves so that only the last product can overflow or underflow.
GRADUS_INLINE V scale(V x, V n) {
  const I k = toInt(n), half = shiftRightArithmetic<1>(k), bias = I::all(127);
  return x * fromBits(shiftLeft<23>(half + bias)) * fromBits(shiftLeft<23>(k - half + bias));
}

GRADUS_INLINE M loadMask(const uint8_t* p, int n) {
  const __m128i bytes = _mm_cvtsi64_si128(static_cast<int64_t>(loadBytes<8>(p, n)));
  return {_mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_cvtepu8_epi32(bytes), _mm256_setzero_si256()))};
}
GRADUS_INLINE void storeMask(M m, uint8_t* p, int n) {
  const __m256i i = _mm256_castps_si256(m.m);
  const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(i), _mm256_extracti128_si256(i, 1));
  const __m128i bytes = _mm_packs_epi16(words, words);
  storeBytes<8>(static_cast<uint64_t>(_mm_cvtsi128_si64(bytes)) & 0x0101010101010101u, p, n);
}

GRADUS_INLINE float sumOf(V x) {  // lane i + lane i + 4, then i + 2, then i + 1
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(x.v), _mm256_extractf128_ps(x.v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
GRADUS_INLINE float maxOfNumbers(V x) {  // no lane is NaN
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(x.v), _mm256_extractf128_ps(x.v, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}

}  // namespace
