// Reading one record. Every word is checked: nothing that JavaScript writes can lead outside a buffer.
//
// A record is a run of float64 words, exact for whole numbers up to 2^53:
//   length · command or kernel · dtype · tag · slot mask · operands and numbers in the order of kernels.def
//   dense operand     handle · offset · size                        (in elements)
//   strided operand   handle · offset · rank · dims… · strides…
//   number            its value, or, where bit i of the slot mask is set for the i-th number, the index of a slot
#pragma once
#include "../types.h"
#include "table.h"

namespace gradus {

constexpr int headerWords = 5;
constexpr int maxOperands = 8;

// One operand as it was read: what it touches, and how.
struct Operand {
  enum Use { reads, writes, updates };
  Buffer* buffer;
  const unsigned char *begin, *end; // the bytes it may touch; equal when it touches none
  Use use;
  bool contiguous;
};

class Record {
 public:
  Record(const double* words, i64 length, Table& table, const double* slots, i64 slotCount)
      : at(words + headerWords), end(words + length), words(words), table(table), slots(slots), slotCount(slotCount) {}

  int id() const { return small(words[1]); }
  int dtype() const { return small(words[2]); }
  double tag() const { return words[3]; }

  Fault fault = Fault::none;
  Operand operands[maxOperands];
  int operandCount = 0;

  double word() {
    if (at < end) return *at++;
    fail(Fault::malformed);
    return -1; // no handle: what is missing must not name a buffer
  }
  i64 remaining() const { return end - at; }
  bool finished() const { return at == end; }
  void fail(Fault f) { if (fault == Fault::none) fault = f; }

  i64 whole(double value, bool negativeAllowed = false) {
    constexpr double limit = 9007199254740992.0; // 2^53
    if (!(value <= limit && value >= (negativeAllowed ? -limit : 0)) || double(i64(value)) != value) {
      fail(Fault::malformed);
      return 0;
    }
    return i64(value);
  }

  Real number() {
    const double value = word();
    const bool slot = numbers < 53 && (whole(words[4]) >> numbers & 1);
    numbers++;
    if (!slot) return value;
    const i64 index = whole(value);
    if (index < slotCount) return slots[index];
    fail(Fault::malformed);
    return 0;
  }

  template <class T> T* dense(Operand::Use use, Size& size) {
    Buffer* buffer = table.find(word());
    const i64 offset = whole(word());
    size = whole(word());
    return span<T>(buffer, use, offset, offset, offset + size, true);
  }

  template <class T> T* strided(Operand::Use use, Layout& layout) {
    Buffer* buffer = table.find(word());
    const i64 offset = whole(word());
    const i64 rank = whole(word());
    layout.rank = 0;
    if (rank > maxRank) { fail(Fault::malformed); at = end; return nullptr; }
    layout.rank = int(rank);
    for (int d = 0; d < rank; d++) layout.dims[d] = whole(word());
    for (int d = 0; d < rank; d++) layout.strides[d] = whole(word(), true);
    return reach<T>(buffer, use, offset, layout);
  }

 private:
  static int small(double word) { return word >= 0 && word < 65536 && word == int(word) ? int(word) : -1; }

  // The lowest and the highest element that a layout touches.
  template <class T> T* reach(Buffer* buffer, Operand::Use use, i64 offset, const Layout& layout) {
    i64 low = offset, high = offset, expected = 1;
    bool empty = false, contiguous = true;
    for (int d = layout.rank - 1; d >= 0; d--) {
      i64 span;
      if (layout.dims[d] == 0) { empty = true; continue; }
      if (layout.dims[d] != 1 && layout.strides[d] != expected) contiguous = false;
      if (__builtin_mul_overflow(layout.dims[d] - 1, layout.strides[d], &span) ||
          __builtin_add_overflow(span < 0 ? low : high, span, span < 0 ? &low : &high) ||
          __builtin_mul_overflow(expected, layout.dims[d], &expected) || high == INT64_MAX) {
        fail(Fault::outOfBounds);
        return nullptr;
      }
    }
    return empty ? span<T>(buffer, use, offset, offset, offset, true)
                 : span<T>(buffer, use, offset, low, high + 1, contiguous);
  }

  template <class T> T* span(Buffer* buffer, Operand::Use use, i64 offset, i64 low, i64 high, bool contiguous) {
    if (!buffer) { fail(Fault::deadHandle); return nullptr; }
    const i64 size = i64(sizeof(T)), capacity = buffer->bytes / size;
    const bool inside = low >= 0 && low <= high && high <= capacity;
    if (operandCount < maxOperands)
      operands[operandCount++] = {buffer, buffer->data + (inside ? low * size : 0),
                                  buffer->data + (inside ? high * size : 0), use, contiguous};
    if (!inside && !buffer->poison) fail(Fault::outOfBounds);
    return reinterpret_cast<T*>(buffer->data) + (inside ? offset : 0);
  }

  const double *at, *end, *words;
  Table& table;
  const double* slots;
  i64 slotCount;
  int numbers = 0;
};

// Reading a parameter by its type.
template <class P> struct Read;
template <class T> struct Read<In<T>> {
  static In<T> from(Record& r) { Size n; auto* p = r.dense<T>(Operand::reads, n); return {p, n}; }
};
template <class T> struct Read<Out<T>> {
  static Out<T> from(Record& r) { Size n; auto* p = r.dense<T>(Operand::writes, n); return {p, n}; }
};
template <class T> struct Read<InOut<T>> {
  static InOut<T> from(Record& r) { Size n; auto* p = r.dense<T>(Operand::updates, n); return {p, n}; }
};
template <class T> struct Read<StridedIn<T>> {
  static StridedIn<T> from(Record& r) { Layout l{}; auto* p = r.strided<T>(Operand::reads, l); return {p, l}; }
};
template <class T> struct Read<StridedOut<T>> {
  static StridedOut<T> from(Record& r) { Layout l{}; auto* p = r.strided<T>(Operand::writes, l); return {p, l}; }
};
template <class T> struct Read<StridedInOut<T>> {
  static StridedInOut<T> from(Record& r) { Layout l{}; auto* p = r.strided<T>(Operand::updates, l); return {p, l}; }
};
template <> struct Read<Size> { static Size from(Record& r) { return r.whole(r.number()); } };
template <> struct Read<Real> { static Real from(Record& r) { return r.number(); } };

} // namespace gradus
