#include "threads.h"

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <thread>

#if defined(_WIN32)
#include <windows.h>
#else
#include <pthread.h>
#include <signal.h>
#endif
#if defined(__linux__)
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif
#if defined(__x86_64__) || defined(_M_X64)
#include <xmmintrin.h>
#endif

namespace gradus::threads {
namespace {

constexpr int maxThreads = 256;
// A worker looks for more work this often before it sleeps: tens of microseconds, about the cost of waking it.
constexpr int spins = 2000;

inline void relax() {
#if defined(__x86_64__) || defined(_M_X64)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// One parallel command at a time. The owner writes it, opens it, takes chunks like everybody, and closes it; then it
// waits for those who came in, not for those who slept. A worker comes in by counting itself and then seeing `open`:
// either the owner sees the count, or the worker sees that it is closed (both are sequentially consistent).
struct Pool {
  std::mutex owner; // held by the command that has the pool
  std::mutex sleep;
  std::condition_variable wake;
  std::atomic<uint64_t> epoch{0}; // counts commands, to be noticed
  std::atomic<bool> open{false};
  std::atomic<int> active{0}, sleepers{0};
  std::atomic<int64_t> next{0};
  int64_t chunks = 0;
  Body body = nullptr;
  void* context = nullptr;
  std::atomic<int> wanted{1};
  int started = 0; // workers besides the caller
  bool tried = false;
};

// Never destroyed: a static condition variable with a sleeper would hang the exit of the process.
Pool& pool() {
  alignas(Pool) static unsigned char storage[sizeof(Pool)];
  static Pool* const instance = new (storage) Pool;
  return *instance;
}

void takeChunks(Pool& p, int worker) {
  for (int64_t c = p.next.fetch_add(1, std::memory_order_acq_rel); c < p.chunks;
       c = p.next.fetch_add(1, std::memory_order_acq_rel))
    p.body(p.context, c, worker);
}

void lowerPriority() {
#if defined(__linux__)
  setpriority(PRIO_PROCESS, id_t(syscall(SYS_gettid)), 2);
#endif
}

void work(void* argument) {
  Pool& p = pool();
  const int worker = int(reinterpret_cast<intptr_t>(argument));
  const FlushToZero flush;
  for (uint64_t seen = 0;;) {
    for (int i = 0; i < spins && p.epoch.load(std::memory_order_acquire) == seen; i++) relax();
    if (p.epoch.load(std::memory_order_acquire) == seen) {
      std::unique_lock<std::mutex> hold(p.sleep);
      p.sleepers.fetch_add(1);
      sleep(p.wake, hold, [&] { return p.epoch.load(std::memory_order_acquire) != seen; });
      p.sleepers.fetch_sub(1);
    }
    seen = p.epoch.load(std::memory_order_acquire);
    p.active.fetch_add(1);
    if (p.open.load()) takeChunks(p, worker);
    p.active.fetch_sub(1);
  }
}

void startWorkers(Pool& p) {
  p.tried = true;
  for (int i = 1; i < p.wanted.load(); i++) {
    void* thread;
    if (!start("gradus-worker", work, reinterpret_cast<void*>(intptr_t(i)), &thread)) return;
    p.started++;
  }
}

// The whole numbers at the start of a file; 0 where there are none.
struct Pair { long long first, second; };
Pair numbersIn(const char* path) {
  Pair numbers{0, 0};
  if (std::FILE* file = std::fopen(path, "r")) {
    if (std::fscanf(file, "%lld %lld", &numbers.first, &numbers.second) < 1) numbers = {0, 0};
    std::fclose(file);
  }
  return numbers;
}

// Processors that the control group may use, rounded up: version 2, then version 1. 0: no limit.
int quotaOfGroup() {
  Pair limit = numbersIn("/sys/fs/cgroup/cpu.max");
  if (limit.second <= 0)
    limit = {numbersIn("/sys/fs/cgroup/cpu/cpu.cfs_quota_us").first,
             numbersIn("/sys/fs/cgroup/cpu/cpu.cfs_period_us").first};
  return limit.first > 0 && limit.second > 0 ? int((limit.first + limit.second - 1) / limit.second) : 0;
}

} // namespace

Sizing sizing() noexcept {
  int affinity = int(std::thread::hardware_concurrency());
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) affinity = CPU_COUNT(&set);
#endif
  return {affinity < 1 ? 1 : affinity, quotaOfGroup()};
}

void configure(int count) noexcept {
  int one = 1;
  pool().wanted.compare_exchange_strong(one, count < 1 ? 1 : count > maxThreads ? maxThreads : count);
}

int count() noexcept { return pool().wanted.load(); }

void run(int64_t chunks, Body body, void* context) noexcept {
  Pool& p = pool();
  std::unique_lock<std::mutex> mine(p.owner, std::try_to_lock);
  if (chunks > 1 && mine.owns_lock() && !p.tried) startWorkers(p);
  if (chunks <= 1 || !mine.owns_lock() || p.started == 0) {
    for (int64_t c = 0; c < chunks; c++) body(context, c, 0);
    return;
  }
  p.chunks = chunks;
  p.body = body;
  p.context = context;
  p.next.store(0, std::memory_order_relaxed);
  p.open.store(true);
  {
    // Under the lock, so that no worker goes to sleep between its last look and this change.
    std::lock_guard<std::mutex> hold(p.sleep);
    p.epoch.fetch_add(1, std::memory_order_acq_rel);
  }
  if (p.sleepers.load() > 0) p.wake.notify_all();
  takeChunks(p, 0);
  p.open.store(false);
  for (int i = 0; p.active.load() > 0; i++) {
    if (i < spins) relax();
    else std::this_thread::yield();
  }
}

#if defined(_WIN32)

bool start(const char*, void (*body)(void*), void* context, void** thread) noexcept {
  try {
    *thread = new std::thread(body, context);
    return true;
  } catch (...) {
    return false;
  }
}
void join(void* thread) noexcept {
  auto* t = static_cast<std::thread*>(thread);
  t->join();
  delete t;
}

#else

namespace {
struct Start { const char* name; void (*body)(void*); void* context; };
void* enter(void* argument) {
  const Start s = *static_cast<Start*>(argument);
  delete static_cast<Start*>(argument);
#if defined(__linux__)
  pthread_setname_np(pthread_self(), s.name);
#endif
  lowerPriority();
  s.body(s.context);
  return nullptr;
}
} // namespace

bool start(const char* name, void (*body)(void*), void* context, void** thread) noexcept {
  auto* s = new (std::nothrow) Start{name, body, context};
  if (!s) return false;
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, size_t(1) << 20);
  pthread_t id;
  const bool ok = pthread_create(&id, &attributes, enter, s) == 0;
  pthread_attr_destroy(&attributes);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (!ok) delete s;
  else *thread = reinterpret_cast<void*>(id);
  return ok;
}
void join(void* thread) noexcept { pthread_join(reinterpret_cast<pthread_t>(thread), nullptr); }

#endif

#if defined(__x86_64__) || defined(_M_X64)
constexpr uint32_t flushBits = 0x8040; // MXCSR: FTZ (bit 15) and DAZ (bit 6)
FlushToZero::FlushToZero() noexcept : before(_mm_getcsr()) { _mm_setcsr(uint32_t(before) | flushBits); }
FlushToZero::~FlushToZero() noexcept { _mm_setcsr(uint32_t(before)); }
#elif defined(__aarch64__)
FlushToZero::FlushToZero() noexcept {
  asm volatile("mrs %0, fpcr" : "=r"(before));
  asm volatile("msr fpcr, %0" ::"r"(before | (uint64_t(1) << 24))); // FPCR.FZ
}
FlushToZero::~FlushToZero() noexcept { asm volatile("msr fpcr, %0" ::"r"(before)); }
#else
FlushToZero::FlushToZero() noexcept : before(0) {}
FlushToZero::~FlushToZero() noexcept {}
#endif

} // namespace gradus::threads
