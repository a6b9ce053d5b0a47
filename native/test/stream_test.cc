// Streams: their thread, inline runs beside it, several at once, and closing. Runs under TSan as well.
#include <chrono>
#include <thread>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "check.h"
#include "records.h"
#include "runtime/threads.h"

namespace gradus::test {
namespace {

constexpr int f32 = 0;

struct Notified {
  std::atomic<int> count{0};
  static void call(void* self) { static_cast<Notified*>(self)->count.fetch_add(1); }
};

Rec alloc(double handle, double bytes) { return Rec(Command::alloc, {handle, bytes}); }
Rec addOne(double y, double n) { return Rec(Row::add, f32).flat(y, n).strided(1, 0, {n}, {0}).dense(y, 0, n); }

// Handles: 0 zeros, 1 a one.
Words opening(double n) {
  return program(alloc(0, n * 4), Rec(Row::fill, f32).flat(0, n).number(0), alloc(1, 4), Rec(Row::fill, f32).flat(1, 1).number(1));
}
void submit(Stream& stream, const Words& words, double cost = 1000) { stream.submit(words.data(), i64(words.size()), nullptr, 0, cost); }
void runInline(Stream& stream, const Words& words) { stream.runInline(words.data(), i64(words.size()), nullptr, 0); }

std::vector<float> readNow(Stream& stream, size_t n) {
  std::vector<float> values(n, -1);
  stream.state().exchange.expect(7, {reinterpret_cast<unsigned char*>(values.data()), i64(n * 4)});
  runInline(stream, program(Rec(Command::read, {7, 0, 0, double(n * 4)})));
  return values;
}

// Work on both sides stays in order: every submitted record before an inline one has run when that one runs.
bool staysInOrder(double n, int rounds) {
  Notified notified;
  Stream stream(*findIsa("")->kernels, Notified::call, &notified);
  submit(stream, opening(n));
  bool ordered = true;
  float expected = 0;
  for (int i = 0; i < rounds; i++) {
    Words several;
    for (int k = 0; k < i % 5; k++, expected++) several << addOne(0, n);
    if (!several.empty()) submit(stream, several);
    if (i % 3 == 0) runInline(stream, program(addOne(0, n))), expected++;
    if (i % 7 == 0) ordered &= readNow(stream, size_t(n)) == std::vector<float>(size_t(n), expected);
  }
  ordered &= readNow(stream, size_t(n)) == std::vector<float>(size_t(n), expected);
  stream.waitBelow(0);
  return ordered && stream.inFlight() == 0 && reportOf(stream.state().events).failures.empty() && notified.count.load() > 0;
}

void severalAtOnce() {
  std::thread workers[3];
  for (std::thread& worker : workers)
    worker = std::thread([] {
      CHECK(staysInOrder(1000, 60));
      CHECK(staysInOrder(70000, 8)); // large enough for the pool, which only one of them gets
    });
  for (std::thread& worker : workers) worker.join();
}

void waitsBelow() {
  Notified notified;
  Stream stream(*findIsa("")->kernels, Notified::call, &notified);
  submit(stream, opening(50000), 0);
  for (int i = 0; i < 50; i++) {
    submit(stream, program(addOne(0, 50000)), 10);
    stream.waitBelow(1000);
    CHECK(stream.queued() <= 1000);
  }
  stream.waitBelow(0);
  CHECK_EQUAL(stream.queued(), 0);
  CHECK(stream.inFlight() == 0);
  CHECK(readNow(stream, 50000)[49999] == 50);
}

void closesWithWorkQueued() {
  const int64_t live = memory::counts().live;
  for (int i = 0; i < 30; i++) {
    Notified notified;
    Stream stream(*findIsa("")->kernels, Notified::call, &notified);
    submit(stream, opening(100000));
    for (int k = 0; k < 20; k++) submit(stream, program(addOne(0, 100000), Rec(Command::mark, {1})));
    if (i % 3 == 1) std::this_thread::sleep_for(std::chrono::microseconds(50 * i));
    if (i % 3 == 2) {
      std::thread waiting([&] { stream.waitBelow(0); }), other([&] { stream.close(); });
      stream.close();
      waiting.join(), other.join();
    }
    stream.close();
    const int64_t executed = stream.state().executedRecords.load();
    submit(stream, program(addOne(0, 1)));
    runInline(stream, program(addOne(0, 1)));
    stream.waitBelow(0);
    stream.close();
    CHECK_EQUAL(stream.state().executedRecords.load(), executed); // later calls do nothing
  }
  CHECK_EQUAL(memory::counts().live, live);
}

// A stream that was idle for a second gives the pool's memory back while another thread uses it.
void trimsBesideWork() {
  Notified notified;
  Stream idle(*findIsa("")->kernels, Notified::call, &notified);
  submit(idle, opening(1000));
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(1200);
  bool ordered = true;
  while (std::chrono::steady_clock::now() < end) ordered &= staysInOrder(100, 20);
  CHECK(ordered);
}

uint64_t floatMode() {
#if defined(__x86_64__)
  return _mm_getcsr() & 0xffc0; // all but the flags of what has happened
#elif defined(__aarch64__)
  uint64_t mode;
  asm volatile("mrs %0, fpcr" : "=r"(mode));
  return mode;
#else
  return 0;
#endif
}

// Subnormal numbers are zero in commands, on any thread, and are themselves again for the caller afterwards.
void subnormals() {
  const uint64_t before = floatMode();
  Notified notified;
  Stream stream(*findIsa("")->kernels, Notified::call, &notified);
  volatile float tiny = 1e-40f;
  for (const bool alone : {true, false}) {
    const Words words = program(alloc(alone ? 0 : 2, 16), Rec(Row::fill, f32).flat(alone ? 0 : 2, 4).number(1e-20), alloc(alone ? 3 : 4, 16),
                                Rec(Row::square, f32).flat(alone ? 0 : 2, 4).dense(alone ? 3 : 4, 0, 4).number(0).number(0));
    if (alone) runInline(stream, words);
    else submit(stream, words), stream.waitBelow(0);
    float values[4];
    stream.state().exchange.expect(8, {reinterpret_cast<unsigned char*>(values), 16});
    runInline(stream, program(Rec(Command::read, {8, alone ? 3.0 : 4.0, 0, 16})));
    CHECK(values[0] == 0 && values[3] == 0);
    CHECK(floatMode() == before);
    CHECK(tiny / 2 > 0);
  }
  runInline(stream, program(Rec(-1.0, 0), Rec(Row::exp, 9))); // failing commands, too
  Words broken = program(Rec(Command::step));
  broken[0] = 99;
  runInline(stream, broken);
  CHECK(floatMode() == before && tiny / 2 > 0);
}

} // namespace
} // namespace gradus::test

int main() {
  using namespace gradus::test;
  gradus::threads::configure(3);
  CHECK(staysInOrder(100, 300));
  severalAtOnce();
  waitsBelow();
  closesWithWorkQueued();
  trimsBesideWork();
  subnormals();
  return check::finish();
}
