// The interpreter without Node: what good records do, and how each kind of bad one is refused.
// With an argument: with red zones around every buffer, as under GRADUS_CHECK=1.
#include <algorithm>
#include <array>
#include <cmath>

#include "check.h"
#include "records.h"
#include "runtime/threads.h"

namespace gradus::test {
namespace {

constexpr int f32 = 0, i32 = 1;
const std::vector<float> ramp{1, 2, 3, 4, 5, 6};

Rec add(double a, double b, double y, double n) { return Rec(Row::add, f32).flat(a, n).flat(b, n).dense(y, 0, n); }
Rec alloc(double handle, double bytes) { return Rec(Command::alloc, {handle, bytes}); }
Rec release(double handle) { return Rec(Command::free, {handle}); }
bool near(const std::vector<float>& actual, const std::vector<float>& expected) {
  return actual.size() == expected.size() &&
         std::equal(actual.begin(), actual.end(), expected.begin(), [](float a, float b) { return std::fabs(a - b) <= 1e-6f; });
}

// Handles: 0 ramp, 1 room for six numbers.
struct Prepared : Machine {
  Prepared() {
    upload(0, ramp);
    run(alloc(1, 24), Rec(Row::fill, f32).flat(1, 6).number(0));
  }
};

void goodRecords() {
  Prepared m;
  CHECK(m.run(add(0, 0, 1, 6)).failures.empty());
  CHECK(near(m.read(1, 6), {2, 4, 6, 8, 10, 12}));
  CHECK(m.run(Rec(Row::copy, f32).strided(0, 5, {2, 3}, {-3, -1}).strided(1, 0, {2, 3}, {1, 2})).failures.empty());
  CHECK(near(m.read(1, 6), {6, 3, 5, 2, 4, 1}));
  CHECK(m.run(Rec(Row::matmul, f32).strided(0, 0, {2, 3}, {3, 1}).strided(0, 0, {3, 2}, {1, 3}).dense(1, 0, 4)).failures.empty());
  CHECK(near(m.read(1, 4), {14, 32, 32, 77}));
  CHECK(m.run(add(0, 0, 0, 6)).failures.empty()); // in place, on both inputs
  CHECK(near(m.read(0, 6), {2, 4, 6, 8, 10, 12}));
  CHECK(m.run(Rec(Row::add, f32).strided(0, 0, {}, {}).strided(0, 1, {}, {}).dense(1, 5, 1)).failures.empty());
  CHECK(near(m.read(1, 6), {14, 32, 32, 77, 4, 6}));
  CHECK_EQUAL(m.interpreter.executedRecords.load(), 2 + 1 + 4 + 1 + 5 + 5 - 5);
  const Report marked = m.run(Rec(Command::mark, {99}));
  CHECK(marked.settled.size() == 1 && marked.settled[0].ticket == 99 && marked.settled[0].error == 0);
}

void slots() {
  Prepared m;
  const auto clamp = Rec(Row::clamp, f32).flat(0, 6).dense(1, 0, 6).slot(1).slot(0);
  CHECK(m.run(clamp.take(), {5, 2}).failures.empty());
  CHECK(near(m.read(1, 6), {2, 2, 3, 4, 5, 5}));
  CHECK(m.run(clamp.take(), {3, 1}).failures.empty()); // the same record, another call
  CHECK(near(m.read(1, 6), {1, 2, 3, 3, 3, 3}));
  CHECK(m.run(clamp.take(), {3}).only() == Fault::malformed); // slot 1 of 1
  CHECK(m.errorOf(1) != 0);
  CHECK(Prepared().run(Rec(Row::clamp, f32).flat(0, 6).dense(1, 0, 6).slot(-1).number(0).take(), {3}).only() == Fault::malformed);
  const auto kept = Rec(Row::sum, f32).flat(0, 6).dense(0, 0, 1).slot(0).number(1);
  CHECK(m.run(kept.take(), {0.5}).only() == Fault::malformed); // a size must be whole, from a slot as well
}

// ---- each kind of bad record ----

void refused(Fault expected, const Words& words, const char* what) {
  Prepared m;
  const Report report = m.run(words);
  check::that(report.only() == expected, "%s: fault %d (of %zu), not %d", what, int(report.only()), report.failures.size(), int(expected));
  if (report.failures.size() == 1) CHECK(report.failures[0].tag == tagOfTests || expected == Fault::malformed);
  const bool output = expected == Fault::aliased; // those write to the ramp: it is spoilt, like any output of a failure
  check::that(output ? m.errorOf(0) != 0 : near(m.read(0, 6), ramp), "%s: changed a buffer", what);
}
template <class... R> void refusedAll(Fault fault, const char* what, const R&... records) {
  (refused(fault, records.take(), what), ...);
}

void badHandles() {
  refusedAll(Fault::deadHandle, "no such handle", add(0, 5, 1, 6), add(0, -1, 1, 6), add(0, 0.5, 1, 6), add(0, NAN, 1, 6),
             add(0, 9007199254740992.0, 1, 6), add(0, 1e300, 1, 6), add(0, 1, 16777215, 6), release(7), release(NAN));
  refusedAll(Fault::deadHandle, "another generation", add(0, handleOf(1, 1), 1, 6), add(0, 0, handleOf(1, 3), 6), release(handleOf(1, 1)));
  refusedAll(Fault::deadHandle, "handle in use", alloc(0, 4), alloc(handleOf(0, 1), 4));
  refusedAll(Fault::deadHandle, "not a handle", alloc(-1, 4), alloc(0.5, 4), alloc(1e17, 4));
  Prepared m;
  CHECK(m.run(release(1), alloc(handleOf(1, 1), 24)).failures.empty());
  CHECK(m.run(add(0, 0, 1, 6)).only() == Fault::deadHandle); // the slot's former owner
  CHECK(m.run(release(1)).only() == Fault::deadHandle);
  CHECK(m.run(add(0, 0, handleOf(1, 1), 6)).failures.empty());
  CHECK(m.run(release(handleOf(1, 1))).failures.empty());
  CHECK(m.run(release(handleOf(1, 1))).only() == Fault::deadHandle); // twice
  CHECK(m.run(Rec(Command::read, {1, 0, 0, 0})).failures.size() == 1); // no array expected
}

void badExtents() {
  const double top = 9007199254740992.0;
  const auto copyOf = [](double offset, std::vector<double> dims, std::vector<double> strides) {
    return Rec(Row::sum, f32).strided(0, offset, dims, strides).dense(1, 0, 1).number(0).number(1);
  };
  refusedAll(Fault::outOfBounds, "outside", copyOf(1, {6}, {1}), copyOf(0, {7}, {1}), copyOf(0, {6}, {2}), copyOf(4, {6}, {-1}),
             copyOf(6, {1}, {1}), copyOf(top, {1}, {1}), copyOf(top, {top}, {top}), copyOf(0, {top, top}, {1, 1}),
             copyOf(0, {top, top, top, top, top, top}, {0, 0, 0, 0, 0, 0}), copyOf(0, {2, 2}, {top, -top}), copyOf(7, {0}, {1}));
  // offset + (dim − 1)·stride is 2^63 − 1 exactly: one more, and the end of the range would wrap.
  refusedAll(Fault::outOfBounds, "range ends at the largest int64", copyOf(0, {153092023.0 + 1}, {60247241209.0}));
  refusedAll(Fault::outOfBounds, "dense, outside", Rec(Row::add, f32).flat(0, 6).flat(0, 6).dense(1, 1, 6), Rec(Row::add, f32).flat(0, 6).flat(0, 6).dense(1, top, top),
             add(0, 0, 1, 7));
  refusedAll(Fault::malformed, "not whole or too large", copyOf(-1, {1}, {1}), copyOf(0.5, {1}, {1}), copyOf(NAN, {1}, {1}), copyOf(0, {-1}, {1}),
             copyOf(0, {1.5}, {1}), copyOf(0, {1}, {0.5}), copyOf(0, {1}, {NAN}), copyOf(0, {2 * top}, {1}), copyOf(0, {1}, {-2 * top}),
             copyOf(HUGE_VAL, {1}, {1}));
  refusedAll(Fault::malformed, "rank above 6", copyOf(0, {1, 1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1, 1}));
  Prepared m; // what is empty touches nothing, wherever it points inside
  CHECK(m.run(copyOf(6, {0}, {1})).failures.empty());
  CHECK(m.run(copyOf(0, {3, 0}, {1000, 1000})).failures.empty());
  CHECK(m.run(copyOf(0, {1, 1, 1, 1, 1, 6}, {top, -top, 0, 9, 9, 1})).failures.empty()); // strides of dims of 1 lead nowhere
  CHECK(near(m.read(1, 1), {21}));
}

void badShapes() {
  refusedAll(Fault::contract, "sizes that do not fit", Rec(Row::add, f32).flat(0, 6).flat(0, 5).dense(1, 0, 6), Rec(Row::add, f32).flat(0, 5).flat(0, 5).dense(1, 0, 6),
             Rec(Row::add, f32).strided(0, 0, {2, 3}, {3, 1}).strided(0, 0, {3, 2}, {2, 1}).dense(1, 0, 6),
             Rec(Row::sum, f32).flat(0, 6).dense(1, 0, 1).number(2).number(1), Rec(Row::sum, f32).flat(0, 6).dense(1, 0, 6).number(0).number(1),
             Rec(Row::matmul, f32).strided(0, 0, {2, 3}, {3, 1}).strided(0, 0, {2, 3}, {3, 1}).dense(1, 0, 4),
             Rec(Row::matmul, f32).flat(0, 6).flat(0, 6).dense(1, 0, 1),
             Rec(Row::softmax, f32).dense(0, 0, 6).dense(1, 0, 6).number(4294967296.0).number(4294967296.0).number(3));
  refusedAll(Fault::aliased, "overlap", Rec(Row::add, f32).flat(0, 3).flat(0, 3).dense(0, 1, 3), Rec(Row::copy, f32).flat(0, 6).flat(0, 6),
             Rec(Row::add, f32).strided(0, 0, {3}, {2}).flat(1, 3).dense(0, 0, 3), Rec(Row::add, f32).strided(0, 5, {6}, {-1}).flat(1, 6).dense(0, 0, 6),
             Rec(Row::softmax, f32).dense(0, 0, 6).dense(0, 0, 6).number(1).number(6).number(1));
  refusedAll(Fault::noSuchDtype, "dtype", Rec(Row::exp, i32).flat(0, 6).dense(1, 0, 6).number(0).number(0), Rec(Row::add, 9), Rec(Row::add, -1),
             Rec(commandCount + double(int(Row::add)), 0.5), Rec(commandCount + double(int(Row::add)), NAN));
  refusedAll(Fault::unknownKernel, "kernel", Rec(commandCount + double(rowCount), 0), Rec(-1.0, 0), Rec(NAN, 0), Rec(1e300, 0), Rec(commandCount + 0.5, 0));
}

void badLengths() {
  for (const double length : {0.0, 1.0, 4.0, -5.0, 5.5, 1e300, double(NAN), 1000.0}) {
    Words words = add(0, 0, 1, 6).take();
    words[0] = length;
    refused(Fault::malformed, words, "length");
  }
  for (size_t missing = 1; missing <= 10; missing++) {
    Words words = add(0, 0, 1, 6).take();
    words.resize(words.size() - missing);
    words[0] = double(words.size());
    refused(Fault::malformed, words, "words missing");
  }
  Words more = add(0, 0, 1, 6).take();
  more.push_back(0), more[0]++;
  refused(Fault::malformed, more, "a word too many");
  refusedAll(Fault::malformed, "command without its words", Rec(Command::alloc), Rec(Command::alloc, {3}), Rec(Command::free), Rec(Command::upload),
             Rec(Command::upload, {3}), Rec(Command::mark), Rec(Command::read), Rec(Command::upload, {3, 4}));
  refusedAll(Fault::malformed, "command with too many", Rec(Command::alloc, {3, 4, 5}), Rec(Command::free, {0, 0}), Rec(Command::mark, {1, 2}), Rec(Command::step, {1}));
  refusedAll(Fault::malformed, "size of a buffer", alloc(3, NAN), alloc(3, -1), alloc(3, 0.5), alloc(3, 1e300));
  Words slots = add(0, 0, 1, 6).number(0).take();
  slots = Rec(Row::clamp, f32).flat(0, 6).dense(1, 0, 6).number(0).number(0).take();
  slots[4] = NAN;
  refused(Fault::malformed, slots, "slot mask");
}

void badValues() {
  Prepared m;
  m.upload(3, std::vector<int32_t>{0, 2, 6});
  const Report report = m.run(Rec(Row::indexSelect, f32).dense(0, 0, 6).dense(3, 0, 3).dense(1, 0, 3).number(1).number(6).number(3).number(1));
  CHECK(report.only() == Fault::indexOutOfRange);
  CHECK(report.failures.size() == 1 && report.failures[0].value == 6 && report.failures[0].position == 2);
  CHECK(m.errorOf(1) == report.failures[0].error);
  CHECK(m.run(Rec(Row::argmax, f32).strided(0, 0, {3, 0}, {1, 1}).dense(3, 0, 3).number(1)).only() == Fault::contract); // of nothing
  m.run(alloc(5, 36)), m.upload(4, std::vector<int32_t>{7, 7, 7}); // all ignored, so that only the missing classes are wrong
  CHECK(m.run(Rec(Row::crossEntropy, f32).dense(0, 0, 0).dense(4, 0, 3).dense(0, 0, 0).dense(5, 0, 3).dense(5, 3, 3).dense(5, 6, 3).number(3).number(0).number(7).number(0)).only() == Fault::contract);
}

// Sizes whose product is zero although factors are huge: nothing to do, and nothing to overflow or count through.
void emptyButHuge() {
  const double big = 4503599627370496.0; // 2^52
  const auto slices = [&](Row row, int inputs, double o, double n, double i) {
    Rec r(row, f32);
    for (int k = 0; k < inputs; k++) r.dense(0, 0, 0);
    return r.dense(1, 0, 0).number(o).number(n).number(i);
  };
  for (const auto& [o, n, i] : {std::array<double, 3>{big, 0, big}, {0, big, big}, {big, big, 0}}) {
    for (const Row row : {Row::softmax, Row::logSoftmax, Row::cumsum}) CHECK(Prepared().run(slices(row, 1, o, n, i)).failures.empty());
    for (const Row row : {Row::softmaxGrad, Row::logSoftmaxGrad}) CHECK(Prepared().run(slices(row, 2, o, n, i)).failures.empty());
    if (o * i == 0) CHECK(Prepared().run(slices(Row::prodGrad, 2, o, n, i)).failures.empty());
  }
  for (const Row row : {Row::gather, Row::scatterAdd})
    for (const auto& [o, i] : {std::array<double, 2>{0, big}, {big, 0}}) {
      Prepared m;
      CHECK(m.run(Rec(row, f32).dense(0, 0, 0).dense(0, 0, 0).dense(1, 0, 0).number(o).number(big).number(big).number(i)).failures.empty());
    }
}

} // namespace
} // namespace gradus::test

int main(int count, char**) {
  using namespace gradus::test;
  if (count > 1) gradus::memory::checkEverything();
  gradus::threads::configure(3);
  goodRecords();
  slots();
  badHandles();
  badExtents();
  badShapes();
  badLengths();
  badValues();
  emptyButHuge();
  return check::finish();
}
