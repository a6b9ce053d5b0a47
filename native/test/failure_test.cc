// Failure: what it spoils, what it leaves alone, and that a step is applied as a whole or not at all.
// With an argument: with red zones around every buffer, as under GRADUS_CHECK=1.
#include <algorithm>
#include <cmath>

#include "check.h"
#include "records.h"
#include "runtime/threads.h"

namespace gradus::test {
namespace {

constexpr int f32 = 0;

Rec alloc(double handle, double bytes) { return Rec(Command::alloc, {handle, bytes}); }
Rec release(double handle) { return Rec(Command::free, {handle}); }
Rec add(double a, double b, double y, double n = 4) { return Rec(Row::add, f32).flat(a, n).flat(b, n).dense(y, 0, n); }
Rec assign(double x, double y, double n = 4) { return Rec(Row::assign, f32).flat(x, n).flat(y, n); }
// x[index] along one dim of four
Rec select(double x, double index, double y) {
  return Rec(Row::indexSelect, f32).dense(x, 0, 4).dense(index, 0, 4).dense(y, 0, 4).number(1).number(4).number(4).number(1);
}
bool same(const std::vector<float>& a, const std::vector<float>& b) { return a == b; }

// Handles: 0 numbers, 1 good indices, 2 bad indices, 3 … 6 room for four numbers, zeros.
struct Prepared : Machine {
  Prepared() {
    upload(0, std::vector<float>{1, 2, 3, 4});
    upload(1, std::vector<int32_t>{3, 2, 1, 0});
    upload(2, std::vector<int32_t>{3, 2, 1, 4});
    for (double h = 3; h <= 6; h++) run(alloc(h, 16), Rec(Row::fill, f32).flat(h, 4).number(0));
  }
};

void poisonSpreads() {
  Prepared m;
  const Report report = m.run(select(0, 2, 3), add(3, 0, 4), add(4, 0, 5), add(0, 0, 6));
  CHECK(report.only() == Fault::indexOutOfRange); // the followers are skipped, and say nothing
  const uint32_t error = report.failures.empty() ? 0 : report.failures[0].error;
  CHECK(m.errorOf(3) == error && m.errorOf(4) == error && m.errorOf(5) == error);
  CHECK(same(m.read(6, 4), {2, 4, 6, 8}));
  CHECK(same(m.read(0, 4), {1, 2, 3, 4}));
  // A second failure has its own number; the first to reach a buffer stays.
  const Report second = m.run(select(0, 2, 6), add(3, 6, 5));
  CHECK(second.only() == Fault::indexOutOfRange && second.failures[0].error == error + 1);
  CHECK(m.errorOf(6) == error + 1 && m.errorOf(5) == error);
  // A spoilt buffer stays so until it is freed; its slot's next owner is sound.
  CHECK(m.run(add(0, 0, 3)).failures.empty());
  CHECK(m.errorOf(3) == error);
  CHECK(m.run(release(3), alloc(handleOf(3, 1), 16), add(0, 0, handleOf(3, 1))).failures.empty());
  CHECK(same(m.read(handleOf(3, 1), 4), {2, 4, 6, 8}));
}

void inPlaceKeepsItsValues() {
  Prepared m;
  const Report report = m.run(select(0, 2, 3), assign(3, 4), add(0, 4, 5));
  CHECK(report.only() == Fault::indexOutOfRange);
  CHECK(m.errorOf(4) == 0 && same(m.read(4, 4), {0, 0, 0, 0})); // nothing was changed, so nothing is spoilt
  CHECK(same(m.read(5, 4), {1, 2, 3, 4}));
}

void readOfSpoilt() {
  Prepared m;
  std::vector<float> values{9, 9, 9, 9};
  m.interpreter.exchange.expect(50, {reinterpret_cast<unsigned char*>(values.data()), 16});
  const Report report = m.run(select(0, 2, 3), Rec(Command::read, {50, 3, 0, 16}));
  CHECK(report.settled.size() == 1 && report.settled[0].error == report.failures[0].error);
  CHECK(same(values, {9, 9, 9, 9}));
  m.interpreter.exchange.expect(51, {reinterpret_cast<unsigned char*>(values.data()), 16});
  const Report outside = m.run(Rec(Command::read, {51, 0, 4, 16}), Rec(Command::read, {52, 0, 0, 16})); // too far; no array
  CHECK(outside.settled.size() == 2 && outside.settled[0].error && outside.settled[1].error);
  CHECK(same(values, {9, 9, 9, 9}));
  m.interpreter.exchange.expect(53, {reinterpret_cast<unsigned char*>(values.data()), 12}); // smaller than what is read
  CHECK(m.run(Rec(Command::read, {53, 0, 0, 16})).only() == Fault::outOfBounds);
  CHECK(same(values, {9, 9, 9, 9}));
}

// Gradient in 3, parameters in 4 and 5: both or none.
void stepsAreWhole() {
  const auto guard = Rec(Command::guard, {3, 0});
  const auto step = Rec(Command::step);
  for (const bool good : {true, false}) {
    Prepared m;
    const Report report = m.run(select(0, good ? 1 : 2, 3), guard, assign(0, 4), assign(3, 5), step, assign(0, 6));
    CHECK(report.failures.size() == (good ? 0 : 1));
    CHECK(same(m.read(4, 4), good ? std::vector<float>{1, 2, 3, 4} : std::vector<float>(4)));
    CHECK(same(m.read(5, 4), good ? std::vector<float>{4, 3, 2, 1} : std::vector<float>(4)));
    CHECK_EQUAL(m.interpreter.committedSteps.load(), good);
    CHECK(same(m.read(6, 4), {1, 2, 3, 4})); // the next step is free again
    CHECK(m.run(guard, step).failures.empty());
    CHECK_EQUAL(m.interpreter.committedSteps.load(), good ? 2 : 1 - 1);
  }
  Prepared m; // a handle that is gone stops the step too
  CHECK(m.run(Rec(Command::guard, {9}), assign(0, 4), step).only() == Fault::deadHandle);
  CHECK(same(m.read(4, 4), {0, 0, 0, 0}));
  CHECK_EQUAL(m.interpreter.committedSteps.load(), 0);
  // Whatever is no effect goes on under a guard.
  CHECK(m.run(Rec(Command::guard, {9}), add(0, 0, 6), step).failures.size() == 1);
  CHECK(same(m.read(6, 4), {2, 4, 6, 8}));
}

void freeOfSpoilt() {
  const int64_t live = memory::counts().live;
  {
    Prepared m;
    const int64_t before = memory::counts().live;
    m.run(select(0, 2, 3), release(3));
    CHECK(memory::counts().live < before);
    CHECK(m.run(add(3, 0, 4)).only() == Fault::deadHandle);
    CHECK(m.errorOf(4) != 0); // the command failed, so what it would have written is spoilt
    memory::failAfter(1);
    CHECK(m.run(alloc(9, 1 << 20)).only() == Fault::outOfMemory);
    CHECK(m.errorOf(9) != 0);
    CHECK(m.run(add(9, 0, 5)).failures.empty()); // spoilt by the failed allocation, which has been reported
    CHECK(m.errorOf(5) == m.errorOf(9));
    CHECK(m.run(release(9)).failures.empty());
  }
  CHECK_EQUAL(memory::counts().live, live); // streams give everything back, spoilt or not
}

// The n-th block is refused, for every n: each failure is reported once, spoils what depends on it, and nothing else.
void everyAllocationFails() {
  const Words steps = program(alloc(10, 16), alloc(11, 64 * 64 * 4), Rec(Row::fill, f32).flat(11, 64 * 64).number(0.5),
                              alloc(12, 64 * 64 * 4), Rec(Row::matmul, f32).strided(11, 0, {64, 64}, {64, 1}).strided(11, 0, {64, 64}, {1, 64}).dense(12, 0, 64 * 64),
                              alloc(13, 70000 * 4), Rec(Row::fill, f32).flat(13, 70000).number(1), alloc(14, 4),
                              Rec(Row::sum, f32).flat(13, 70000).dense(14, 0, 1).number(0).number(1), add(0, 0, 10),
                              Rec(Command::guard, {12, 14}), Rec(Row::assign, f32).flat(12, 4).flat(4, 4), Rec(Row::assign, f32).flat(14, 1).flat(5, 1), Rec(Command::step),
                              release(10), release(11));
  const int64_t live = memory::counts().live;
  int refusals = 0;
  for (int n = 1; n < 100; n++) {
    {
      Prepared m;
      memory::failAfter(n);
      const Report report = m.run(steps);
      memory::failAfter(0);
      const bool whole = report.failures.empty();
      CHECK(whole || report.only() == Fault::outOfMemory);
      const bool stepStands = m.errorOf(12) == 0 && m.errorOf(14) == 0;
      CHECK(same(m.read(4, 4), stepStands ? std::vector<float>(4, 16) : std::vector<float>(4)));
      CHECK(same(m.read(5, 1), {stepStands ? 70000.0f : 0}));
      CHECK_EQUAL(m.interpreter.committedSteps.load(), stepStands);
      CHECK(m.run(add(0, 0, 6)).failures.empty() && same(m.read(6, 4), {2, 4, 6, 8})); // the stream goes on
      refusals += !whole;
      if (whole) n = 100;
    }
    CHECK_EQUAL(memory::counts().live, live);
  }
  CHECK(refusals >= 7); // five buffers, and scratch of matmul and of sum
  std::printf("allocation failures: %d\n", refusals);
}

// Stages and arrays that nobody came for.
void exchangeGivesBack() {
  const int64_t live = memory::counts().live;
  {
    Machine m;
    m.interpreter.exchange.stage(1, {static_cast<unsigned char*>(memory::take(100)), 100});
    m.interpreter.exchange.stage(2, {static_cast<unsigned char*>(memory::take(100)), 100});
    CHECK(m.run(Rec(Command::upload, {5, 2})).failures.empty());
    m.interpreter.exchange.stage(3, {static_cast<unsigned char*>(memory::take(100)), 100});
    CHECK(m.run(Rec(Command::upload, {5, 3})).only() == Fault::deadHandle); // the handle is in use
    CHECK(m.run(Rec(Command::upload, {6, 3})).only() == Fault::malformed);  // the stage is gone
  }
  CHECK_EQUAL(memory::counts().live, live);
}

void redZones() {
  if (!memory::checking()) return;
  auto* block = static_cast<unsigned char*>(memory::take(100));
  CHECK(memory::intact(block, 100));
  CHECK(block[0] == 0xFF && block[99] == 0xFF);
  block[100] ^= 1;
  CHECK(!memory::intact(block, 100));
  block[100] ^= 1, block[-1] ^= 1;
  CHECK(!memory::intact(block, 100));
  memory::give(block, 100);
}

} // namespace
} // namespace gradus::test

int main(int count, char**) {
  using namespace gradus::test;
  if (count > 1) gradus::memory::checkEverything();
  gradus::threads::configure(3);
  poisonSpreads();
  inPlaceKeepsItsValues();
  readOfSpoilt();
  stepsAreWhole();
  freeOfSpoilt();
  everyAllocationFails();
  exchangeGivesBack();
  redZones();
  return check::finish();
}
