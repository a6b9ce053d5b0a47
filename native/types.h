// What kernels and runtime agree on: element types, views of buffers, and the task a kernel runs in.
// Included by kernel units, so it holds no code that could be emitted out of line.
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace gradus {

using i64 = int64_t;
using Size = i64;     // a count: a whole number, 0 <= n <= 2^53
using Real = double;  // any number
using Bool = uint8_t; // 0 or 1

constexpr int maxRank = 6;

// Dense views: `size` consecutive elements.
template <class T> struct In { const T* data; Size size; };
template <class T> struct Out { T* data; Size size; };
template <class T> struct InOut { T* data; Size size; };

// dims[0] is the outermost; strides count elements and may be zero or negative.
struct Layout { int rank; Size dims[maxRank]; i64 strides[maxRank]; };

// Strided views. `data` is the element at index (0, 0, …).
template <class T> struct StridedIn { const T* data; Layout at; };
template <class T> struct StridedOut { T* data; Layout at; };
template <class T> struct StridedInOut { T* data; Layout at; };

// Why a command failed. The texts are in lib/runtime/failure.ts, in this order.
enum class Fault : int {
  none, indexOutOfRange, outOfMemory, deadHandle, outOfBounds, contract, unknownKernel, aliased, noSuchDtype, redZone,
  malformed, notProbability,
};

// The surroundings of one running command. Plain function pointers, so that kernels need no runtime header.
struct Task {
  using Body = void (*)(void* context, i64 chunk, int worker);
  void (*dispatch)(Task&, i64 chunks, Body body, void* context); // runs body once per chunk, on any thread
  void* (*allocate)(Task&, i64 bytes);                           // 64-byte aligned, freed after the command; or null
  int workers;                                                   // threads that `dispatch` may use
  Fault fault;                                                   // set by a kernel that cannot go on
  double value, position, limit;                                 // what it met, where, and how many there are
  bool failed() const { return fault != Fault::none; }
};

} // namespace gradus
