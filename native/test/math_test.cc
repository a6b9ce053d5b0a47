// Accuracy of native/simd/math.h against float64, and the behaviour of the vector types. One program per ISA:
//   g++ -std=c++17 -O2 -ffp-contract=off -Inative -DGRADUS_ISA=avx2 -mavx2 -mfma native/test/math_test.cc
// A function's name as argument limits the accuracy tests to it; GRADUS_EXHAUSTIVE=1 in the environment tries all 2^32
// arguments of the functions of one argument.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

#include "simd/math.h"

namespace {

constexpr int L = V::lanes;
int passed = 0, failed = 0;

void report(bool ok, const char* name, const char* what) {
  if (!ok) printf("FAILED %s: %s\n", name, what);
  ok ? passed++ : failed++;
}

float floatOf(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}
uint32_t bitsOf(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}
bool sameBits(const float* a, const float* b, int n) { return memcmp(a, b, n * sizeof(float)) == 0; }

bool cpuHasIsa() {
#if defined(__x86_64__)
  __builtin_cpu_init();
#ifdef __AVX512F__
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw")) return false;
  if (!__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl")) return false;
#endif
#ifdef __AVX2__
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return false;
#endif
#endif
  return true;
}

// As in the threads that run kernels: denormals are zero, going in and coming out.
void flushDenormals() {
#if defined(__x86_64__)
  _mm_setcsr(_mm_getcsr() | 0x8040);
#elif defined(__aarch64__)
  uint64_t fpcr;
  asm volatile("mrs %0, fpcr" : "=r"(fpcr));
  asm volatile("msr fpcr, %0" ::"r"(fpcr | uint64_t{1} << 24));
#endif
}

bool isDenormal(float x) {
  const uint32_t size = bitsOf(x) & 0x7fffffff;
  return size > 0 && size < 0x00800000;
}
// Denormal arguments count as zero; through the bits, since comparisons already see zero.
float flushed(float x) { return isDenormal(x) ? floatOf(bitsOf(x) & 0x80000000) : x; }

constexpr double minNormal = 0x1p-126;

// Distance of y from the exact value in units of the last place of a float of that size.
double ulpError(float y, double exact, double bound) {
  if (exact != exact || y != y) return exact != exact && y != y ? 0 : INFINITY;
  const double size = std::fabs(exact);
  if (size >= 0x1.ffffffp127) return std::isinf(y) && (y > 0) == (exact > 0) ? 0 : size > 0x1.00001p128 ? INFINITY : 1;
  if (size < minNormal * (1 + bound * FLT_EPSILON) && std::fabs(static_cast<double>(y)) < minNormal) return 0;
  const double got = std::isinf(y) ? std::copysign(0x1p128, y) : y;
  return std::fabs(got - exact) / std::ldexp(1, std::max(std::ilogb(size), -126) - 23);
}

// ---- functions of one argument -------------------------------------------------------------------------------------

struct Unary {
  const char* name;
  V (*f)(V);
  double (*exact)(double);
  double bound;
  bool odd;      // f(-0) = -0
  double limit;  // the largest size of a result, or inf
};

double sigmoidExact(double x) { return 1 / (1 + std::exp(-x)); }
double softplusExact(double x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }
double signExact(double x) { return x > 0 ? 1 : x < 0 ? -1 : 0; }
double squareRoot(double x) { return std::sqrt(x); }
// In ties to even, as the current rounding mode.
double nearest(double x) { return std::nearbyint(x); }

const Unary unaries[] = {
    {"exp", [](V x) { return exp(x); }, std::exp, 1.5, false, INFINITY},
    {"expm1", [](V x) { return expm1(x); }, std::expm1, 2, true, INFINITY},
    {"log", [](V x) { return log(x); }, std::log, 1, false, INFINITY},
    {"log1p", [](V x) { return log1p(x); }, std::log1p, 2, true, INFINITY},
    {"sin", [](V x) { return sin(x); }, std::sin, 2, true, 1},
    {"cos", [](V x) { return cos(x); }, std::cos, 2, false, 1},
    {"tanh", [](V x) { return tanh(x); }, std::tanh, 2, true, 1},
    {"sigmoid", [](V x) { return sigmoid(x); }, sigmoidExact, 3, false, 1},
    {"normalCdf", [](V x) { return normalCdf(x); }, [](double x) { return std::erfc(x * -M_SQRT1_2) / 2; }, 6, false, 1},
    {"erf", [](V x) { return erf(x); }, std::erf, 2, true, 1},
    {"softplus", [](V x) { return softplus(x); }, softplusExact, 2, false, INFINITY},
    {"sign", [](V x) { return sign(x); }, signExact, 0, false, 1},
    {"sqrt", [](V x) { return sqrt(x); }, squareRoot, 0.501, true, INFINITY},
    {"abs", [](V x) { return abs(x); }, std::fabs, 0, false, INFINITY},
    {"floor", [](V x) { return floor(x); }, std::floor, 0, true, INFINITY},
    {"ceil", [](V x) { return ceil(x); }, std::ceil, 0, true, INFINITY},
    {"trunc", [](V x) { return trunc(x); }, std::trunc, 0, true, INFINITY},
    {"roundEven", [](V x) { return roundEven(x); }, nearest, 0, true, INFINITY},
};

struct Worst {
  double error = 0;
  float x = 0, y = 0;
};

// f on L consecutive samples, twice, shifted by one lane: an element must not depend on its place.
bool tryVector(const Unary& u, const float* x, Worst& worst) {
  float y[L], shifted[L];
  u.f(V::load(x)).store(y);
  u.f(V::load(x + 1)).store(shifted);
  for (int i = 0; i < L; i++) {
    const double error = ulpError(y[i], u.exact(flushed(x[i])), u.bound);
    if (!(error <= worst.error)) worst = {error, x[i], y[i]};
    if (!(std::fabs(y[i]) <= u.limit) && y[i] == y[i]) worst = {INFINITY, x[i], y[i]};
  }
  return sameBits(y + 1, shifted, L - 1);
}

void testUnary(const Unary& u, uint64_t stride) {
  // Where the formulas change, and what they are easily wrong at: both sides, in both signs.
  const float edges[] = {
      0, FLT_MIN, 1e-40f, FLT_MAX, INFINITY, NAN, 1, 0.5f, 2, 1.5f, 2.5f, 0.999999940f, 0x1p-26f, 0x1p-13f,
      0.34657359f, 0.41421356f, 0.625f, 0.70710678f, 0.875f, 1.41421356f, 3.92f, 4, 9.02f, 10, 17.33f, 20,
      87.3365479f, 88.37626f, 88.7228394f, 104, 1.57079637f, 3.14159274f, 6.28318548f, 6400, 10000,
      16367173.f * 0x1p72f,  // the float nearest to a multiple of pi / 2
      8388607.5f, 8388608, 16777216, 2147483648.f, 4294967296.f};
  Worst worst;
  bool sameInAllLanes = true;
  float x[L + 1];
  for (float edge : edges) {
    for (int side = 0; side < 2; side++) {
      for (int i = 0; i <= L; i++) x[i] = floatOf(bitsOf(side ? -edge : edge) + i - L / 2);
      sameInAllLanes &= tryVector(u, x, worst);
    }
  }
  for (uint64_t bits = 0; bits < uint64_t{1} << 32; bits += L * stride) {
    for (int i = 0; i <= L; i++) x[i] = floatOf(static_cast<uint32_t>(bits + i * stride));
    sameInAllLanes &= tryVector(u, x, worst);
  }
  V::all(-0.0f).store(x);
  u.f(V::load(x)).store(x);
  const bool zeroRight = !u.odd || bitsOf(x[0]) == 0x80000000;
  const bool ok = worst.error <= u.bound;
  printf("%-10s %8.4f ULP at %-16.9g -> %-16.9g bound %g%s\n", u.name, worst.error, worst.x, worst.y, u.bound,
         ok ? "" : "  FAILED");
  ok ? passed++ : failed++;
  report(sameInAllLanes, u.name, "depends on the lane");
  report(zeroRight, u.name, "lost the sign of -0");
}

// ---- pow -----------------------------------------------------------------------------------------------------------

double powExact(float x, float y) { return std::pow(static_cast<double>(flushed(x)), static_cast<double>(flushed(y))); }

struct WorstPow {
  double error = 0;
  float x = 0, y = 0, z = 0;
};

void tryPow(const float* x, const float* y, double bound, WorstPow& worst) {
  float z[L];
  pow(V::load(x), V::load(y)).store(z);
  for (int i = 0; i < L; i++) {
    const double exact = powExact(x[i], y[i]);
    double error = ulpError(z[i], exact, bound);
    if (z[i] == 0 && exact == 0 && std::signbit(z[i]) != std::signbit(exact)) error = INFINITY;
    if (!(error <= worst.error)) worst = {error, x[i], y[i], z[i]};
  }
}

uint32_t randomBits(uint64_t& state) {  // Knuth's MMIX linear congruential generator, upper half
  state = state * 6364136223846793005u + 1442695040888963407u;
  return static_cast<uint32_t>(state >> 32);
}

void testPow(int vectors) {
  const double bound = 2.5;
  const float edges[] = {0, 1, 2, 3, 0.5f, 1.5f, 2.5f, 10, 127, 128, 1e9f, 1e10f, 1e-10f, 1e30f, FLT_MAX, FLT_MIN,
                         1e-40f, INFINITY, NAN, 16777216, 16777215, 8388607.5f, 0.999999940f, 1.00000012f};
  constexpr int n = sizeof edges / sizeof *edges;
  WorstPow worst;
  float x[L], y[L];
  for (int i = 0; i < 4 * n * n; i += L) {
    for (int l = 0; l < L; l++) {
      const int k = (i + l) % (4 * n * n);
      x[l] = (k & 1 ? -1 : 1) * edges[k / 4 % n];
      y[l] = (k & 2 ? -1 : 1) * edges[k / 4 / n];
    }
    tryPow(x, y, bound, worst);
  }
  uint64_t state = 1;
  for (int i = 0; i < vectors; i++) {
    for (int l = 0; l < L; l++) {
      x[l] = floatOf(randomBits(state) & 0x7fffffff);
      const double unit = randomBits(state) * 0x1p-31 - 1;
      switch (i % 4) {
        case 0: x[l] = 0.5f + static_cast<float>(randomBits(state) * 0x1p-32) * 1.5f; [[fallthrough]];
        case 1: y[l] = static_cast<float>(unit * 130 / std::log2(static_cast<double>(x[l]))); break;  // any result
        case 2: y[l] = floatOf(randomBits(state)); break;
        default: x[l] = -x[l], y[l] = static_cast<float>(static_cast<int>(unit * 40));
      }
    }
    tryPow(x, y, bound, worst);
  }
  const bool ok = worst.error <= bound;
  printf("%-10s %8.4f ULP at (%.9g, %.9g) -> %.9g bound %g%s\n", "pow", worst.error, worst.x, worst.y, worst.z, bound,
         ok ? "" : "  FAILED");
  ok ? passed++ : failed++;
}

// ---- vector types --------------------------------------------------------------------------------------------------

// Two pages, of which only the first may be touched: reads and writes past the end of `end` crash.
struct Guarded {
  char* end;
  Guarded() {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    char* p = static_cast<char*>(mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(p + page, page, PROT_NONE);
    end = p + page;
  }
};

void testMemory() {
  const Guarded guarded;
  bool loads = true, stores = true, strided = true, masks = true;
  for (int n = 0; n <= L; n++) {
    float x[L], y[L];
    float* const p = reinterpret_cast<float*>(guarded.end) - n;
    for (int i = 0; i < n; i++) p[i] = static_cast<float>(i + 1);
    if (n < L) {
      V::loadPart(p, n).store(x);
      for (int i = 0; i < L; i++) loads &= x[i] == (i < n ? i + 1 : 0);
      V::all(7).store(y);
      for (int i = 0; i < n; i++) p[i] = 0;
      p[-1] = 5;
      V::load(x).storePart(p, n);
      for (int i = 0; i < n; i++) stores &= p[i] == i + 1;
      stores &= p[-1] == 5;
      V::load(x).storePart(y, n);
      for (int i = 0; i < L; i++) stores &= y[i] == (i < n ? i + 1 : 7);
    }
    for (int stride : {-3, -1, 0, 1, 2, 5}) {
      float* const last = reinterpret_cast<float*>(guarded.end) - 1;
      float* const first = n && stride > 0 ? last - stride * (n - 1) : last;
      for (int i = 0; i < n; i++) first[i * stride] = static_cast<float>(i + 1);
      V::loadStrided(n ? first : last + 1, stride, n).store(x);
      for (int i = 0; i < L; i++) strided &= x[i] == (i >= n ? 0 : stride ? i + 1 : n);
    }
    uint8_t* const bytes = reinterpret_cast<uint8_t*>(guarded.end) - n;
    bytes[-1] = 9;
    for (int i = 0; i < n; i++) bytes[i] = i % 3 == 0 ? static_cast<uint8_t>(1 << i % 8) : 0;
    const M m = loadMask(bytes, n);
    select(m, 1, 0).store(x);
    for (int i = 0; i < L; i++) masks &= x[i] == (i < n && i % 3 == 0);
    storeMask(!m, bytes, n);
    for (int i = 0; i < n; i++) masks &= bytes[i] == (i % 3 != 0);
    masks &= bytes[-1] == 9;
  }
  report(loads, "loadPart", "wrong");
  report(stores, "storePart", "wrong");
  report(strided, "loadStrided", "wrong");
  report(masks, "loadMask, storeMask", "wrong");
}

const float values[] = {0, -0.0f, 1, -1, 1.5f, -2.5f, 3e38f, -3e38f, INFINITY, -INFINITY, NAN, 1e-30f, 7, 2147483000.f};
constexpr int valueCount = sizeof values / sizeof *values;

bool same(float a, float b) { return a == b || (a != a && b != b); }

// One comparison or arithmetic operation on every pair of values, in every lane.
template <class Vector, class Scalar>
void testPairs(const char* name, Vector vector, Scalar scalar) {
  bool ok = true;
  for (float a : values) {
    for (int j = 0; j < valueCount; j++) {
      float x[L], y[L];
      for (int l = 0; l < L; l++) x[l] = values[(j + l) % valueCount];
      vector(V::all(a), V::load(x)).store(y);
      for (int l = 0; l < L; l++) ok &= same(y[l], scalar(a, x[l]));
    }
  }
  report(ok, name, "wrong");
}

V asNumber(M m) { return select(m, 1, 0); }

void testOperators() {
  testPairs("+", [](V a, V b) { return a + b; }, [](float a, float b) { return a + b; });
  testPairs("-", [](V a, V b) { return a - b; }, [](float a, float b) { return a - b; });
  testPairs("*", [](V a, V b) { return a * b; }, [](float a, float b) { return a * b; });
  testPairs("/", [](V a, V b) { return a / b; }, [](float a, float b) { return a / b; });
  testPairs("negate", [](V, V b) { return -b; }, [](float, float b) { return -b; });
  testPairs("mulAdd", [](V a, V b) { return mulAdd(a, b, 1); },
            [](float a, float b) { return V::fused ? std::fmaf(a, b, 1) : a * b + 1; });
  testPairs("<", [](V a, V b) { return asNumber(a < b); }, [](float a, float b) { return a < b; });
  testPairs("<=", [](V a, V b) { return asNumber(a <= b); }, [](float a, float b) { return a <= b; });
  testPairs(">", [](V a, V b) { return asNumber(a > b); }, [](float a, float b) { return a > b; });
  testPairs(">=", [](V a, V b) { return asNumber(a >= b); }, [](float a, float b) { return a >= b; });
  testPairs("==", [](V a, V b) { return asNumber(a == b); }, [](float a, float b) { return a == b; });
  testPairs("!=", [](V a, V b) { return asNumber(a != b); }, [](float a, float b) { return a != b; });
  testPairs("isNaN", [](V, V b) { return asNumber(isNaN(b)); }, [](float, float b) { return b != b; });
  const auto join = [](float a, float b, bool first) { return a != a || b != b ? NAN : first ? a : b; };
  testPairs("max", [](V a, V b) { return max(a, b); }, [=](float a, float b) { return join(a, b, a > b); });
  testPairs("min", [](V a, V b) { return min(a, b); }, [=](float a, float b) { return join(a, b, a < b); });
  testPairs("clamp", [](V a, V b) { return clamp(b, -1, 1) + a * 0; },
            [](float a, float b) { return (b != b ? b : b < -1 ? -1 : b > 1 ? 1 : b) + a * 0; });
  testPairs("mask &", [](V a, V b) { return asNumber((a > 0) & (b > 0)); },
            [](float a, float b) { return (a > 0) & (b > 0); });
  testPairs("mask |", [](V a, V b) { return asNumber((a > 0) | (b > 0)); },
            [](float a, float b) { return (a > 0) | (b > 0); });
  testPairs("mask ^", [](V a, V b) { return asNumber((a > 0) ^ (b > 0)); },
            [](float a, float b) { return (a > 0) ^ (b > 0); });
  testPairs("mask !", [](V a, V) { return asNumber(!(a > 0)); }, [](float a, float) { return !(a > 0); });
}

// Integer operations on the bits of the values.
template <class Vector, class Scalar>
void testBits(const char* name, Vector vector, Scalar scalar) {
  bool ok = true;
  for (float a : values) {
    for (float b : values) {
      float y[L];
      fromBits(vector(I::all(static_cast<int32_t>(bitsOf(a))), I::all(static_cast<int32_t>(bitsOf(b))))).store(y);
      for (int l = 0; l < L; l++) ok &= bitsOf(y[l]) == static_cast<uint32_t>(scalar(bitsOf(a), bitsOf(b)));
    }
  }
  report(ok, name, "wrong");
}

void testIntegers() {
  using U = uint32_t;
  testBits("int +", [](I a, I b) { return a + b; }, [](U a, U b) { return a + b; });
  testBits("int -", [](I a, I b) { return a - b; }, [](U a, U b) { return a - b; });
  testBits("int &", [](I a, I b) { return a & b; }, [](U a, U b) { return a & b; });
  testBits("int |", [](I a, I b) { return a | b; }, [](U a, U b) { return a | b; });
  testBits("int ^", [](I a, I b) { return a ^ b; }, [](U a, U b) { return a ^ b; });
  testBits("shiftLeft", [](I a, I) { return shiftLeft<5>(a); }, [](U a, U) { return a << 5; });
  testBits("shiftRight", [](I a, I) { return shiftRight<5>(a); }, [](U a, U) { return a >> 5; });
  testBits("shiftRightArithmetic", [](I a, I) { return shiftRightArithmetic<5>(a); },
           [](U a, U) { return static_cast<int32_t>(a) >> 5; });
  testBits("int ==", [](I a, I b) { return select(a == b, I::all(1), I::all(0)); }, [](U a, U b) { return a == b; });
  testBits("int >", [](I a, I b) { return select(a > b, I::all(1), I::all(0)); },
           [](U a, U b) { return static_cast<int32_t>(a) > static_cast<int32_t>(b); });
  bool ok = true;
  for (float x : {0.f, 0.5f, 1.5f, -0.5f, -2.5f, 2.7f, -2.7f, 1e9f, -1e9f, 123456.5f}) {
    float y[L];
    toFloat(toInt(V::all(x))).store(y);
    ok &= y[0] == std::nearbyintf(x);
    toFloat(truncToInt(V::all(x))).store(y);
    ok &= y[L - 1] == std::truncf(x);
  }
  report(ok, "toInt, truncToInt, toFloat", "wrong");
}

void testHorizontal() {
  bool sums = true, extremes = true, masks = true;
  for (int lane = 0; lane < L; lane++) {
    float x[L];
    for (int i = 0; i < L; i++) x[i] = static_cast<float>(i + 1);
    x[lane] = 100;
    const V v = V::load(x);
    sums &= sumOf(v) == static_cast<float>(L * (L + 1) / 2 - (lane + 1) + 100);
    extremes &= maxOf(v) == 100 && minOf(-v) == -100 && minOf(v) == (lane ? 1 : 2);
    masks &= any(v == 100) && !all(v == 100) && all(v > 0) && !any(v < 0) && !all(v != 100);
    x[lane] = NAN;
    extremes &= std::isnan(maxOf(V::load(x))) && std::isnan(minOf(V::load(x))) && std::isnan(sumOf(V::load(x)));
  }
  report(sums, "sumOf", "wrong");
  report(extremes, "maxOf, minOf", "wrong");
  report(masks, "any, all", "wrong");
}

}  // namespace

int main(int count, char** arguments) {
  printf("math_test %s, %d lanes%s\n", GRADUS_QUOTE(GRADUS_ISA), L, V::fused ? ", fused" : "");
  if (!cpuHasIsa()) {
    printf("skipped\n");
    return 0;
  }
  flushDenormals();
  const char* exhaustive = getenv("GRADUS_EXHAUSTIVE");
  const bool everything = exhaustive && *exhaustive == '1';
  testMemory();
  testOperators();
  testIntegers();
  testHorizontal();
#ifdef __aarch64__
  const uint64_t stride = 9973;  // a prime, so that all low bits occur; this one often runs in an emulator
#else
  const uint64_t stride = 397;
#endif
  const auto wanted = [=](const char* name) { return count < 2 || strcmp(arguments[1], name) == 0; };
  for (const Unary& u : unaries) {
    if (wanted(u.name)) testUnary(u, everything ? 1 : stride);
  }
  if (wanted("pow")) testPow(everything ? 100000000 / L : 2000000 / L);
  printf("%d checks, %d failed\n", passed + failed, failed);
  return failed != 0;
}
