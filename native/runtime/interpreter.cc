#include "interpreter.h"

#include <cstring>
#include <tuple>
#include <utility>

#include "contract.h"
#include "memory.h"
#include "threads.h"

namespace gradus {

void Events::add(std::initializer_list<double> more) {
  std::lock_guard<std::mutex> hold(lock);
  words.insert(words.end(), more);
}
std::vector<double> Events::drain() {
  std::lock_guard<std::mutex> hold(lock);
  return std::exchange(words, {});
}
bool Events::empty() {
  std::lock_guard<std::mutex> hold(lock);
  return words.empty();
}

Exchange::~Exchange() {
  for (auto& [id, block] : staged)
    if (!block.lent) memory::give(block.data, block.bytes);
}
void Exchange::stage(double id, Block block) {
  std::lock_guard<std::mutex> hold(lock);
  staged[uint64_t(id)] = block;
  staging.fetch_add(block.bytes, std::memory_order_relaxed);
}
void Exchange::expect(double ticket, Block block) {
  std::lock_guard<std::mutex> hold(lock);
  expected[uint64_t(ticket)] = block;
}
static Exchange::Block takeFrom(std::unordered_map<uint64_t, Exchange::Block>& blocks, double id) {
  const auto found = id >= 0 && id < 9007199254740992.0 ? blocks.find(uint64_t(id)) : blocks.end();
  if (found == blocks.end()) return {nullptr, -1};
  const auto block = found->second;
  blocks.erase(found);
  return block;
}
Exchange::Block Exchange::takeStaged(double id) {
  std::lock_guard<std::mutex> hold(lock);
  const Block block = takeFrom(staged, id);
  if (block.bytes > 0) staging.fetch_sub(block.bytes, std::memory_order_relaxed);
  return block;
}
Exchange::Block Exchange::takeExpected(double ticket) {
  std::lock_guard<std::mutex> hold(lock);
  return takeFrom(expected, ticket);
}

namespace {

// ---- the surroundings of a running kernel --------------------------------------------------------------------------

struct RunningTask : Task {
  const std::atomic<bool>& stop;
  std::vector<std::pair<void*, i64>> scratch;

