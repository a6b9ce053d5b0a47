// The buffers of one stream, by handle. Touched only by whoever executes the stream's records.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "../types.h"

namespace gradus {

struct Buffer {
  unsigned char* data = nullptr;
  int64_t bytes = 0;
  uint32_t generation = 0; // of the handle that owns the slot now
  uint32_t poison = 0;     // the error that spoilt the content; 0: sound
  bool alive = false;
  double lender = 0;       // memory lent by JavaScript under this number; 0: from the pool
};

// A handle is slot + generation · 2^24: a stale one is told from the slot's new owner.
class Table {
 public:
  static constexpr uint64_t slots = uint64_t(1) << 24;
  ~Table();
  Buffer* find(double handle);                     // null: no such buffer, or freed
  // Takes the memory over, unless it is lent.
  Fault open(double handle, unsigned char* data, int64_t bytes, double lender = 0);
  Fault close(double handle);

 private:
  static constexpr uint64_t chunkSize = 4096;
  Buffer* slot(uint64_t index, bool create);
  std::vector<std::unique_ptr<Buffer[]>> chunks;
};

} // namespace gradus
