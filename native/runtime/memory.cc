#include "memory.h"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#if defined(__linux__)
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
  bool check = false;
};

// Never destroyed: threads may still return blocks while the process exits.
Pool& pool() {
  alignas(Pool) static unsigned char storage[sizeof(Pool)];
  static Pool* const instance = new (storage) Pool;
  return *instance;
}

void* fromSystem(int64_t bytes) {
#if defined(_WIN32)
  return _aligned_malloc(size_t(bytes), size_t(alignment));
#else
  void* block = nullptr;
  const int64_t align = bytes >= 2 * hugePage ? hugePage : alignment;
  if (posix_memalign(&block, size_t(align), size_t(bytes)) != 0) return nullptr;
#if defined(__linux__)
  if (align == hugePage) madvise(block, size_t(bytes / hugePage * hugePage), MADV_HUGEPAGE);
#endif
  return block;
#endif
}
void toSystem(void* block) {
#if defined(_WIN32)
  _aligned_free(block);
#else
  std::free(block);
#endif
}

void* takeClass(Pool& p, int c) {
  {
    std::lock_guard<std::mutex> hold(p.lock);
    p.live += sizeOfClass(c);
    if (Free* block = p.free[c]) {
      p.free[c] = block->next;
      p.idle -= sizeOfClass(c);
      return block;
    }
  }
  void* block = fromSystem(sizeOfClass(c));
  if (!block) {
    trim();
    block = fromSystem(sizeOfClass(c));
  }
  if (!block) {
    std::lock_guard<std::mutex> hold(p.lock);
    p.live -= sizeOfClass(c);
  }
  return block;
}

} // namespace

void* take(int64_t bytes) noexcept {
  Pool& p = pool();
  if (p.refuse.load(std::memory_order_relaxed) > 0 && p.refuse.fetch_sub(1) == 1) return nullptr;
  if (bytes < 0 || bytes > (int64_t(1) << 52)) return nullptr;
  if (!p.check) return takeClass(p, classOf(bytes));
  auto* block = static_cast<unsigned char*>(takeClass(p, classOf(bytes + 2 * zone)));
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
    p.live -= sizeOfClass(c);
    if (!GRADUS_PASS_THROUGH && p.idle + sizeOfClass(c) <= idleLimit) {
      auto* node = static_cast<Free*>(block);
      node->next = p.free[c];
      p.free[c] = node;
      p.idle += sizeOfClass(c);
      return;
    }
  }
  toSystem(block);
}

void trim() noexcept {
  Pool& p = pool();
  Free* lists[classCount];
  {
    std::lock_guard<std::mutex> hold(p.lock);
    std::memcpy(lists, p.free, sizeof lists);
    std::memset(p.free, 0, sizeof p.free);
    p.idle = 0;
  }
  for (Free* list : lists)
    while (list) {
      Free* next = list->next;
      toSystem(list);
      list = next;
    }
}

Counts counts() noexcept {
  Pool& p = pool();
  std::lock_guard<std::mutex> hold(p.lock);
  return {p.live, p.idle};
}

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
