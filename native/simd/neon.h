// AArch64 with Advanced SIMD, which every such CPU has: 4 lanes. Included by simd.h only.
#include <arm_neon.h>

namespace {

struct M {
  uint32x4_t m;  // all bits of a lane set or clear
};
GRADUS_INLINE M operator&(M a, M b) { return {vandq_u32(a.m, b.m)}; }
GRADUS_INLINE M operator|(M a, M b) { return {vorrq_u32(a.m, b.m)}; }
GRADUS_INLINE M operator^(M a, M b) { return {veorq_u32(a.m, b.m)}; }
GRADUS_INLINE M operator!(M a) { return {vmvnq_u32(a.m)}; }
GRADUS_INLINE bool any(M a) { return vmaxvq_u32(a.m) != 0; }
GRADUS_INLINE bool all(M a) { return vminvq_u32(a.m) != 0; }

struct I {
  int32x4_t i;
  GRADUS_INLINE static I all(int32_t x) { return {vdupq_n_s32(x)}; }
};
GRADUS_INLINE I operator+(I a, I b) { return {vaddq_s32(a.i, b.i)}; }
GRADUS_INLINE I operator-(I a, I b) { return {vsubq_s32(a.i, b.i)}; }
GRADUS_INLINE I operator&(I a, I b) { return {vandq_s32(a.i, b.i)}; }
GRADUS_INLINE I operator|(I a, I b) { return {vorrq_s32(a.i, b.i)}; }
GRADUS_INLINE I operator^(I a, I b) { return {veorq_s32(a.i, b.i)}; }
GRADUS_INLINE M operator==(I a, I b) { return {vceqq_s32(a.i, b.i)}; }
GRADUS_INLINE M operator>(I a, I b) { return {vcgtq_s32(a.i, b.i)}; }
template <int n> GRADUS_INLINE I shiftLeft(I a) { return {vshlq_n_s32(a.i, n)}; }
template <int n> GRADUS_INLINE I shiftRight(I a) {
  return {vreinterpretq_s32_u32(vshrq_n_u32(vreinterpretq_u32_s32(a.i), n))};
}
template <int n> GRADUS_INLINE I shiftRightArithmetic(I a) { return {vshrq_n_s32(a.i, n)}; }

struct V {
  float32x4_t v;
  static constexpr int lanes = 4;
  static constexpr bool fused = true;  // mulAdd rounds once

