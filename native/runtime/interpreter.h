// Executes records: checks, decodes, runs, and keeps account of failure. One thread at a time.
#pragma once
#include <atomic>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "../kernels.h"
#include "record.h"
#include "table.h"

namespace gradus {

// What the executing side tells the JavaScript side: runs of numbers, each starting with its kind.
struct Events {
  // settled, ticket, error (0: none) · failed, error, fault, id, tag, value, position, limit · returned, stage of lent memory ·
  // skipped, error, number of the step, tag
  enum Kind { settled, failed, returned, skipped };
  static size_t length(double kind) { return kind == failed ? 8 : kind == skipped ? 4 : kind == returned ? 2 : 3; }
  void add(std::initializer_list<double> words);
  std::vector<double> drain();
  bool empty();

 private:
  std::mutex lock;
  std::vector<double> words;
};

// Memory that crosses over between the threads, by number: copies waiting for upload, arrays waiting to be filled.
class Exchange {
 public:
  ~Exchange();
  struct Block { unsigned char* data; i64 bytes; bool lent = false; };
  void stage(double id, Block block);      // owned, unless lent
  void expect(double ticket, Block block); // not owned
  Block takeStaged(double id);
  Block takeExpected(double ticket);
  // Bytes of copies that wait for upload.
  i64 stagedBytes() const { return staging.load(std::memory_order_relaxed); }

 private:
  std::mutex lock;
  std::atomic<i64> staging{0};
  std::unordered_map<uint64_t, Block> staged, expected;
};

class Interpreter {
 public:
  Interpreter(const KernelTable& kernels, const std::atomic<bool>& stop) : kernels(kernels), stop(stop) {}
  void run(const double* words, i64 count, const double* slots, i64 slotCount) noexcept;

  Events events;
  Exchange exchange;
  std::atomic<i64> committedSteps{0}, executedRecords{0};

 private:
  void runRecord(const double* words, i64 length, const double* slots, i64 slotCount);
  void runCommand(Record& record);
  void allocate(Record& record);
  void release(Record& record);
  void upload(Record& record);
  void read(Record& record);
  void runKernel(Record& record);
  uint32_t report(Fault fault, const Record& record, double value = 0, double position = 0, double limit = 0);

  const KernelTable& kernels;
  const std::atomic<bool>& stop;
  Table table;
  uint32_t errors = 0;
  i64 steps = 0; // committed or skipped
  uint32_t guard = 0; // the error that stopped the step under way; 0: none
};

} // namespace gradus