  explicit RunningTask(const std::atomic<bool>& stop) : Task{share, borrow, threads::count(), Fault::none, 0, 0, 0}, stop(stop) {}
  ~RunningTask() {
    for (auto [block, bytes] : scratch) memory::give(block, bytes);
  }
  static void* borrow(Task& task, i64 bytes) {
    auto& self = static_cast<RunningTask&>(task);
    void* block = memory::take(bytes);
    if (block) self.scratch.emplace_back(block, bytes);
    else task.fault = Fault::outOfMemory;
    return block;
  }
  static void share(Task& task, i64 chunks, Body body, void* context) {
    struct Shared { const std::atomic<bool>& stop; Body body; void* context; };
    Shared shared{static_cast<RunningTask&>(task).stop, body, context};
    threads::run(
        chunks,
        [](void* s, i64 chunk, int worker) {
          const auto& all = *static_cast<Shared*>(s);
          if (!all.stop.load(std::memory_order_relaxed)) all.body(all.context, chunk, worker);
        },
        &shared);
  }
};

// ---- rows ----------------------------------------------------------------------------------------------------------

// A parameter list read in order, checked against the contract and handed to the kernel.
template <class Signature> struct Call;
template <class... P> struct Call<void(Task&, P...)> {
  std::tuple<P...> parameters;
  explicit Call(Record& record) : parameters{Read<P>::from(record)...} {}
  template <class Contract> bool holds() const {
    return std::apply([](const P&... p) { return Contract::check(contract::view(p)...); }, parameters);
  }
  void run(AnyKernel kernel, Task& task) const {
    std::apply([&](const P&... p) { reinterpret_cast<void (*)(Task&, P...)>(kernel)(task, p...); }, parameters);
  }
};

struct Traits { bool effect, exact; };

// May these operands meet? A written range may be the very range of an input where the row says so, nothing else.
bool overlapsWrongly(const Record& r, bool exact) {
  for (int i = 0; i < r.operandCount; i++) {
    const Operand& w = r.operands[i];
    if (w.use == Operand::reads) continue;
    for (int j = 0; j < r.operandCount; j++) {
      const Operand& o = r.operands[j];
      if (i == j || o.buffer != w.buffer || o.begin >= w.end || w.begin >= o.end) continue;
      const bool identical = o.begin == w.begin && o.end == w.end && o.contiguous && w.contiguous;
      if (!(exact && identical && o.use == Operand::reads)) return true;
    }
  }
  return false;
}

// Reads the record, decides whether it runs, and runs it. `skip` says whether operands or guard forbid it.
template <class Signature, class Contract, class Skip>
void runRow(Record& record, AnyKernel kernel, Task& task, bool exact, const Skip& skip) {
  const Call<Signature> call(record);
  if (!record.finished()) record.fail(Fault::malformed);
  if (skip() || record.fault != Fault::none) return;
  if (overlapsWrongly(record, exact)) record.fail(Fault::aliased);
  else if (!call.template holds<Contract>()) record.fail(Fault::contract);
  else call.run(kernel, task);
}

struct Skip {
  const Record& record;
  uint32_t guard;
  uint32_t* poison; // out: the error that spoilt an operand
  bool operator()() const {
    for (int i = 0; i < record.operandCount && !*poison; i++) *poison = record.operands[i].buffer->poison;
    return *poison || guard;
  }
};

using Runner = void (*)(Record&, AnyKernel, Task&, bool exact, const Skip&);
struct Rows { Runner run[rowCount][dtypeCount] = {}; Traits traits[rowCount] = {}; };

enum Class { elementwise, reduction, gemm, movement, random, effect };
enum Aliasing { distinct, exact };

Rows makeRows() {
  Rows rows;
#define COMMAND(name)
#define RUNNER(name, T) rows.run[int(Row::name)][dtypeCode<T>] = runRow<signature::name<T>, contract::name<T>, Skip>;
#define KERNEL(name, dtypes, group, aliasing, ...) \
  GRADUS_##dtypes(RUNNER, name) rows.traits[int(Row::name)] = {Class::group == Class::effect, Aliasing::aliasing == Aliasing::exact};
#include "../rows.def"
#undef KERNEL
#undef RUNNER
#undef COMMAND
  return rows;
}

const Rows& rows() {
  static const Rows all = makeRows();
  return all;
}

} // namespace

// ---- the loop ------------------------------------------------------------------------------------------------------

void Interpreter::run(const double* words, i64 count, const double* slots, i64 slotCount) noexcept {
  const threads::FlushToZero flush;
  for (i64 at = 0; at < count && !stop.load(std::memory_order_relaxed);) {
    const double length = words[at];
    // A length that cannot be true leaves no way to find the next record: the rest is dropped, and said so.
    const bool sound = length >= headerWords && length <= double(count - at) && length == double(i64(length));
    try {
      if (sound) runRecord(words + at, i64(length), slots, slotCount);
      else events.add({Events::failed, double(++errors), double(int(Fault::malformed)), -1, 0, double(at), length, 0});
    } catch (...) { // std::bad_alloc from bookkeeping
      try {
        events.add({Events::failed, double(++errors), double(int(Fault::outOfMemory)), words[at + 1], words[at + 3], 0, 0, 0});
      } catch (...) {
      }
    }
    if (!sound) return;
    at += i64(length);
    executedRecords.fetch_add(1, std::memory_order_relaxed);
  }
}

void Interpreter::runRecord(const double* words, i64 length, const double* slots, i64 slotCount) {
  Record record(words, length, table, slots, slotCount);
  const int id = record.id();
  if (id < 0 || id >= commandCount + rowCount) report(Fault::unknownKernel, record);
  else if (id < commandCount) runCommand(record);
  else runKernel(record);
}

uint32_t Interpreter::report(Fault fault, const Record& record, double value, double position, double limit) {
  events.add({Events::failed, double(++errors), double(int(fault)), double(record.id()), record.tag(), value, position, limit});
  return errors;
}

void Interpreter::runKernel(Record& record) {
  const int row = record.id() - commandCount, dtype = record.dtype();
  const Traits traits = rows().traits[row];
  const bool known = dtype >= 0 && dtype < dtypeCount && rows().run[row][dtype];
  if (!known) {
    report(Fault::noSuchDtype, record, dtype);
    return;
  }
  RunningTask task(stop);
  uint32_t poison = 0;
  rows().run[row][dtype](record, kernels.rows[row][dtype], task, traits.exact,
                         Skip{record, traits.effect ? guard : 0, &poison});
  Fault fault = record.fault != Fault::none ? record.fault : task.fault;
  for (int i = 0; i < record.operandCount && memory::checking() && fault == Fault::none; i++)
    if (const Buffer& b = *record.operands[i].buffer; b.lender == 0 && !memory::intact(b.data, b.bytes))
      fault = Fault::redZone;
  if (poison == 0 && fault != Fault::none) poison = report(fault, record, task.value, task.position, task.limit);
  if (poison == 0) return;
  for (int i = 0; i < record.operandCount; i++)
    if (record.operands[i].use == Operand::writes && !record.operands[i].buffer->poison)
      record.operands[i].buffer->poison = poison;
}

// alloc handle bytes · free handle · upload handle stage · read ticket handle offset bytes · mark ticket ·
// guard handles… (if one of them is spoilt, effects are skipped up to the next step) · step
static int wordsOf(Command command) {
  switch (command) {
    case Command::alloc: case Command::upload: return 2;
    case Command::free: case Command::mark: return 1;
    case Command::read: return 4;
    case Command::step: return 0;
    case Command::guard: case Command::count: return -1; // any number
  }
  return -1;
}

void Interpreter::runCommand(Record& record) {
  const Command command = Command(record.id());
  if (wordsOf(command) >= 0 && record.remaining() != wordsOf(command)) {
    const uint32_t error = report(Fault::malformed, record);
    // Somebody may be waiting for the ticket.
    if (command == Command::read || command == Command::mark) events.add({Events::settled, record.word(), double(error)});
    return;
  }
  switch (command) {
    case Command::alloc: return allocate(record);
    case Command::free: return release(record);
    case Command::upload: return upload(record);
    case Command::read: return read(record);
    case Command::mark: events.add({Events::settled, record.word(), 0}); return;
    case Command::guard:
      while (record.remaining() > 0 && !guard) {
        const Buffer* buffer = table.find(record.word());
        guard = !buffer ? report(Fault::deadHandle, record) : buffer->poison;
      }
      return;
    case Command::step:
      steps++;
      if (guard) events.add({Events::skipped, double(guard), double(steps), record.tag()});
      else committedSteps.fetch_add(1, std::memory_order_relaxed);
      guard = 0;
      return;
    case Command::count: return;
  }
}

void Interpreter::allocate(Record& record) {
  const double handle = record.word();
  const i64 bytes = record.whole(record.word());
  if (record.fault != Fault::none) {
    report(record.fault, record);
    return;
  }
  auto* data = static_cast<unsigned char*>(memory::take(bytes));
  const Fault fault = table.open(handle, data, data ? bytes : 0);
  if (fault != Fault::none) {
    memory::give(data, bytes);
    report(fault, record);
  } else if (!data) {
    table.find(handle)->poison = report(Fault::outOfMemory, record, double(bytes));
  }
}

void Interpreter::release(Record& record) {
  const double handle = record.word();
  const Buffer* buffer = table.find(handle);
  if (buffer && buffer->lender != 0) events.add({Events::returned, buffer->lender});
  const Fault fault = table.close(handle);
  if (fault != Fault::none) report(fault, record);
}

void Interpreter::upload(Record& record) {
  const double handle = record.word();
  const double stage = record.word();
  const auto block = exchange.takeStaged(stage);
  const Fault fault = block.bytes < 0 ? Fault::malformed
                                      : table.open(handle, block.data, block.bytes, block.lent ? stage : 0);
  if (fault == Fault::none) return;
  if (block.lent) events.add({Events::returned, stage});
  else if (block.bytes >= 0) memory::give(block.data, block.bytes);
  report(fault, record);
}

void Interpreter::read(Record& record) {
  const double ticket = record.word();
  const Buffer* buffer = table.find(record.word());
  const i64 offset = record.whole(record.word()), bytes = record.whole(record.word());
  const auto target = exchange.takeExpected(ticket);
  uint32_t error = 0;
  if (!buffer) error = report(Fault::deadHandle, record);
  else if (buffer->poison) error = buffer->poison;
  else if (record.fault != Fault::none || bytes != target.bytes || offset > buffer->bytes - bytes)
    error = report(Fault::outOfBounds, record);
  else if (bytes) std::memcpy(target.data, buffer->data + offset, size_t(bytes));
  events.add({Events::settled, ticket, double(error)});
}

} // namespace gradus
