// Operands for kernel tests: memory between guard pages, values that depend on the logical index alone, and calls by
// signature, so that a row needs no code of its own.
#pragma once
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string>
#include <tuple>
#include <vector>

#include "kernels.h"

namespace gradus::test {

// ---- memory that ends, and begins, at a page that cannot be touched ----

class Arena {
 public:
  explicit Arena(size_t wanted) {
    const size_t page = size_t(sysconf(_SC_PAGESIZE));
    size = (wanted + page - 1) / page * page;
    void* all = mmap(nullptr, size + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (all == MAP_FAILED || mprotect(static_cast<char*>(all) + page, size, PROT_READ | PROT_WRITE) != 0) std::abort();
    first = static_cast<unsigned char*>(all) + page;
  }
  unsigned char* begin() const { return first; }
  unsigned char* end() const { return first + size; }
  i64 bytes() const { return i64(size); }

 private:
  unsigned char* first;
  size_t size;
};

enum class Place { end, begin, odd }; // touching the guard behind, the guard before, or one element after that
constexpr unsigned char untouched = 0xA5;

// ---- what a case says of an operand ----

enum class Values { numbers, indices, unit, zeros, sevens }; // unit: (0, 1], as probabilities and second moments are

struct Spec {
  std::vector<Size> dims{};   // dense operands: one
  std::vector<i64> strides{}; // as many; empty: row-major
  Values values = Values::numbers;
  Size limit = 0; // indices lie below
};
struct Case {
  std::string note{};
  std::vector<Spec> operands{};
  std::vector<double> numbers{};
};

inline Size countOf(const std::vector<Size>& dims) {
  Size n = 1;
  for (const Size d : dims) n *= d;
  return n;
}
inline std::vector<i64> rowMajor(const std::vector<Size>& dims) {
  std::vector<i64> strides(dims.size());
  i64 step = 1;
  for (size_t d = dims.size(); d-- > 0; step *= dims[d]) strides[d] = step;
  return strides;
}

// ---- what a signature says of its parameters ----

enum class Use { in, out, inOut, number };
struct Parameter { Use use; bool strided; int dtype; };

template <class P> struct Describe { static constexpr Parameter value{Use::number, false, -1}; };
template <class T> struct Describe<In<T>> { static constexpr Parameter value{Use::in, false, dtypeCode<T>}; };
template <class T> struct Describe<Out<T>> { static constexpr Parameter value{Use::out, false, dtypeCode<T>}; };
template <class T> struct Describe<InOut<T>> { static constexpr Parameter value{Use::inOut, false, dtypeCode<T>}; };
template <class T> struct Describe<StridedIn<T>> { static constexpr Parameter value{Use::in, true, dtypeCode<T>}; };
template <class T> struct Describe<StridedOut<T>> { static constexpr Parameter value{Use::out, true, dtypeCode<T>}; };
template <class T> struct Describe<StridedInOut<T>> { static constexpr Parameter value{Use::inOut, true, dtypeCode<T>}; };

struct Placed { unsigned char* origin; Layout at; Size size; }; // origin: element (0, 0, …)

struct Arguments {
  std::vector<Placed> operands;
  std::vector<double> numbers{};
};

// Reads arguments in the order of the parameters.
struct Reader {
  const Arguments& from;
  size_t operand = 0, number = 0;
  template <class T> T* dense(Size& n) {
    const Placed& p = from.operands[operand++];
    n = p.size;
    return reinterpret_cast<T*>(p.origin);
  }
  template <class T> T* strided(Layout& at) {
    const Placed& p = from.operands[operand++];
    at = p.at;
    return reinterpret_cast<T*>(p.origin);
  }
};
template <class P> struct Take { static P from(Reader& r) { return P(r.from.numbers[r.number++]); } };
template <class T> struct Take<In<T>> { static In<T> from(Reader& r) { Size n; auto* p = r.dense<T>(n); return {p, n}; } };
template <class T> struct Take<Out<T>> { static Out<T> from(Reader& r) { Size n; auto* p = r.dense<T>(n); return {p, n}; } };
template <class T> struct Take<InOut<T>> { static InOut<T> from(Reader& r) { Size n; auto* p = r.dense<T>(n); return {p, n}; } };
template <class T> struct Take<StridedIn<T>> { static StridedIn<T> from(Reader& r) { Layout l; auto* p = r.strided<T>(l); return {p, l}; } };
template <class T> struct Take<StridedOut<T>> { static StridedOut<T> from(Reader& r) { Layout l; auto* p = r.strided<T>(l); return {p, l}; } };
template <class T> struct Take<StridedInOut<T>> { static StridedInOut<T> from(Reader& r) { Layout l; auto* p = r.strided<T>(l); return {p, l}; } };

template <class Signature> struct Shape;
template <class... P> struct Shape<void(Task&, P...)> {
  static std::vector<Parameter> parameters() { return {Describe<P>::value...}; }
  static void call(AnyKernel kernel, Task& task, const Arguments& arguments) {
    Reader reader{arguments};
    const std::tuple<P...> values{Take<P>::from(reader)...}; // braces: from left to right
    std::apply([&](const P&... p) { reinterpret_cast<void (*)(Task&, P...)>(kernel)(task, p...); }, values);
  }
};

// ---- values ----

inline uint64_t mix(uint64_t x) { // splitmix64 (Steele, Lea, Flood 2014)
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

constexpr int elementSize[dtypeCount] = {4, 4, 1, 8};

// Element `index` of the seed's sequence. `special`: every ninth is an edge: zeros, infinities, NaN, extremes.
inline void putValue(unsigned char* to, int dtype, const Spec& spec, uint64_t seed, i64 index, bool special, bool absolute) {
  const uint64_t word = mix(seed ^ mix(uint64_t(index)));
  double unit = double(word >> 11) * 0x1p-53, value = (unit - 0.5) * 6;
  const bool edge = special && spec.values == Values::numbers && (word & 0xff) < 28;
  if (spec.values == Values::unit) value = 1 - unit;
  if (spec.values == Values::indices) value = double(i64(unit * double(spec.limit)));
  if (spec.values == Values::zeros) value = 0;
  if (spec.values == Values::sevens) value = 7;
  if (absolute && value < 0) value = -value;
  if (dtype == 0 || dtype == 3) {
    static const double edges[] = {0, -0.0, 1, -1, HUGE_VAL, -HUGE_VAL, std::nan(""), 1e30, -1e-30, 0.5, 88, -104};
    if (edge) value = edges[(word >> 8) % 12];
    if (dtype == 3) std::memcpy(to, &value, 8);
    const float single = float(value);
    if (dtype == 0) std::memcpy(to, &single, 4);
  } else if (dtype == 1) {
    static const int32_t edges[] = {0, 1, -1, INT32_MAX, INT32_MIN, 31, -7};
    const int32_t whole = edge ? edges[(word >> 8) % 7]
                          : spec.values == Values::numbers ? int32_t((unit - 0.5) * 200) : int32_t(value);
    std::memcpy(to, &whole, 4);
  } else {
    *to = (word >> 40) & 1;
  }
}

// Calls body(byte offset from the origin, logical index) for every element.
template <class F> void forElements(const std::vector<Size>& dims, const std::vector<i64>& strides, const F& body) {
  const Size n = countOf(dims);
  std::vector<Size> at(dims.size(), 0);
  i64 offset = 0;
  for (Size i = 0; i < n; i++) {
    body(offset, i);
    for (size_t d = dims.size(); d-- > 0;) {
      offset += strides[d];
      if (++at[d] < dims[d]) break;
      offset -= strides[d] * dims[d];
      at[d] = 0;
    }
  }
}

} // namespace gradus::test