  V() = default;
  GRADUS_INLINE V(float32x4_t value) : v(value) {}
  GRADUS_INLINE V(float x) : v(vdupq_n_f32(x)) {}  // in every lane, so that formulas can be written 1 + x
  GRADUS_INLINE static V all(float x) { return x; }
  GRADUS_INLINE static V load(const float* p) { return {vld1q_f32(p)}; }
  GRADUS_INLINE static V loadPart(const float* p, int n) { return loadStrided(p, 1, n); }
  GRADUS_INLINE static V loadStrided(const float* p, int64_t stride, int n) {
    float32x4_t v = vdupq_n_f32(0);
    if (n > 0) v = vld1q_lane_f32(p, v, 0);
    if (n > 1) v = vld1q_lane_f32(p + stride, v, 1);
    if (n > 2) v = vld1q_lane_f32(p + 2 * stride, v, 2);
    if (n > 3) v = vld1q_lane_f32(p + 3 * stride, v, 3);
    return {v};
  }
  GRADUS_INLINE void store(float* p) const { vst1q_f32(p, v); }
  GRADUS_INLINE void storePart(float* p, int n) const {
    if (n > 0) vst1q_lane_f32(p, v, 0);
    if (n > 1) vst1q_lane_f32(p + 1, v, 1);
    if (n > 2) vst1q_lane_f32(p + 2, v, 2);
  }
};
GRADUS_INLINE V operator+(V a, V b) { return {vaddq_f32(a.v, b.v)}; }
GRADUS_INLINE V operator-(V a, V b) { return {vsubq_f32(a.v, b.v)}; }
GRADUS_INLINE V operator*(V a, V b) { return {vmulq_f32(a.v, b.v)}; }
GRADUS_INLINE V operator/(V a, V b) { return {vdivq_f32(a.v, b.v)}; }
GRADUS_INLINE M operator<(V a, V b) { return {vcltq_f32(a.v, b.v)}; }
GRADUS_INLINE M operator<=(V a, V b) { return {vcleq_f32(a.v, b.v)}; }
GRADUS_INLINE M operator>(V a, V b) { return {vcgtq_f32(a.v, b.v)}; }
GRADUS_INLINE M operator>=(V a, V b) { return {vcgeq_f32(a.v, b.v)}; }
GRADUS_INLINE M operator==(V a, V b) { return {vceqq_f32(a.v, b.v)}; }
GRADUS_INLINE M operator!=(V a, V b) { return !(a == b); }

GRADUS_INLINE I bitsOf(V x) { return {vreinterpretq_s32_f32(x.v)}; }
GRADUS_INLINE V fromBits(I x) { return {vreinterpretq_f32_s32(x.i)}; }
GRADUS_INLINE I toInt(V x) { return {vcvtnq_s32_f32(x.v)}; }  // NaN gives 0, out of range saturates
GRADUS_INLINE I truncToInt(V x) { return {vcvtq_s32_f32(x.v)}; }
GRADUS_INLINE V toFloat(I x) { return {vcvtq_f32_s32(x.i)}; }

GRADUS_INLINE V select(M m, V a, V b) { return {vbslq_f32(m.m, a.v, b.v)}; }
GRADUS_INLINE I select(M m, I a, I b) { return {vbslq_s32(m.m, a.i, b.i)}; }
GRADUS_INLINE V mulAdd(V a, V b, V c) { return {vfmaq_f32(c.v, a.v, b.v)}; }
GRADUS_INLINE V sqrt(V x) { return {vsqrtq_f32(x.v)}; }
GRADUS_INLINE V trunc(V x) { return {vrndq_f32(x.v)}; }
GRADUS_INLINE V roundEven(V x) { return {vrndnq_f32(x.v)}; }
GRADUS_INLINE V floor(V x) { return {vrndmq_f32(x.v)}; }
GRADUS_INLINE V ceil(V x) { return {vrndpq_f32(x.v)}; }

// fmax and fmin give NaN if either operand is NaN.
GRADUS_INLINE V max(V a, V b) { return {vmaxq_f32(a.v, b.v)}; }
GRADUS_INLINE V min(V a, V b) { return {vminq_f32(a.v, b.v)}; }
GRADUS_INLINE V clamp(V x, V low, V high) { return {vminq_f32(high.v, vmaxq_f32(low.v, x.v))}; }  // NaN stays

// x 2^n for an integer -252 <= n <= 254, in two halves so that only the last product can overflow or underflow.
GRADUS_INLINE V scale(V x, V n) {
  const I k = toInt(n), half = shiftRightArithmetic<1>(k), bias = I::all(127);
  return x * fromBits(shiftLeft<23>(half + bias)) * fromBits(shiftLeft<23>(k - half + bias));
}

GRADUS_INLINE M loadMask(const uint8_t* p, int n) {
  const uint16x8_t words = vmovl_u8(vcreate_u8(loadBytes<4>(p, n)));
  const uint32x4_t bytes = vmovl_u16(vget_low_u16(words));
  return {vtstq_u32(bytes, bytes)};
}
GRADUS_INLINE void storeMask(M m, uint8_t* p, int n) {
  const uint16x4_t words = vmovn_u32(m.m);
  const uint8x8_t bytes = vmovn_u16(vcombine_u16(words, words));
  storeBytes<4>(vget_lane_u64(vreinterpret_u64_u8(bytes), 0) & 0x01010101u, p, n);
}

GRADUS_INLINE float sumOf(V x) {  // (x0 + x2) + (x1 + x3)
  const float32x2_t s = vadd_f32(vget_low_f32(x.v), vget_high_f32(x.v));
  return vget_lane_f32(vpadd_f32(s, s), 0);
}
GRADUS_INLINE float maxOfNumbers(V x) { return vmaxvq_f32(x.v); }  // no lane is NaN

}  // namespace
