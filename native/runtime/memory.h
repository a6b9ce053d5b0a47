// The memory pool of the process: 64-byte aligned blocks in size classes, recycled.
#pragma once
#include <cstddef>
#include <cstdint>

namespace gradus::memory {

// Null when the system has none, when the limit would be exceeded, or when the injected failure is due.
void* take(int64_t bytes) noexcept;
void give(void* block, int64_t bytes) noexcept;

// Returns recycled blocks to the system.
void trim() noexcept;

struct Counts { int64_t live, idle; };
Counts counts() noexcept;

// Red zones around every block, and new blocks filled with NaN. Set once, before the first block is taken.
void checkEverything() noexcept;
bool checking() noexcept;
// Are the zones around a block whole? True when not checking.
bool intact(const void* block, int64_t bytes) noexcept;

// The account of the process. Heaps on the JavaScript side say what their tensors hold: in the pool, or, on the js device,
// outside of it. Each side has a limit, which the heaps keep. The pool keeps to the larger of the limits, and of the machine's
// own, with all that heaps do not see: scratch memory, copies for upload, and blocks kept for reuse.
struct Account { int64_t held, limit, heldByAll, limitOfAll; };
Account reserve(int64_t change, bool outside) noexcept;
void limitTo(int64_t bytes, bool outside) noexcept;
void limitProcess(int64_t bytes) noexcept;

// The n-th block taken from now on is refused, once.
void failAfter(int64_t n) noexcept;

} // namespace gradus::memory
