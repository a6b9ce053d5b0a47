// Random numbers by counter.                                                                   twin: lib/ops/random.ts
//
// Philox4x32-10: Salmon et al. (2011), "Parallel random numbers: as easy as 1, 2, 3". Element i is word i mod 4 of
// block offset + i/4, so it depends on seed, offset and i alone; a word that will not do is drawn again from the block of
// the same number and the next `attempt`. The normal draw is written with + − × ÷ √ in float64
// only, in the same order as its twin, and never fused: both devices give equal bits.
#include "kernel.h"

namespace {

struct Block { uint32_t word[4]; };

Block philox(Size seed, Size block, uint32_t attempt = 0) {
  uint32_t c0 = uint32_t(block), c1 = uint32_t(uint64_t(block) >> 32), c2 = attempt, c3 = 0;
  uint32_t k0 = uint32_t(seed), k1 = uint32_t(uint64_t(seed) >> 32);
  for (int round = 0; round < 10; round++) {
    const uint64_t p = uint64_t(0xD2511F53u) * c0, q = uint64_t(0xCD9E8D57u) * c2;
    c0 = uint32_t(q >> 32) ^ c1 ^ k0;
    c1 = uint32_t(q);
    c2 = uint32_t(p >> 32) ^ c3 ^ k1;
    c3 = uint32_t(p);
    k0 += 0x9E3779B9u; // the golden ratio and √3 − 1, as Weyl sequences
    k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

inline double unit(uint32_t word) { return double(word >> 8) * 0x1p-24; }

// ln((w + ½)·2⁻³²) = e·ln 2 + ln m with √½ ≤ m < √2, and ln m = 2 atanh((m − 1)/(m + 1)) by its series.
double logOfUnit(uint32_t w) {
  const double odd = double(w) * 2 + 1;
  int e = 32 - (w ? __builtin_clz(w) : 32);
  double m = odd / double(uint64_t(1) << e);
  if (m > 1.4142135623730951) { m = m / 2; e = e + 1; }
  const double s = (m - 1) / (m + 1), z = s * s;
  double p = 1.0 / 21;
  for (int k = 19; k >= 1; k -= 2) p = p * z + 1.0 / k;
  return double(e - 33) * 0.6931471805599453 + 2 * s * p;
}

// sin and cos of 2π·w·2⁻³²: the quarter turn, and the Taylor series within ±π/4 of it.
void sineOfTurn(uint32_t w, double& sine, double& cosine) {
  uint32_t quarter = w >> 30;
  double r = double(w & 0x3fffffffu) * 0x1p-30;
  if (r > 0.5) { r = r - 1; quarter = (quarter + 1) & 3; }
  const double x = r * 1.5707963267948966, z = x * x;
  double s = 1, c = 1;
  for (int k = 16; k >= 2; k -= 2) {
    s = 1 - z * s / double(k * (k + 1));
    c = 1 - z * c / double(k * (k - 1));
  }
  s = x * s;
  const double turned[4][2] = {{s, c}, {c, -s}, {-s, -c}, {-c, s}};
  sine = turned[quarter][0];
  cosine = turned[quarter][1];
}

// Box & Muller (1958): two independent normal values from two uniform ones.
void normalPair(uint32_t a, uint32_t b, double (&z)[2]) {
  const double radius = __builtin_sqrt(-2 * logOfUnit(a));
  double sine, cosine;
  sineOfTurn(b, sine, cosine);
  z[0] = radius * cosine;
  z[1] = radius * sine;
}

// Calls body(i, word) for each element, block by block.
template <class F> void forWords(Task& task, i64 n, Size seed, Size offset, const F& body) {
  forRange(task, ceilDiv(n, 4), 2048, [&](i64 begin, i64 end) {
    for (i64 b = begin; b < end; b++) {
      const Block block = philox(seed, offset + b);
      for (int j = 0; j < 4 && b * 4 + j < n; j++) body(b * 4 + j, block.word[j]);
    }
  });
}

// The largest float below `high`; just below 0, the smallest that is not flushed to 0.
float below(double high) {
  const float rounded = float(high);
  if (double(rounded) < high) return rounded;
  if (rounded > -0x1p-126f && rounded <= 0x1p-126f) return rounded > 0 ? 0 : -0x1p-126f;
  int32_t bits;
  __builtin_memcpy(&bits, &rounded, 4);
  bits += rounded > 0 ? -1 : 1;
  float result;
  __builtin_memcpy(&result, &bits, 4);
  return result;
}

// low + ⌊word · span / 2³²⌋ with span = high − low. Lemire (2019): 2³² mod span of the products would come once too often.
template <class T> void randintAll(Task& task, Out<T> y, Real low, Real high, Size seed, Size offset) {
  const uint64_t span = uint64_t(high - low), tooMany = (uint64_t(1) << 32) % span;
  const T last = T(below(high));
  forWords(task, y.size, seed, offset, [&](i64 i, uint32_t word) {
    uint64_t product = word * span;
    for (uint32_t attempt = 1; uint32_t(product) < tooMany; attempt++)
      product = philox(seed, offset + i / 4, attempt).word[i % 4] * span;
    const T value = T(low + double(product >> 32));
    y.data[i] = double(value) < high ? value : last; // rounded up to float32
  });
}

} // namespace

namespace gradus::GRADUS_ISA {

void uniform(Task& task, Out<float> y, Real low, Real high, Size seed, Size offset) {
  const double span = high - low;
  const float last = below(high);
  forWords(task, y.size, seed, offset, [&](i64 i, uint32_t word) {
    const double u = unit(word);
    const float value = float(span - span == 0 ? low + span * u : low * (1 - u) + high * u);
    y.data[i] = double(value) < high || low == high ? value : last;
  });
}

void normal(Task& task, Out<float> y, Real mean, Real deviation, Size seed, Size offset) {
  forRange(task, ceilDiv(y.size, 4), 512, [&](i64 begin, i64 end) {
    for (i64 b = begin; b < end; b++) {
      const Block block = philox(seed, offset + b);
      for (int j = 0; j < 4 && b * 4 + j < y.size; j += 2) {
        double z[2];
        normalPair(block.word[j], block.word[j + 1], z);
        y.data[b * 4 + j] = float(mean + deviation * z[0]);
        if (b * 4 + j + 1 < y.size) y.data[b * 4 + j + 1] = float(mean + deviation * z[1]);
      }
    }
  });
}

void randint(Task& task, Out<float> y, Real low, Real high, Size seed, Size offset) {
  randintAll(task, y, low, high, seed, offset);
}
void randint(Task& task, Out<int32_t> y, Real low, Real high, Size seed, Size offset) {
  randintAll(task, y, low, high, seed, offset);
}

// y = x / (1 − p) where the element's uniform value is at least p, else 0.
void dropout(Task& task, In<float> x, Out<float> y, Real p, Size seed, Size offset) {
  const float scale = float(1 / (1 - p));
  forWords(task, y.size, seed, offset,
           [&](i64 i, uint32_t word) { y.data[i] = double(word) * 0x1p-32 >= p ? x.data[i] * scale : 0; });
}

} // namespace gradus::GRADUS_ISA
