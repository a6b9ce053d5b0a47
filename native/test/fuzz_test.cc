// Mutated records. Each of 10^5 streams is a valid program for some row with a few words or bits changed. None may touch
// memory that is not its own (AddressSanitizer, red zones), and a record that breaks the format must be reported.
//   fuzz_test [iterations [seed]]
#include <cmath>
#include <cstdlib>
#include <random>

#include "check.h"
#include "records.h"
#include "rows.h"
#include "runtime/threads.h"

namespace gradus::test {
namespace {

struct Sample { const RowOfTest* row; Words record; std::vector<double> bytes; }; // bytes: of the buffers 0, 1, 2, …

// A record for a case, each operand in a buffer that it fills exactly.
Sample sampleOf(const RowOfTest& row, const Planned& planned) {
  Sample sample{&row, {}, {}};
  Rec record(row.row, row.dtype);
  size_t operand = 0, number = 0;
  for (const Parameter& p : row.parameters) {
    if (p.use == Use::number) {
      record.number(planned.numbers[number++]);
      continue;
    }
    const Spec& spec = planned.operands[operand];
    const std::vector<i64> strides = spec.strides.empty() ? rowMajor(spec.dims) : spec.strides;
    const double handle = double(operand++);
    i64 low = 0, high = 1;
    for (size_t d = 0; d < spec.dims.size(); d++) (strides[d] < 0 ? low : high) += strides[d] * (spec.dims[d] - 1);
    if (countOf(spec.dims) == 0) low = high = 0;
    if (p.strided) record.strided(handle, double(-low), {spec.dims.begin(), spec.dims.end()}, {strides.begin(), strides.end()});
    else record.dense(handle, double(-low), double(countOf(spec.dims)));
    sample.bytes.push_back(double((high - low) * elementSize[p.dtype]));
  }
  sample.record = record.take();
  return sample;
}

std::vector<Sample> samples() {
  static const std::vector<RowOfTest> rows = allRows();
  std::vector<Sample> all;
  for (const RowOfTest& row : rows) {
    const Plan plan = planOf(row);
    const size_t step = plan.size() / 12 + 1;
    for (size_t i = 0; i < plan.size(); i += step) {
      Sample sample = sampleOf(row, plan[i]);
      double bytes = 0;
      for (const double b : sample.bytes) bytes += b;
      if (bytes < 65536) all.push_back(std::move(sample));
    }
  }
  return all;
}

// ---- an independent reading of the format ----

enum class Verdict { broken, sound, endless }; // endless: sound, but billions of elements through strides of 0

Verdict judge(const Sample& sample, const Words& r, size_t slotCount) {
  const auto whole = [](double w, bool negative = false) { return std::fabs(w) <= 0x1p53 && w == std::trunc(w) && (negative || w >= 0); };
  if (r.size() < 5 || r[0] != double(r.size())) return Verdict::broken;
  if (r[1] != sample.record[1] || r[2] != sample.record[2]) return Verdict::endless; // another row: no opinion
  size_t at = 5;
  int number = 0;
  double most = 0;
  for (const Parameter& p : sample.row->parameters) {
    if (p.use == Use::number) {
      if (at >= r.size() || !whole(r[4])) return Verdict::broken;
      if (uint64_t(r[4]) >> number++ & 1 && !(whole(r[at]) && r[at] < double(slotCount))) return Verdict::broken;
      at++;
      continue;
    }
    if (at + 3 > r.size() || !whole(r[at]) || r[at] >= double(sample.bytes.size()) || !whole(r[at + 1]) || !whole(r[at + 2])) return Verdict::broken;
    const __int128 capacity = i64(sample.bytes[size_t(r[at])]) / elementSize[p.dtype];
    __int128 low = i64(r[at + 1]), high = low;
    const double size = r[at + 2];
    at += 3;
    double count = 1;
    if (p.strided) {
      if (size > 6 || at + 2 * size_t(size) > r.size()) return Verdict::broken;
      for (size_t d = 0; d < size_t(size); d++) {
        const double dim = r[at + d], stride = r[at + size_t(size) + d];
        if (!whole(dim) || !whole(stride, true)) return Verdict::broken;
        if (dim > 1) (stride < 0 ? low : high) += __int128(i64(dim) - 1) * i64(stride);
        count *= dim;
      }
      at += 2 * size_t(size);
      high += count > 0;
      if (count == 0) low = high = i64(r[at - 2 * size_t(size) - 2]);
    } else {
      high += i64(size);
    }
    if (low < 0 || high > capacity) return Verdict::broken;
    most = std::max(most, count);
  }
  if (at != r.size()) return Verdict::broken;
  return most > 1e6 ? Verdict::endless : Verdict::sound;
}

// ---- mutation ----

using Random = std::mt19937_64;
size_t below(Random& random, size_t n) { return size_t(random() % n); }

double interesting(Random& random, const Words& words) {
  static const double values[] = {0, 1, 2, 3, 4, 5, 6, 7, 9, 63, 64, 65, -1, -2, -0.0, 0.5, 1.5, NAN, HUGE_VAL, -HUGE_VAL, 255, 256, 65536, 0x1p24, 0x1p31,
                                  0x1p32, -0x1p31, 0x1p52, 0x1p53, 0x1p53 - 1, -0x1p53, 0x1p53 + 2, 0x1p60, 0x1p63, 0x1p64, 1e300, 153092024, 60247241209.0};
  const size_t kinds = sizeof values / sizeof *values, i = below(random, kinds + 8);
  return i < kinds ? values[i] : words[below(random, words.size())] + double(below(random, 3)) - 1;
}

void mutate(Random& random, Words& words) {
  for (size_t n = 1 + below(random, 3); n > 0 && !words.empty(); n--) {
    const size_t at = below(random, words.size()), other = below(random, words.size());
    uint64_t bits;
    std::memcpy(&bits, &words[at], 8);
    switch (below(random, 8)) {
      case 0: bits ^= uint64_t(1) << below(random, 64), std::memcpy(&words[at], &bits, 8); break;
      case 1: bits = random(), std::memcpy(&words[at], &bits, 8); break;
      case 2: std::swap(words[at], words[other]); break;
      case 3: words.erase(words.begin() + long(at)); break;
      case 4: words.insert(words.begin() + long(at), words[other]); break;
      default: words[at] = interesting(random, words);
    }
  }
}

// ---- running ----

constexpr double bystander = handleOf(9999999, 12345);
const std::vector<float> canary(1000, 0.125f);
const Words slotValues{0.5, 2, 3};

struct Fuzzed : Machine {
  Fuzzed() { upload(bystander, canary); }
  ~Fuzzed() { CHECK(read(bystander, canary.size()) == canary); }

