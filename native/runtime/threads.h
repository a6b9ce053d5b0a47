// One pool of worker threads for the process, and single threads for streams.
#pragma once
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>

namespace gradus::threads {

// Why the pool has the size it has.
struct Sizing { int affinity, quota; };
Sizing sizing() noexcept; // processors that this process may use; 0: no limit known

// Sets the number of threads that share a command, the caller among them. Only the first call counts.
void configure(int count) noexcept;
int count() noexcept;

// Runs body(context, chunk, worker) for each chunk in [0, chunks), worker < count(). Where another command has the
// pool, or there is one chunk only, the caller runs all of them: same bits, one thread.
using Body = void (*)(void* context, int64_t chunk, int worker);
void run(int64_t chunks, Body body, void* context) noexcept;

// Starts a thread: stack of 1 MiB, signals blocked, slightly lower priority than the caller. False: none to be had.
bool start(const char* name, void (*body)(void*), void* context, void** thread) noexcept;
void join(void* thread) noexcept;

// Sleeps until `ready`. The library's wait() without a time has a symbol that systems with an older libstdc++ lack.
template <class Ready> void sleep(std::condition_variable& changed, std::unique_lock<std::mutex>& hold, Ready ready) {
  while (!ready()) changed.wait_until(hold, std::chrono::system_clock::now() + std::chrono::hours(1));
}

// Flush-to-zero for the time of a scope: subnormal arithmetic is a hundred times slower. Restored on every way out,
// because JavaScript on the same thread counts on IEEE subnormals.
class FlushToZero {
 public:
  FlushToZero() noexcept;
  ~FlushToZero() noexcept;
  FlushToZero(const FlushToZero&) = delete;
 private:
  uint64_t before;
};

} // namespace gradus::threads
