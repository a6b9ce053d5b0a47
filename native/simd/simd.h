// Vectors of the instruction set that this translation unit is compiled for (-DGRADUS_ISA=baseline|avx2|avx512|neon).
//
//   V  float32 lanes      I  int32 lanes      M  one truth value per lane
//
// Only stdint.h, stddef.h and intrinsics may be included below, and everything has internal linkage: an inline
// function with external linkage, compiled here with wide instructions, could be the copy that the linker keeps
// for code that runs on an older CPU. Compile with -ffp-contract=off, else a * b + c is fused behind our back.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define GRADUS_QUOTE_EXPANDED(text) #text
#define GRADUS_QUOTE(text) GRADUS_QUOTE_EXPANDED(text)

// Always inlined: a call would spill every vector register and reload every constant.
#define GRADUS_INLINE inline __attribute__((always_inline))

namespace {

// Bytes of a bool tensor for masks: the first n of `lanes` bytes at p, byte i in bits 8i .. 8i + 7, the rest 0.
template <int lanes>
GRADUS_INLINE uint64_t loadBytes(const uint8_t* p, int n) {
  uint64_t word = 0;
  if (n == lanes) {
    __builtin_memcpy(&word, p, lanes);
  } else {
    for (int i = 0; i < n; i++) word |= static_cast<uint64_t>(p[i]) << (8 * i);
  }
  return word;
}

template <int lanes>
GRADUS_INLINE void storeBytes(uint64_t word, uint8_t* p, int n) {
  if (n == lanes) {
    __builtin_memcpy(p, &word, lanes);
  } else {
    for (int i = 0; i < n; i++) p[i] = static_cast<uint8_t>(word >> (8 * i));
  }
}

}  // namespace

#include GRADUS_QUOTE(GRADUS_ISA.h)

namespace {

GRADUS_INLINE V operator-(V x) { return fromBits(bitsOf(x) ^ I::all(INT32_MIN)); }
GRADUS_INLINE V abs(V x) { return fromBits(bitsOf(x) & I::all(INT32_MAX)); }
GRADUS_INLINE M isNaN(V x) { return x != x; }

// NaN in either operand gives NaN; which zero max(-0, 0) gives is left to the ISA.
GRADUS_INLINE float maxOf(V x) { return any(isNaN(x)) ? __builtin_nanf("") : maxOfNumbers(x); }
GRADUS_INLINE float minOf(V x) { return any(isNaN(x)) ? __builtin_nanf("") : -maxOfNumbers(-x); }

}  // namespace
