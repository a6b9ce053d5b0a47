#include "stream.h"

#include <chrono>
#include <utility>

#include "memory.h"
#include "threads.h"

namespace gradus {

Stream::Stream(const KernelTable& kernels, void (*notify)(void*), void* context)
    : interpreter(kernels, stop), notify(notify), context(context) {}

Stream::~Stream() { close(); }

void Stream::threadMain(void* self) {
  try {
    static_cast<Stream*>(self)->loop();
  } catch (...) { // only bookkeeping can throw here; the stream is then closed like any other
  }
}

void Stream::loop() {
  std::unique_lock<std::mutex> hold(lock);
  for (bool trimmed = true;;) {
    const auto ready = [&] { return stop.load() || (!queue.empty() && !busy); };
    if (!changed.wait_for(hold, std::chrono::seconds(1), ready)) {
      if (trimmed) threads::sleep(changed, hold, ready);
      else {
        hold.unlock();
        memory::trim(); // idle for a second: give memory back
        hold.lock();
        trimmed = true;
        continue;
      }
    }
    if (stop.load()) return;
    Batch batch = std::move(queue.front());
    queue.pop_front();
    busy = true;
    trimmed = false;
    hold.unlock();
    interpreter.run(batch.words.data(), i64(batch.words.size()), batch.slots.data(), i64(batch.slots.size()));
    hold.lock();
    busy = false;
    costInFlight -= batch.cost;
    bytesInFlight -= batch.bytes();
    changed.notify_all();
    hold.unlock();
    notify(context); // who is told finds the stream idle
    hold.lock();
  }
}

void Stream::submit(const double* words, i64 count, const double* slots, i64 slotCount, double cost) {
  bool alone = false;
  {
    std::lock_guard<std::mutex> hold(lock);
    if (stop.load()) return;
    if (!threadTried) {
      threadTried = true;
      if (!threads::start("gradus-stream", threadMain, this, &thread)) thread = nullptr;
    }
    alone = !thread;
    if (!alone) {
      queue.push_back({{words, words + count}, {slots, slots + slotCount}, cost});
      costInFlight += cost;
      bytesInFlight += queue.back().bytes();
    }
  }
  if (alone) {
    runInline(words, count, slots, slotCount);
    notify(context);
  } else {
    changed.notify_all();
  }
}

void Stream::runInline(const double* words, i64 count, const double* slots, i64 slotCount) {
  {
    std::unique_lock<std::mutex> hold(lock);
    threads::sleep(changed, hold, [&] { return stop.load() || (queue.empty() && !busy); });
    if (stop.load()) return;
    busy = true;
  }
  interpreter.run(words, count, slots, slotCount);
  {
    std::lock_guard<std::mutex> hold(lock);
    busy = false;
  }
  changed.notify_all();
}

void Stream::waitBelow(i64 bytes) {
  std::unique_lock<std::mutex> hold(lock);
  const auto low = [&] { return bytesInFlight + interpreter.exchange.stagedBytes() <= bytes; };
  threads::sleep(changed, hold, [&] { return stop.load() || (queue.empty() && !busy) || low(); });
}

i64 Stream::queued() {
  std::lock_guard<std::mutex> hold(lock);
  return bytesInFlight + interpreter.exchange.stagedBytes();
}

double Stream::inFlight() {
  std::lock_guard<std::mutex> hold(lock);
  return queue.empty() && !busy ? 0 : costInFlight;
}

void Stream::close() {
  void* running;
  {
    std::unique_lock<std::mutex> hold(lock);
    stop.store(true);
    running = std::exchange(thread, nullptr);
    changed.notify_all();
    threads::sleep(changed, hold, [&] { return !busy; });
  }
  if (running) threads::join(running);
}

} // namespace gradus
