#include "table.h"

#include "memory.h"

namespace gradus {
namespace {

struct Handle { uint64_t slot; uint32_t generation; bool valid; };

Handle parse(double handle) {
  if (!(handle >= 0 && handle < 9007199254740992.0)) return {0, 0, false};
  const auto word = uint64_t(handle);
  return {word % Table::slots, uint32_t(word / Table::slots), double(word) == handle};
}

} // namespace

Table::~Table() {
  for (auto& chunk : chunks)
    for (uint64_t i = 0; chunk && i < chunkSize; i++)
      if (chunk[i].alive && chunk[i].lender == 0) memory::give(chunk[i].data, chunk[i].bytes);
}

Buffer* Table::slot(uint64_t index, bool create) {
  const uint64_t chunk = index / chunkSize;
  if (chunk >= chunks.size()) {
    if (!create) return nullptr;
    chunks.resize(chunk + 1);
  }
  if (!chunks[chunk]) {
    if (!create) return nullptr;
    chunks[chunk] = std::make_unique<Buffer[]>(chunkSize);
  }
  return &chunks[chunk][index % chunkSize];
}

Buffer* Table::find(double handle) {
  const Handle h = parse(handle);
  Buffer* buffer = h.valid ? slot(h.slot, false) : nullptr;
  return buffer && buffer->alive && buffer->generation == h.generation ? buffer : nullptr;
}

Fault Table::open(double handle, unsigned char* data, int64_t bytes, double lender) {
  const Handle h = parse(handle);
  Buffer* buffer = h.valid ? slot(h.slot, true) : nullptr;
  if (!buffer || buffer->alive) return Fault::deadHandle;
  *buffer = {data, bytes, h.generation, 0, true, lender};
  return Fault::none;
}

Fault Table::close(double handle) {
  Buffer* buffer = find(handle);
  if (!buffer) return Fault::deadHandle;
  const bool whole = buffer->lender != 0 || memory::intact(buffer->data, buffer->bytes);
  if (buffer->lender == 0) memory::give(buffer->data, buffer->bytes);
  *buffer = {nullptr, 0, buffer->generation, 0, false, 0};
  return whole ? Fault::none : Fault::redZone;
}

} // namespace gradus
