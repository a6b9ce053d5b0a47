// The arithmetic peak of the machine, for `gradus bench`.                                       twin: lib/ops/probe.ts
//
// Chains of mulAdd that depend on nothing but themselves. Latency × units is 8 to 10 on x86 and 16 on the widest ARM
// cores; more chains than that keep every unit busy, as long as all of them fit in registers.
#include "kernel.h"

namespace {

// 32 vector registers on AVX-512 and NEON, 16 elsewhere.
constexpr int chains = V::lanes == 16 || (V::lanes == 4 && V::fused) ? 24 : 12;
// Elements that one thread takes: 1, 4 or 8 times the chains, so equally many on every instruction set.
constexpr i64 block = 384;

// x = x/2 + 1, `rounds` times. Halving is exact, so a fused step and one in two parts give equal bits. The chains start
// apart, or the compiler would see that they are one; they end in memory, or it would drop them.
void runChains(float* values, Size rounds) {
  V x[chains];
  const V half = V::all(0.5f), one = V::all(1);
#pragma GCC unroll 24
  for (int c = 0; c < chains; c++) x[c] = V::load(values + c * V::lanes);
  for (Size r = 0; r < rounds; r++) {
#pragma GCC unroll 24
    for (int c = 0; c < chains; c++) x[c] = mulAdd(x[c], half, one);
  }
#pragma GCC unroll 24
  for (int c = 0; c < chains; c++) x[c].store(values + c * V::lanes);
}

} // namespace

namespace gradus::GRADUS_ISA {

// One block is one chunk, however short: the work is in the rounds.
void probe(Task& task, Out<float> y, Size rounds) {
  static_assert(block % (chains * V::lanes) == 0, "a block is whole chains");
  forChunks(task, ceilDiv(y.size, block), [&](i64 chunk, int) {
    const i64 first = chunk * block;
    float values[block];
    for (i64 i = 0; i < block; i++) values[i] = float((first + i) % 1024);
    for (i64 i = 0; i < block; i += chains * V::lanes) runChains(values + i, rounds);
    __builtin_memcpy(y.data + first, values, size_t(minOf2(block, y.size - first)) * sizeof(float));
  });
}

} // namespace gradus::GRADUS_ISA
