// The memory pool of the process: 64-byte aligned blocks in size classes, recycled.
#pragma once
#include <cstddef>
#include <cstdint>

namespace gradus::memory {

// Null when the system has none, or when the injected failure is due.
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

// The n-th block taken from now on is refused, once.
void failAfter(int64_t n) noexcept;

} // namespace gradus::memory
