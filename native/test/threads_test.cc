// The pool under stress: every chunk runs exactly once, whoever has the pool. Meant for TSan, right without it.
#include <algorithm>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "check.h"
#include "runtime/memory.h"
#include "runtime/threads.h"

using gradus::threads::run;

namespace {

template <class F> void forChunks(int64_t chunks, const F& body) {
  run(chunks, [](void* f, int64_t chunk, int worker) { (*static_cast<const F*>(f))(chunk, worker); }, const_cast<F*>(&body));
}

// Plain memory on purpose: a race is what TSan is to see, and a lost or doubled chunk shows in the sum.
bool everyChunkOnce(int64_t chunks) {
  std::vector<int> times(size_t(chunks), 0);
  std::vector<int64_t> sums(size_t(gradus::threads::count()), 0);
  forChunks(chunks, [&](int64_t c, int worker) {
    times[size_t(c)]++;
    sums[size_t(worker)] += c;
  });
  int64_t total = 0;
  for (const int64_t s : sums) total += s;
  return total == chunks * (chunks - 1) / 2 && std::all_of(times.begin(), times.end(), [](int n) { return n == 1; });
}

void manyTinyCommands() {
  bool good = true;
  for (int i = 0; i < 20000; i++) good &= everyChunkOnce(i % 9);
  CHECK(good);
}

// Waking sleepers is another path than catching spinners.
void afterSleep() {
  bool good = true;
  for (int i = 0; i < 60; i++) {
    std::this_thread::sleep_for(std::chrono::microseconds(i % 4 * 400));
    good &= everyChunkOnce(64);
  }
  CHECK(good);
}

void fromSeveralThreads() {
  std::thread callers[4];
  for (std::thread& caller : callers)
    caller = std::thread([] {
      bool good = true;
      for (int i = 0; i < 3000; i++) good &= everyChunkOnce(i % 40);
      CHECK(good);
    });
  for (std::thread& caller : callers) caller.join();
}

// A command inside a command finds the pool taken and runs alone.
void nested() {
  std::thread callers[3];
  for (std::thread& caller : callers)
    caller = std::thread([] {
      for (int i = 0; i < 200; i++) {
        std::vector<char> good(12, 0);
        forChunks(12, [&](int64_t c, int) { good[size_t(c)] = everyChunkOnce(5 + c); });
        if (std::count(good.begin(), good.end(), 1) != 12) CHECK(!"a nested command lost chunks");
      }
      CHECK(true);
    });
  for (std::thread& caller : callers) caller.join();
}

// What one command wrote, the next reads on other threads.
void handsOver() {
  std::vector<double> a(10000, 1), b(10000);
  for (int i = 0; i < 500; i++) {
    forChunks(16, [&](int64_t c, int) { for (int64_t k = c; k < 10000; k += 16) b[size_t(k)] = a[size_t(9999 - k)] + 1; });
    std::swap(a, b);
  }
  CHECK(std::all_of(a.begin(), a.end(), [](double x) { return x == 501; }));
}

// Blocks handed from thread to thread, with trimming in between.
void memoryPool() {
  const int64_t live = gradus::memory::counts().live;
  forChunks(400, [&](int64_t c, int) {
    std::vector<std::pair<unsigned char*, int64_t>> blocks;
    for (int64_t i = 0; i < 20; i++) {
      const int64_t bytes = (c * 7919 + i * i * i * 31) % 50000;
      auto* block = static_cast<unsigned char*>(gradus::memory::take(bytes));
      if (reinterpret_cast<uintptr_t>(block) % 64 != 0) CHECK(!"not aligned to 64 bytes");
      if (bytes) block[0] = block[bytes - 1] = static_cast<unsigned char>(c);
      blocks.emplace_back(block, bytes);
    }
    for (auto [block, bytes] : blocks) {
      if (bytes && (block[0] != static_cast<unsigned char>(c) || block[bytes - 1] != static_cast<unsigned char>(c))) CHECK(!"a block was shared");
      gradus::memory::give(block, bytes);
    }
    if (c % 50 == 0) gradus::memory::trim();
  });
  CHECK_EQUAL(gradus::memory::counts().live, live);
}

// Flush-to-zero holds in each worker and ends with its scope.
void workersFlush() {
  std::vector<char> flushed(64, 0);
  const gradus::threads::FlushToZero flush;
  forChunks(64, [&](int64_t c, int) {
    volatile float tiny = 1e-20f;
    flushed[size_t(c)] = tiny * tiny == 0;
  });
  CHECK(std::count(flushed.begin(), flushed.end(), 1) == 64);
}

} // namespace

int main() {
  gradus::threads::configure(4);
  gradus::threads::configure(2); // only the first call counts
  CHECK_EQUAL(gradus::threads::count(), 4);
  CHECK(gradus::threads::sizing().affinity >= 1);
  manyTinyCommands();
  afterSleep();
  fromSeveralThreads();
  nested();
  handsOver();
  memoryPool();
  workersFlush();
  return check::finish();
}
