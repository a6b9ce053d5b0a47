// A stream: records handed over by one JavaScript module instance, executed in order, by its own thread or inline.
#pragma once
#include <condition_variable>
#include <deque>
#include <mutex>
#include <vector>

#include "interpreter.h"

namespace gradus {

class Stream {
 public:
  // notify(context) is called on the executing thread when there is something to drain.
  Stream(const KernelTable& kernels, void (*notify)(void*), void* context);
  ~Stream();

  // Copies the records and lets the stream's thread run them. Never waits. `cost` in nanoseconds, an estimate.
  void submit(const double* words, i64 count, const double* slots, i64 slotCount, double cost);
  // Waits for what was submitted, then runs the records on this thread.
  void runInline(const double* words, i64 count, const double* slots, i64 slotCount);
  // Waits until no more than so many bytes are queued.
  void waitBelow(i64 bytes);
  // Bytes of records, and of copies for upload, that wait to be executed.
  i64 queued();
  // Estimated nanoseconds of submitted work that has not been executed.
  double inFlight();
  // Ends the stream: no more records, the running one finishes, the thread is joined. Later calls do nothing.
  void close();

  Interpreter& state() { return interpreter; }

 private:
  struct Batch {
    std::vector<double> words, slots;
    double cost;
    i64 bytes() const { return i64((words.size() + slots.size()) * sizeof(double)); }
  };
  static void threadMain(void* self);
  void loop();

  std::atomic<bool> stop{false};
  Interpreter interpreter;
  void (*const notify)(void*);
  void* const context;
  std::mutex lock;
  std::condition_variable changed;
  std::deque<Batch> queue;
  bool busy = false;        // somebody is executing: the thread, or an inline caller
  double costInFlight = 0;
  i64 bytesInFlight = 0;
  void* thread = nullptr;
  bool threadTried = false;
};

} // namespace gradus
