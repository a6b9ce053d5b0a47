// Building records, and a stream of them executed without Node.
#pragma once
#include <atomic>
#include <cstring>
#include <initializer_list>
#include <vector>

#include "dispatch.h"
#include "runtime/interpreter.h"
#include "runtime/memory.h"
#include "runtime/stream.h"

namespace gradus::test {

using Words = std::vector<double>;

// One record; its length is written last, when it is taken.
class Rec {
 public:
  Rec(Command c, std::initializer_list<double> operands = {}) : Rec(int(c), 0) { words.insert(words.end(), operands); }
  Rec(Row row, int dtype) : Rec(commandCount + int(row), dtype) {}
  Rec(double id, double dtype) : words{0, id, dtype, 77, 0} {}
  Rec& dense(double handle, double offset, double size) {
    words.insert(words.end(), {handle, offset, size});
    return *this;
  }
  Rec& strided(double handle, double offset, std::vector<double> dims, std::vector<double> strides) {
    words.insert(words.end(), {handle, offset, double(dims.size())});
    words.insert(words.end(), dims.begin(), dims.end());
    words.insert(words.end(), strides.begin(), strides.end());
    return *this;
  }
  Rec& flat(double handle, double size) { return strided(handle, 0, {size}, {1}); }
  Rec& number(double value) {
    words.push_back(value);
    numbers++;
    return *this;
  }
  Rec& slot(double index) {
    words[4] += double(int64_t(1) << numbers);
    return number(index);
  }
  Words take() const {
    Words all = words;
    all[0] = double(all.size());
    return all;
  }

 private:
  Words words;
  int numbers = 0;
};

inline Words& operator<<(Words& all, const Rec& record) {
  const Words words = record.take();
  all.insert(all.end(), words.begin(), words.end());
  return all;
}
template <class... R> Words program(const R&... records) {
  Words all;
  (all << ... << records);
  return all;
}

constexpr double tagOfTests = 77;
constexpr double handleOf(double slot, double generation = 0) { return slot + generation * 16777216; }

struct Failure { uint32_t error; Fault fault; int id; double tag, value, position; };
struct Settled { double ticket; uint32_t error; };

struct Report {
  std::vector<Failure> failures;
  std::vector<Settled> settled;
  std::vector<double> skipped; // numbers of steps
  Fault only() const { return failures.size() == 1 ? failures[0].fault : failures.empty() ? Fault::none : Fault(-1); }
};
inline Report reportOf(Events& events) {
  Report report;
  const Words words = events.drain();
  for (size_t i = 0; i < words.size(); i += Events::length(words[i])) {
    if (words[i] == Events::settled) report.settled.push_back({words[i + 1], uint32_t(words[i + 2])});
    else if (words[i] == Events::skipped) report.skipped.push_back(words[i + 2]);
    else if (words[i] == Events::failed) report.failures.push_back({uint32_t(words[i + 1]), Fault(int(words[i + 2])), int(words[i + 3]), words[i + 4], words[i + 5], words[i + 6]});
  }
  return report;
}

// An interpreter on the best instruction set, with shortcuts for uploads and reads.
struct Machine {
  std::atomic<bool> stop{false};
  Interpreter interpreter;
  double ticket = 0;

  Machine() : interpreter(*findIsa("")->kernels, stop) {}
  Report run(const Words& words, const Words& slots = {}) {
    interpreter.run(words.data(), i64(words.size()), slots.data(), i64(slots.size()));
    return reportOf(interpreter.events);
  }
  template <class... R> Report run(const Rec& first, const R&... more) { return run(program(first, more...)); }

  // The first `size` elements of a buffer, or nothing when it is spoilt (`error`) or absent.
  template <class T = float> std::vector<T> read(double handle, size_t size, uint32_t* error = nullptr) {
    std::vector<T> values(size);
    interpreter.exchange.expect(++ticket, {reinterpret_cast<unsigned char*>(values.data()), i64(size * sizeof(T))});
    const Report report = run(Rec(Command::read, {ticket, handle, 0, double(size * sizeof(T))}));
    const uint32_t met = report.settled.size() == 1 ? report.settled[0].error : ~0u;
    if (error) *error = met;
    return met ? std::vector<T>() : values;
  }
  uint32_t errorOf(double handle) { // 0: sound
    uint32_t error;
    read<float>(handle, 0, &error);
    return error;
  }
  void upload(double handle, const std::vector<float>& values) { uploadBytes(handle, values.data(), i64(values.size() * 4)); }
  void upload(double handle, const std::vector<int32_t>& values) { uploadBytes(handle, values.data(), i64(values.size() * 4)); }
  void uploadBytes(double handle, const void* data, i64 bytes) {
    auto* block = static_cast<unsigned char*>(memory::take(bytes));
    if (bytes) std::memcpy(block, data, size_t(bytes));
    interpreter.exchange.stage(handle, {block, bytes});
    run(Rec(Command::upload, {handle, handle}));
  }
};

} // namespace gradus::test
