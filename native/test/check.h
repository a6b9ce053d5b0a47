// Counting checks, for plain C++ test programs. The last line of each program is "N checks, N failed".
#pragma once
#include <atomic>
#include <cstdio>

namespace check {

inline std::atomic<long> passed{0}, failed{0};
constexpr long shown = 40; // failures that are printed; further ones are counted

template <class... T> bool that(bool ok, const char* format, T... values) {
  if (ok) {
    passed.fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  if (failed.fetch_add(1) < shown) {
    std::printf("FAILED ");
    if constexpr (sizeof...(values) == 0) std::fputs(format, stdout);
    else std::printf(format, values...);
    std::printf("\n");
    std::fflush(stdout);
  }
  return false;
}

inline int finish() {
  std::printf("%ld checks, %ld failed\n", passed + failed, failed.load());
  return failed.load() != 0;
}

} // namespace check

#define CHECK(condition) check::that((condition), "%s:%d: %s", __FILE__, __LINE__, #condition)
// Two whole numbers, printed when they differ.
#define CHECK_EQUAL(actual, expected) \
  [](long long a, long long e) { \
    return check::that(a == e, "%s:%d: %s is %lld, not %lld", __FILE__, __LINE__, #actual, a, e); \
  }((long long)(actual), (long long)(expected))

// Read by the sanitizers' runtimes. An absurd size must be refused like by a system without memory, not abort. Pool
// workers run until the process ends, so they are no leaked threads.
extern "C" {
#define GRADUS_VISIBLE __attribute__((visibility("default"), used))
GRADUS_VISIBLE inline const char* __asan_default_options() {
  return "allocator_may_return_null=1:max_allocation_size_mb=1024:detect_stack_use_after_return=1";
}
GRADUS_VISIBLE inline const char* __tsan_default_options() {
  return "allocator_may_return_null=1:max_allocation_size_mb=1024:report_thread_leaks=0:halt_on_error=1";
}
GRADUS_VISIBLE inline const char* __ubsan_default_options() { return "print_stacktrace=1"; }
}
