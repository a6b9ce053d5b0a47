#include "memory.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#if defined(__linux__)
#include <malloc.h>
#include <sys/mman.h>
#elif defined(_WIN32)
#include <malloc.h>
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define GRADUS_PASS_THROUGH 1
#else
#define GRADUS_PASS_THROUGH 0
#endif

namespace gradus::memory {
namespace {

constexpr int64_t alignment = 64;
constexpr int64_t zone = 64;            // bytes of red zone on each side
constexpr unsigned char zoneByte = 0xA5, freshByte = 0xFF; // 0xFF…: NaN as float32 and float64, −1 as int32
constexpr int64_t idleLimit = int64_t(256) << 20;
constexpr int64_t hugePage = int64_t(2) << 20;
constexpr int64_t mappedBytes = int64_t(1) << 18;

// Classes: steps of 64 bytes up to 1 KiB, then four steps for each power of two: at most 25 % are wasted.
constexpr int smallClasses = 16, classCount = smallClasses + 4 * 44;

int classOf(int64_t bytes) {
  if (bytes <= 1024) return bytes <= 0 ? 0 : int((bytes - 1) / 64);
  const int power = 63 - __builtin_clzll(uint64_t(bytes - 1));
  const int step = int(((bytes - 1) >> (power - 2)) & 3);
  return smallClasses + (power - 10) * 4 + step;
}
int64_t sizeOfClass(int c) {
  if (c < smallClasses) return int64_t(c + 1) * 64;
  const int power = (c - smallClasses) / 4 + 10, step = (c - smallClasses) % 4;
  return (int64_t(1) << power) + int64_t(step + 1) * (int64_t(1) << (power - 2));
}

struct Free { Free* next; };

struct Pool {
  std::mutex lock;
  Free* free[classCount] = {};
  int64_t live = 0, idle = 0;
  std::atomic<int64_t> refuse{0};
  std::atomic<int64_t> held[2] = {}, limits[2] = {}, machine{INT64_MAX}; // in the pool, outside of it
  bool check = false;
};

// Never destroyed: threads may still return blocks while the process exits.
Pool& pool() {
  alignas(Pool) static unsigned char storage[sizeof(Pool)];
  static Pool* const instance = new (storage) Pool;
  return *instance;
}

#if defined(__linux__)
// Large blocks are mapped one by one: malloc would keep what is freed, where nobody counts it. At huge pages where that helps.
void* map(int64_t bytes) {
  const int64_t align = bytes >= 2 * hugePage ? hugePage : 0;
  void* start = mmap(nullptr, size_t(bytes + align), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) return nullptr;
  if (!align) return start;
  auto* from = static_cast<unsigned char*>(start);
  const int64_t before = (align - int64_t(reinterpret_cast<uintptr_t>(from) % uint64_t(align))) % align;
  if (before) munmap(from, size_t(before));
  if (align - before) munmap(from + before + bytes, size_t(align - before));
  madvise(from + before, size_t(bytes / hugePage * hugePage), MADV_HUGEPAGE);
  return from + before;
}
#endif
bool isMapped(int64_t bytes) {
#if defined(__linux__)
  return !GRADUS_PASS_THROUGH && bytes >= mappedBytes;
#else
  return bytes < 0;
#endif
}
void* fromSystem(int64_t bytes) {
#if defined(_WIN32)
  return _aligned_malloc(size_t(bytes), size_t(alignment));
#else
#if defined(__linux__)
  if (isMapped(bytes)) return map(bytes);
#endif
  void* block = nullptr;
  return posix_memalign(&block, size_t(alignment), size_t(bytes)) == 0 ? block : nullptr;
#endif
}
void toSystem(void* block, int64_t bytes) {
#if defined(_WIN32)
  _aligned_free(block);
#else
#if defined(__linux__)
  if (isMapped(bytes)) {
    munmap(block, size_t(bytes));
    return;
  }
#endif
  std::free(block);
#endif
}

// Returns at least `wanted` idle bytes to the system, if there are so many; large blocks first.
void release(Pool& p, int64_t wanted) {
  while (wanted > 0) {
    Free* block = nullptr;
    int c = classCount - 1;
    {
      std::lock_guard<std::mutex> hold(p.lock);
      while (c >= 0 && !p.free[c]) c--;
      if (c < 0) return;
      block = p.free[c];
      p.free[c] = block->next;
      p.idle -= sizeOfClass(c);
    }
    toSystem(block, sizeOfClass(c));
    wanted -= sizeOfClass(c);
  }
}

int64_t limitOfAll(const Pool& p) { return std::max({p.limits[0].load(), p.limits[1].load(), p.machine.load()}); }

// How far so many bytes more would exceed the limit. Under the lock. Live bytes are what was asked for, as heaps count them,
// not what the class has: a heap that finds room must not be refused here.
int64_t excess(const Pool& p, int64_t bytes) { return p.live + p.idle + p.held[1].load() + bytes - limitOfAll(p); }

// What heaps do not see may exceed the limit by so much: tensors may fill it, and then a product still needs its scratch memory.
int64_t unseen(const Pool& p) { return limitOfAll(p) / 8; }

void* takeBlock(Pool& p, int64_t bytes) {
  const int c = classOf(bytes);
  const int64_t size = sizeOfClass(c);
  int64_t over = 0;
  {
    std::lock_guard<std::mutex> hold(p.lock);
    if (Free* block = p.free[c]) {
      p.free[c] = block->next;
      p.idle -= size;
      p.live += bytes;
      return block;
    }
    over = excess(p, bytes);
  }
  release(p, over);
  {
    std::lock_guard<std::mutex> hold(p.lock);
    if (excess(p, bytes) > unseen(p)) return nullptr;
    p.live += bytes;
  }
  void* block = fromSystem(size);
  if (!block) {
    trim();
    block = fromSystem(size);
  }
  if (!block) {
    std::lock_guard<std::mutex> hold(p.lock);
    p.live -= bytes;
  }
  return block;
}

} // namespace

void* take(int64_t bytes) noexcept {
  Pool& p = pool();
  if (p.refuse.load(std::memory_order_relaxed) > 0 && p.refuse.fetch_sub(1) == 1) return nullptr;
  if (bytes < 0 || bytes > (int64_t(1) << 52)) return nullptr;
  if (!p.check) return takeBlock(p, bytes);
  auto* block = static_cast<unsigned char*>(takeBlock(p, bytes + 2 * zone));
  if (!block) return nullptr;
  std::memset(block, zoneByte, size_t(zone));
  std::memset(block + zone, freshByte, size_t(bytes));
  std::memset(block + zone + bytes, zoneByte, size_t(zone));
  return block + zone;
}

void give(void* block, int64_t bytes) noexcept {
  if (!block) return;
  Pool& p = pool();
  if (p.check) {
    block = static_cast<unsigned char*>(block) - zone;
    bytes += 2 * zone;
  }
  const int c = classOf(bytes);
  {
    std::lock_guard<std::mutex> hold(p.lock);
    p.live -= bytes;
    // Near the limit blocks are given back: what is kept for one size is in the way of another.
    const bool roomy = excess(p, 0) <= -(limitOfAll(p) / 8);
    if (!GRADUS_PASS_THROUGH && roomy && p.idle + sizeOfClass(c) <= std::min(idleLimit, limitOfAll(p) / 4)) {
      auto* node = static_cast<Free*>(block);
      node->next = p.free[c];
      p.free[c] = node;
      p.idle += sizeOfClass(c);
      return;
    }
  }
  toSystem(block, sizeOfClass(c));
}

void trim() noexcept {
  release(pool(), INT64_MAX);
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
}

Counts counts() noexcept {
  Pool& p = pool();
  std::lock_guard<std::mutex> hold(p.lock);
  return {p.live, p.idle};
}

Account reserve(int64_t change, bool outside) noexcept {
  Pool& p = pool();
  const int64_t held = p.held[outside].fetch_add(change) + change, own = p.limits[outside].load();
  return {held, own ? own : p.machine.load(), held + p.held[!outside].load(), limitOfAll(p)};
}
void limitTo(int64_t bytes, bool outside) noexcept { pool().limits[outside].store(bytes); }
void limitProcess(int64_t bytes) noexcept { pool().machine.store(bytes); }

void checkEverything() noexcept { pool().check = true; }
bool checking() noexcept { return pool().check; }

bool intact(const void* block, int64_t bytes) noexcept {
  if (!checking() || !block) return true;
  const auto* p = static_cast<const unsigned char*>(block);
  for (int64_t i = 0; i < zone; i++)
    if (p[-1 - i] != zoneByte || p[bytes + i] != zoneByte) return false;
  return true;
}

void failAfter(int64_t n) noexcept { pool().refuse.store(n); }

} // namespace gradus::memory
