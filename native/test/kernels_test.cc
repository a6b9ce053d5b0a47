// Every row of kernels.def × dtype × instruction set against the first instruction set, on operands that end and begin
// at pages that cannot be touched; and: bits do not depend on threads, alignment, strides, or writing in place.
//   kernels_test [--every=n] [row…]      with --every: one case in n
#include <algorithm>
#include <cstdio>

#include "check.h"
#include "dispatch.h"
#include "rows.h"
#include "runtime/memory.h"
#include "runtime/threads.h"

namespace gradus::test {
namespace {

// ---- running a case ----

enum class Sharing { alone, reversed, threads }; // reversed: last chunk first, worker numbers going round

struct TestTask : Task {
  Sharing sharing;
  int scratch = 0;
  static Arena& scratchArena(int i) {
    static std::vector<Arena> arenas;
    while (int(arenas.size()) <= i) arenas.emplace_back(size_t(48) << 20);
    return arenas[size_t(i)];
  }
  explicit TestTask(Sharing sharing)
      : Task{share, borrow, sharing == Sharing::alone ? 1 : sharing == Sharing::reversed ? 3 : threads::count(), Fault::none, 0, 0, 0},
        sharing(sharing) {}
  static void* borrow(Task& task, i64 bytes) {
    auto& self = static_cast<TestTask&>(task);
    const i64 size = (bytes + 63) / 64 * 64;
    Arena& arena = scratchArena(self.scratch++);
    return size <= arena.bytes() ? arena.end() - size : nullptr;
  }
  static void share(Task& task, i64 chunks, Body body, void* context) {
    if (static_cast<TestTask&>(task).sharing == Sharing::threads) return threads::run(chunks, body, context);
    for (i64 c = chunks; c-- > 0;) body(context, c, int(c % task.workers));
  }
};

using Bytes = std::vector<unsigned char>;

class Bench {
 public:
  Bench(const RowOfTest& row, const Planned& planned) : row(row), planned(planned) {
    for (const Parameter& p : row.parameters)
      if (p.use != Use::number) operands.push_back(p);
    for (const Spec& spec : planned.operands) strides.push_back(spec.strides.empty() ? rowMajor(spec.dims) : spec.strides);
  }

  // The values of each operand by logical index, where elements that share memory have equal values.
  std::vector<Bytes> values(uint64_t seed, bool absolute) {
    std::vector<Bytes> all;
    const bool special = !plainNumbersOnly(row.name);
    for (size_t i = 0; i < operands.size(); i++) {
      const Spec& spec = planned.operands[i];
      const int dtype = operands[i].dtype, size = elementSize[dtype];
      Bytes bytes(size_t(countOf(spec.dims) * size));
      for (Size e = 0; e < countOf(spec.dims); e++)
        putValue(bytes.data() + e * size, dtype, spec, seed + i * 1000003, e, special, absolute);
      const Placed at = place(i, Place::end);
      scatter(i, at, bytes);
      gather(i, at, bytes);
      all.push_back(std::move(bytes));
    }
    return all;
  }

  // Runs the row on these values; gives the outputs by logical index. Checks that nothing else was written.
  std::vector<Bytes> run(const Isa& isa, const std::vector<Bytes>& values, Place where, Sharing sharing, bool inPlace = false) {
    Arguments arguments{{}, planned.numbers};
    for (size_t i = 0; i < operands.size(); i++) {
      const bool aliased = inPlace && operands[i].use == Use::out;
      arguments.operands.push_back(aliased ? arguments.operands[0] : place(i, where));
      if (aliased) arguments.operands[i].size = countOf(planned.operands[i].dims);
      else if (operands[i].use != Use::out) scatter(i, arguments.operands[i], values[i]);
    }
    std::vector<Bytes> before;
    for (size_t i = 0; i < operands.size(); i++) before.emplace_back(first[i], last[i]);
    TestTask task(sharing);
    row.call(isa.kernels->rows[int(row.row)][row.dtype], task, arguments);
    check::that(!task.failed(), "%s[%d] %s, %s: fault %d", row.name, row.dtype, isa.name, planned.note.c_str(), int(task.fault));
    std::vector<Bytes> results;
    for (size_t i = 0; i < operands.size(); i++) {
      if (operands[i].use == Use::in) {
        if (!inPlace) check::that(std::equal(first[i], last[i], before[i].begin()), "%s[%d] %s, %s: input %zu was changed",
                                  row.name, row.dtype, isa.name, planned.note.c_str(), i);
        continue;
      }
      Bytes bytes(size_t(countOf(planned.operands[i].dims) * elementSize[operands[i].dtype]));
      gather(i, arguments.operands[i], bytes);
      results.push_back(std::move(bytes));
      if (!inPlace) checkGaps(i, arguments.operands[i], isa);
    }
    return results;
  }

 private:
  static Arena& arena(size_t i) {
    static std::vector<Arena> all;
    while (all.size() <= i) all.emplace_back(size_t(8) << 20);
    return all[i];
  }

