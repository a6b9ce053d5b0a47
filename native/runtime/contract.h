// The contracts of kernels.def as functions over sizes. Products saturate, so no size can overflow its way past a check.
#pragma once
#include "../kernels.h"

namespace gradus::contract {

struct Extent {
  i64 value;
  Extent(i64 v) : value(v) {}
};
inline Extent operator*(Extent a, Extent b) {
  i64 product;
  return __builtin_mul_overflow(a.value, b.value, &product) ? Extent(INT64_MAX) : Extent(product);
}
inline bool operator==(Extent a, Extent b) { return a.value == b.value; }
inline bool operator<=(Extent a, Extent b) { return a.value <= b.value; }

struct Dense { Extent size; };
struct Strided { Extent rank; Layout at; };

// What a parameter of a signature looks like to its contract.
template <class T> using In = Dense;
template <class T> using Out = Dense;
template <class T> using InOut = Dense;
template <class T> using StridedIn = Strided;
template <class T> using StridedOut = Strided;
template <class T> using StridedInOut = Strided;
using Size = Extent;

template <class T> Dense view(const gradus::In<T>& p) { return {p.size}; }
template <class T> Dense view(const gradus::Out<T>& p) { return {p.size}; }
template <class T> Dense view(const gradus::InOut<T>& p) { return {p.size}; }
template <class T> Strided view(const gradus::StridedIn<T>& p) { return {p.at.rank, p.at}; }
template <class T> Strided view(const gradus::StridedOut<T>& p) { return {p.at.rank, p.at}; }
template <class T> Strided view(const gradus::StridedInOut<T>& p) { return {p.at.rank, p.at}; }
inline Extent view(i64 size) { return size; }
inline Real view(Real number) { return number; }

inline Extent leading(const Strided& x, Extent dims) {
  Extent n = 1;
  for (int d = 0; d < dims.value && d < x.at.rank; d++) n = n * Extent(x.at.dims[d]);
  return n;
}
inline Extent count(const Strided& x) { return leading(x, x.at.rank); }
inline bool same(const Strided& a, const Strided& b) {
  if (a.at.rank != b.at.rank) return false;
  for (int d = 0; d < a.at.rank; d++)
    if (a.at.dims[d] != b.at.dims[d]) return false;
  return true;
}
inline bool multiplies(const Strided& a, const Strided& b, const Dense& c) {
  const int batch = a.at.rank - 2;
  if (batch < 0 || batch > maxRank - 2 || a.at.rank != b.at.rank || a.at.dims[batch + 1] != b.at.dims[batch]) return false;
  for (int d = 0; d < batch; d++)
    if (a.at.dims[d] != b.at.dims[d]) return false;
  return leading(a, batch + 1) * Extent(b.at.dims[batch + 1]) == c.size;
}

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#endif
#define COMMAND(name)
#define KERNEL(name, dtypes, group, aliasing, holds, ...) \
  template <class T> struct name { static bool check(__VA_ARGS__) { return holds; } };
#include "../rows.def"
#undef KERNEL
#undef COMMAND
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

} // namespace gradus::contract