  void prepare(const Sample& sample) {
    Words words;
    size_t operand = 0;
    for (const Parameter& p : sample.row->parameters) {
      if (p.use == Use::number) continue;
      const double h = double(operand), bytes = sample.bytes[operand++];
      words << Rec(Command::alloc, {h, bytes}) << Rec(Row::fill, p.dtype).flat(h, bytes / elementSize[p.dtype]).number(p.dtype == 1 ? 0 : 0.5);
    }
    check::that(run(words).failures.empty(), "%s: cannot prepare", sample.row->name);
  }
  void clear() {
    for (double h = 0; h < 8; h++) run(Rec(Command::free, {h}));
  }
};

bool noRedZone(const Report& report) {
  for (const Failure& f : report.failures)
    if (f.fault == Fault::redZone) return false;
  return true;
}

struct Counts { long sound = 0, broken = 0, skipped = 0, streams = 0; };

// One record, mutated, of true length; the buffers stay as they are.
void fuzzRecord(Fuzzed& machine, Random& random, const Sample& sample, long iteration, Counts& counts) {
  Words record = sample.record;
  mutate(random, record);
  if (record.empty()) return;
  record[0] = double(record.size());
  for (double& w : record) // records are read with subnormals as zero
    if (std::fabs(w) < 0x1p-1022) w = 0;
  const Verdict verdict = judge(sample, record, slotValues.size());
  if (verdict == Verdict::endless) {
    counts.skipped++;
    return;
  }
  machine.prepare(sample);
  const Report report = machine.run(record, slotValues);
  machine.clear();
  check::that(noRedZone(report), "iteration %ld, %s: wrote outside a buffer", iteration, sample.row->name);
  const bool broken = verdict == Verdict::broken;
  if (broken) check::that(!report.failures.empty(), "iteration %ld, %s: a broken record ran", iteration, sample.row->name);
  (broken ? counts.broken : counts.sound)++;
}

// A whole program of commands and one row, mutated anywhere. It may leave buffers behind, so it has its own machine.
void fuzzStream(Random& random, const Sample& sample, long iteration, Counts& counts) {
  Words words;
  for (size_t i = 0; i < sample.bytes.size(); i++) words << Rec(Command::alloc, {double(i), sample.bytes[i]});
  words << Rec(Command::guard, {0, 1});
  const long from = long(words.size()), length = long(sample.record.size());
  words.insert(words.end(), sample.record.begin(), sample.record.end());
  std::vector<unsigned char> target(4);
  Fuzzed machine;
  machine.interpreter.exchange.expect(5, {target.data(), 4});
  words << Rec(Command::step) << Rec(Command::read, {5, 0, 0, 4}) << Rec(Command::mark, {6}) << Rec(Command::free, {0}) << Rec(Command::upload, {0, 3});
  mutate(random, words);
  if (words.size() >= size_t(from + length) && judge(sample, {words.begin() + from, words.begin() + from + length}, 3) == Verdict::endless) {
    counts.skipped++;
    return;
  }
  for (double& w : words) // no gigabytes for the sake of a test
    if (w > 0x1p24 && w < 0x1p53) w = 0x1p53;
  check::that(noRedZone(machine.run(words, slotValues)), "iteration %ld, %s: wrote outside a buffer", iteration, sample.row->name);
  counts.streams++;
}

void fuzz(long iterations, uint64_t seed) {
  const std::vector<Sample> all = samples();
  Random random(seed);
  Counts counts;
  Fuzzed machine;
  for (long i = 0; i < iterations; i++) {
    const Sample& sample = all[below(random, all.size())];
    if (i % 4) fuzzRecord(machine, random, sample, i, counts);
    else fuzzStream(random, sample, i, counts);
  }
  std::printf("%ld broken records, %ld sound, %ld streams, %ld skipped as endless\n", counts.broken, counts.sound, counts.streams, counts.skipped);
}

// Unchanged, every sample runs.
void samplesRun() {
  Fuzzed machine;
  for (const Sample& sample : samples()) {
    machine.prepare(sample);
    const Report report = machine.run(sample.record);
    check::that(report.failures.empty(), "%s[%d]: fault %d", sample.row->name, sample.row->dtype, int(report.only()));
    check::that(judge(sample, sample.record, 0) == Verdict::sound, "%s[%d]: judged wrongly", sample.row->name, sample.row->dtype);
    machine.clear();
  }
}

} // namespace
} // namespace gradus::test

int main(int count, char** arguments) {
  using namespace gradus;
  const long iterations = count > 1 ? std::atol(arguments[1]) : 100000;
  const uint64_t seed = count > 2 ? std::strtoull(arguments[2], nullptr, 10) : 20240229;
  std::printf("%ld iterations, seed %llu\n", iterations, (unsigned long long)seed);
  memory::checkEverything();
  threads::configure(2);
  const int64_t live = memory::counts().live;
  test::samplesRun();
  test::fuzz(iterations, seed);
  CHECK_EQUAL(memory::counts().live, live);
  return check::finish();
}