  Placed place(size_t i, Place where) {
    const Spec& spec = planned.operands[i];
    const i64 size = elementSize[operands[i].dtype];
    i64 low = 0, high = 1;
    for (size_t d = 0; d < spec.dims.size(); d++) (strides[i][d] < 0 ? low : high) += strides[i][d] * (spec.dims[d] - 1);
    if (countOf(spec.dims) == 0) low = high = 0;
    Arena& memory = arena(i);
    const i64 bytes = (high - low) * size;
    if (bytes + size > memory.bytes()) std::abort();
    unsigned char* base = where == Place::end ? memory.end() - bytes : memory.begin() + (where == Place::odd ? size : 0);
    first.resize(operands.size()), last.resize(operands.size());
    first[i] = std::max(memory.begin(), base - 64);
    last[i] = std::min(memory.end(), base + bytes + 64);
    std::fill(first[i], last[i], untouched);
    Placed placed{base - low * size, {}, countOf(spec.dims)};
    placed.at.rank = int(spec.dims.size());
    std::copy(spec.dims.begin(), spec.dims.end(), placed.at.dims);
    std::copy(strides[i].begin(), strides[i].end(), placed.at.strides);
    return placed;
  }
  void scatter(size_t i, const Placed& to, const Bytes& from) const {
    const i64 size = elementSize[operands[i].dtype];
    forElements(planned.operands[i].dims, strides[i], [&](i64 offset, i64 e) { std::memcpy(to.origin + offset * size, &from[size_t(e * size)], size_t(size)); });
  }
  void gather(size_t i, const Placed& from, Bytes& to) const {
    const i64 size = elementSize[operands[i].dtype];
    forElements(planned.operands[i].dims, strides[i], [&](i64 offset, i64 e) { std::memcpy(&to[size_t(e * size)], from.origin + offset * size, size_t(size)); });
  }
  void checkGaps(size_t i, const Placed& at, const Isa& isa) {
    const i64 size = elementSize[operands[i].dtype];
    forElements(planned.operands[i].dims, strides[i], [&](i64 offset, i64) { std::memset(at.origin + offset * size, untouched, size_t(size)); });
    const bool clean = std::all_of(first[i], last[i], [](unsigned char b) { return b == untouched; });
    check::that(clean, "%s[%d] %s, %s: wrote outside operand %zu", row.name, row.dtype, isa.name, planned.note.c_str(), i);
  }

  const RowOfTest& row;
  const Planned& planned;
  std::vector<Parameter> operands;
  std::vector<std::vector<i64>> strides;
  std::vector<unsigned char*> first, last; // what is watched of each arena: the operand and up to 64 bytes on each side
};

// ---- comparing ----

double numberAt(const Bytes& bytes, Size i, int dtype) {
  float single;
  int32_t whole;
  double wide;
  if (dtype == 0) return std::memcpy(&single, &bytes[size_t(i * 4)], 4), single;
  if (dtype == 1) return std::memcpy(&whole, &bytes[size_t(i * 4)], 4), whole;
  if (dtype == 3) return std::memcpy(&wide, &bytes[size_t(i * 8)], 8), wide;
  return bytes[size_t(i)];
}

// What a difference at element e may be. `absolute`: the outputs of the row on absolute values.
double allowed(const RowOfTest& row, const Planned& planned, const std::vector<Bytes>& values, const Bytes& absolute, double expected, Size e) {
  constexpr double eps = 0x1p-24;
  const Tolerance t = toleranceOf(row.name);
  const double smallest = 0x1p-125; // below, flushing to zero may or may not have happened on the way
  double scale = 1;
  switch (t.measure) {
    case Measure::same: return 0;
    case Measure::ulp: scale = 2 * std::fabs(expected); break;
    case Measure::scaled:
      for (size_t i = 0; i + 1 < planned.operands.size(); i++) scale *= 1 + std::fabs(numberAt(values[i], e, 0));
      break;
    case Measure::sum: scale = std::sqrt(planned.terms) * std::fabs(numberAt(absolute, e, 0)); break;
    case Measure::bound: scale = std::sqrt(planned.terms) * planned.scale; break;
  }
  return t.factor * eps * scale + smallest;
}

bool agree(double actual, double expected, double tolerance) {
  if (actual == expected || (actual != actual && expected != expected)) return true;
  return std::fabs(actual - expected) <= tolerance && std::isfinite(expected);
}

// Any NaN equals any other: which of two NaN a product hands on is the compiler's choice of operand order.
bool equalBits(const RowOfTest& row, const std::vector<Bytes>& a, const std::vector<Bytes>& b) {
  size_t output = 0;
  for (const Parameter& p : row.parameters) {
    if (p.use != Use::out && p.use != Use::inOut) continue;
    const Bytes &x = a[output], &y = b[output];
    output++;
    const size_t size = size_t(elementSize[p.dtype]);
    for (size_t at = 0; x != y && at < x.size(); at += size) {
      const double v = numberAt(x, Size(at / size), p.dtype), w = numberAt(y, Size(at / size), p.dtype);
      if (std::memcmp(&x[at], &y[at], size) != 0 && !(v != v && w != w)) return false;
    }
  }
  return true;
}

void compare(const RowOfTest& row, const Planned& planned, const Isa& isa, const std::vector<Bytes>& values,
             const std::vector<Bytes>& absolute, const std::vector<Bytes>& actual, const std::vector<Bytes>& expected) {
  size_t output = 0;
  for (const Parameter& p : row.parameters) {
    if (p.use != Use::out && p.use != Use::inOut) continue;
    const Bytes &a = actual[output], &b = expected[output];
    bool good = a == b;
    if (!good && row.group != Group::movement && row.group != Group::random) {
      good = true;
      for (Size e = 0; e < Size(a.size()) / elementSize[p.dtype] && good; e++) {
        const double x = numberAt(a, e, p.dtype), y = numberAt(b, e, p.dtype);
        good = agree(x, y, p.dtype == 0 ? allowed(row, planned, values, absolute.empty() ? b : absolute[output], y, e) : 0);
        if (!good && check::failed < check::shown) std::printf("element %lld: %.9g, not %.9g\n", (long long)e, x, y);
      }
    }
    check::that(good, "%s[%d] %s, %s: output %zu differs", row.name, row.dtype, isa.name, planned.note.c_str(), output);
    output++;
  }
}

// ---- the checks of one case ----

void testCase(const RowOfTest& row, const Planned& planned, uint64_t seed) {
  Bench bench(row, planned);
  const std::vector<Bytes> values = bench.values(seed, false);
  std::vector<Bytes> expected, absolute;
  Planned flat = planned; // the same values, dense
  for (Spec& spec : flat.operands) spec = {{countOf(spec.dims)}};
  if (row.group == Group::movement || row.group == Group::effect) flat = planned;
  bool large = false;
  for (const Spec& spec : planned.operands) large |= countOf(spec.dims) >= 2000;
  const auto same = [&](const Isa& isa, const char* what, const std::vector<Bytes>& a, const std::vector<Bytes>& b) {
    check::that(equalBits(row, a, b), "%s[%d] %s, %s: other bits %s", row.name, row.dtype, isa.name, planned.note.c_str(), what);
  };
  for (const Isa& isa : isas()) {
    if (!isa.available) continue;
    const std::vector<Bytes> result = bench.run(isa, values, Place::end, Sharing::alone);
    if (expected.empty()) {
      expected = result;
      if (toleranceOf(row.name).measure == Measure::sum) absolute = bench.run(isa, bench.values(seed, true), Place::end, Sharing::alone);
    } else {
      compare(row, planned, isa, values, absolute, result, expected);
    }
    same(isa, "elsewhere in memory", bench.run(isa, values, seed % 2 ? Place::odd : Place::begin, Sharing::alone), result);
    same(isa, "in another order of chunks", bench.run(isa, values, Place::end, Sharing::reversed), result);
    if (large) same(isa, "on threads", bench.run(isa, values, Place::end, Sharing::threads), result);
    if (row.group != Group::elementwise) continue;
    same(isa, "when dense", Bench(row, flat).run(isa, values, Place::begin, Sharing::alone), result);
    const bool inPlace = row.aliasing == Aliasing::exact && row.parameters[0].dtype == row.dtype;
    if (inPlace) same(isa, "in place", Bench(row, flat).run(isa, values, Place::end, Sharing::alone, true), result);
  }
}

void testRow(const RowOfTest& row, size_t every) {
  const Plan plan = planOf(row);
  check::that(!plan.empty(), "%s: native/test/plans.h has no plan that fits its parameters", row.name);
  for (size_t i = size_t(row.row) % every; i < plan.size(); i += every) testCase(row, plan[i], i + 1);
}

} // namespace
} // namespace gradus::test

int main(int count, char** arguments) {
  using namespace gradus;
  std::vector<std::string> names;
  size_t every = 1;
  for (int i = 1; i < count; i++) {
    const std::string argument = arguments[i];
    if (argument.rfind("--every=", 0) == 0) every = size_t(std::max(1, std::atoi(argument.c_str() + 8)));
    else names.push_back(argument);
  }
  threads::configure(4);
  const threads::FlushToZero flush; // as in every thread that executes commands
  int skipped = 0;
  for (const Isa& isa : isas()) {
    std::printf("%s%s", isa.name, isa.available ? " " : " (not on this processor) ");
    skipped += !isa.available;
  }
  std::printf("\n");
  for (const auto& row : test::allRows()) {
    if (names.empty() || std::count(names.begin(), names.end(), row.name)) test::testRow(row, every);
  }
  if (skipped) std::printf("%d skipped\n", skipped);
  return check::finish();
}
