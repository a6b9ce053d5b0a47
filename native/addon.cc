// The Node-API surface: streams, and facts about the build and the machine. No arithmetic.
//
// A worker can be stopped at any moment, and then most calls of Node-API fail. They are made in C, and what fails is left
// out: Node is about to end the worker. The C++ wrapper of Node-API would end the process.
#include <node_api.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "dispatch.h"
#include "hash.h"
#include "runtime/memory.h"
#include "runtime/stream.h"
#include "runtime/threads.h"

namespace gradus {
namespace {

// ---- values ----

napi_value number(napi_env env, double value) {
  napi_value result = nullptr;
  napi_create_double(env, value, &result);
  return result;
}
napi_value boolean(napi_env env, bool value) {
  napi_value result = nullptr;
  napi_get_boolean(env, value, &result);
  return result;
}
napi_value text(napi_env env, const char* value) {
  napi_value result = nullptr;
  napi_create_string_utf8(env, value, NAPI_AUTO_LENGTH, &result);
  return result;
}
napi_value float64Array(napi_env env, const std::vector<double>& values) {
  void* data = nullptr;
  napi_value buffer = nullptr, result = nullptr;
  if (napi_create_arraybuffer(env, values.size() * sizeof(double), &data, &buffer) != napi_ok) return nullptr;
  if (!values.empty()) std::memcpy(data, values.data(), values.size() * sizeof(double));
  napi_create_typedarray(env, napi_float64_array, values.size(), buffer, 0, &result);
  return result;
}

struct Bytes { unsigned char* data; size_t size; bool valid; };
struct Doubles { const double* data; i64 count; };

size_t elementSizeOf(napi_typedarray_type type) {
  switch (type) {
    case napi_int16_array: case napi_uint16_array: return 2;
    case napi_int32_array: case napi_uint32_array: case napi_float32_array: return 4;
    case napi_float64_array: case napi_bigint64_array: case napi_biguint64_array: return 8;
    default: return 1;
  }
}

// The arguments of a call from JavaScript. A wrong type reads as nothing, −1 or false.
struct Call {
  static constexpr size_t most = 4;
  napi_env env;
  napi_value self = nullptr, values[most] = {};

  Call(napi_env env, napi_callback_info info) : env(env) {
    size_t count = most;
    napi_get_cb_info(env, info, &count, values, &self, nullptr);
  }
  bool is(size_t i, napi_valuetype wanted) const {
    napi_valuetype type = napi_undefined;
    return values[i] && napi_typeof(env, values[i], &type) == napi_ok && type == wanted;
  }
  double number(size_t i) const {
    double value = -1;
    return is(i, napi_number) && napi_get_value_double(env, values[i], &value) == napi_ok ? value : -1;
  }
  uint64_t id(size_t i) const {
    const double value = number(i);
    return value >= 0 && value < 0x1p53 ? uint64_t(value) : ~uint64_t(0);
  }
  bool flag(size_t i) const {
    bool value = false;
    return is(i, napi_boolean) && napi_get_value_bool(env, values[i], &value) == napi_ok && value;
  }
  std::string text(size_t i) const {
    char buffer[32];
    size_t length = 0;
    if (!is(i, napi_string) || napi_get_value_string_utf8(env, values[i], buffer, sizeof buffer, &length) != napi_ok) return {};
    return std::string(buffer, length);
  }
  // The memory behind a typed array, whatever its element type.
  Bytes bytes(size_t i, napi_value* buffer = nullptr) const {
    bool typed = false;
    napi_typedarray_type type;
    size_t length = 0;
    void* data = nullptr;
    if (!values[i] || napi_is_typedarray(env, values[i], &typed) != napi_ok || !typed) return {nullptr, 0, false};
    if (napi_get_typedarray_info(env, values[i], &type, &length, &data, buffer, nullptr) != napi_ok) return {nullptr, 0, false};
    return {static_cast<unsigned char*>(data), length * elementSizeOf(type), true};
  }
  // The same of memory that is used after the call, or read twice: it must be neither shared, since others would write, nor
  // resizable, since it could shrink.
  Bytes fixedBytes(size_t i) const {
    napi_value buffer = nullptr, resizable = nullptr;
    const Bytes array = bytes(i, &buffer);
    bool owned = false, changes = false;
    if (!array.valid) return array;
    if (napi_is_arraybuffer(env, buffer, &owned) == napi_ok && owned &&
        napi_get_named_property(env, buffer, "resizable", &resizable) == napi_ok &&
        (napi_get_value_bool(env, resizable, &changes) != napi_ok || !changes)) return array;
    napi_throw_type_error(env, nullptr, "expected a typed array whose memory is neither shared nor resizable");
    return {nullptr, 0, false};
  }
  Doubles doubles(size_t i) const {
    const Bytes array = fixedBytes(i);
    return {reinterpret_cast<const double*>(array.data), i64(array.size / sizeof(double))};
  }
};

// No C++ exception may cross into Node: it would end the process.
template <class F> napi_value guarded(napi_env env, const F& body) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    napi_throw_error(env, nullptr, "out of memory");
  } catch (const std::exception& e) {
    napi_throw_error(env, nullptr, e.what());
  } catch (...) {
    napi_throw_error(env, nullptr, "unknown C++ exception");
  }
  return nullptr;
}

// JavaScript values that are kept alive, by number.
class Kept {
 public:
  void add(napi_env env, uint64_t id, napi_value value) {
    napi_ref reference;
    if (napi_create_reference(env, value, 1, &reference) == napi_ok) references[id] = reference;
  }
  void remove(napi_env env, uint64_t id) {
    const auto found = references.find(id);
    if (found == references.end()) return;
    napi_delete_reference(env, found->second);
    references.erase(found);
  }
  void clear(napi_env env) {
    for (auto& [id, reference] : references) napi_delete_reference(env, reference);
    references.clear();
  }

 private:
  std::unordered_map<uint64_t, napi_ref> references;
};

// ---- streams ----

class StreamWrap {
 public:
  // new Stream(isa, onEvents)
  static napi_value construct(napi_env env, napi_callback_info info) {
    return guarded(env, [&]() -> napi_value {
      const Call call(env, info);
      const Isa* isa = findIsa(call.text(0));
      if (!isa || !call.is(1, napi_function)) {
        napi_throw_type_error(env, nullptr, "Stream: expected an available ISA and a function");
        return nullptr;
      }
      auto wrap = std::make_unique<StreamWrap>(env);
      if (!wrap->open(*isa, call.values[1]) || napi_wrap(env, call.self, wrap.get(), finalize, nullptr, nullptr) != napi_ok) return nullptr;
      wrap.release();
      return call.self;
    });
  }
  explicit StreamWrap(napi_env env) : env(env) {}
  ~StreamWrap() {
    if (hooked) napi_remove_env_cleanup_hook(env, cleanUp, this);
    end();
    targets.clear(env);
    lent.clear(env);
  }

  // stage(id, typedArray, lent): copies the bytes, to be taken over by an upload record; or, if lent, keeps the array
  // alive and uses its memory until the buffer is freed.
  napi_value stage(const Call& call) {
    const bool lends = call.flag(2);
    const Bytes bytes = lends ? call.fixedBytes(1) : call.bytes(1);
    if (!stream || !bytes.valid) return boolean(env, false);
    if (lends) {
      lent.add(env, call.id(0), call.values[1]);
      stream->state().exchange.stage(call.number(0), {bytes.data, i64(bytes.size), true});
      return boolean(env, true);
    }
    auto* data = static_cast<unsigned char*>(memory::take(i64(bytes.size)));
    if (!data) return boolean(env, false);
    if (bytes.size) std::memcpy(data, bytes.data, bytes.size);
    stream->state().exchange.stage(call.number(0), {data, i64(bytes.size)});
    return boolean(env, true);
  }
  // expect(ticket, typedArray): where a read record will put its bytes. The array is kept alive until it settles.
  napi_value expect(const Call& call) {
    const Bytes bytes = call.fixedBytes(1);
    if (!stream || !bytes.valid) return nullptr;
    targets.add(env, call.id(0), call.values[1]);
    stream->state().exchange.expect(call.number(0), {bytes.data, i64(bytes.size)});
    return nullptr;
  }
  // submit(words, count, slots, cost)
  napi_value submit(const Call& call) {
    const Doubles words = call.doubles(0), slots = call.doubles(2);
    const double count = call.number(1);
    if (stream && count >= 0 && count <= double(words.count)) stream->submit(words.data, i64(count), slots.data, slots.count, call.number(3));
    return nullptr;
  }
  // run(words, count, slots)
  napi_value run(const Call& call) {
    const Doubles words = call.doubles(0), slots = call.doubles(2);
    const double count = call.number(1);
    if (stream && count >= 0 && count <= double(words.count)) stream->runInline(words.data, i64(count), slots.data, slots.count);
    return nullptr;
  }
  // drain(): the events since the last call.
  napi_value drain(const Call&) {
    const std::vector<double> events = stream ? stream->state().events.drain() : std::vector<double>();
    for (size_t i = 0; i < events.size(); i += Events::length(events[i])) {
      if (events[i] == Events::settled) targets.remove(env, uint64_t(events[i + 1]));
      if (events[i] == Events::returned) lent.remove(env, uint64_t(events[i + 1]));
    }
    return float64Array(env, events);
  }
  napi_value inFlight(const Call&) { return number(env, stream ? stream->inFlight() : 0); }
  // queued(): bytes of records and uploads that wait.
  napi_value queued(const Call&) { return number(env, stream ? double(stream->queued()) : 0); }
  // waitBelow(bytes): until no more are queued.
  napi_value waitBelow(const Call& call) {
    if (stream) stream->waitBelow(i64(call.number(0)));
    return nullptr;
  }
  // counts(): [committed steps, executed records]
  napi_value counts(const Call&) {
    if (!stream) return float64Array(env, {0, 0});
    return float64Array(env, {double(stream->state().committedSteps.load()), double(stream->state().executedRecords.load())});
  }
  // hold(yes): whether the stream keeps the process alive, as it does while a promise is pending.
  napi_value hold(const Call& call) {
    if (stream && call.flag(0)) napi_ref_threadsafe_function(env, settle);
    else if (stream) napi_unref_threadsafe_function(env, settle);
    return nullptr;
  }
  napi_value close(const Call&) {
    end();
    targets.clear(env);
    lent.clear(env);
    return nullptr;
  }

 private:
  bool open(const Isa& isa, napi_value onEvents) {
    if (napi_create_threadsafe_function(env, onEvents, nullptr, text(env, "gradus"), 0, 1, nullptr, nullptr, this, callBack, &settle) != napi_ok) return false;
    napi_unref_threadsafe_function(env, settle);
    stream = std::make_unique<Stream>(*isa.kernels, notify, this);
    hooked = napi_add_env_cleanup_hook(env, cleanUp, this) == napi_ok;
    return hooked;
  }
  static void notify(void* self) {
    auto* wrap = static_cast<StreamWrap*>(self);
    if (wrap->stream->state().events.empty() || wrap->notified.exchange(true)) return;
    napi_call_threadsafe_function(wrap->settle, nullptr, napi_tsfn_nonblocking);
  }
  static void callBack(napi_env env, napi_value onEvents, void* self, void*) {
    if (!env || !onEvents) return; // the environment ends, and `self` may be gone
    static_cast<StreamWrap*>(self)->notified.store(false);
    napi_value undefined;
    if (napi_get_undefined(env, &undefined) == napi_ok) napi_call_function(env, undefined, onEvents, 0, nullptr, nullptr);
  }
  static void cleanUp(void* self) {
    auto* wrap = static_cast<StreamWrap*>(self);
    wrap->hooked = false;
    wrap->end();
  }
  static void finalize(napi_env, void* self, void*) { delete static_cast<StreamWrap*>(self); }
  void end() {
    if (!stream) return;
    stream->close(); // joins: nothing calls `settle` after this
    stream.reset();
    memory::trim(); // a stream that idles does so; one that ends would leave what it held to nobody
    napi_release_threadsafe_function(settle, napi_tsfn_abort);
  }

  napi_env env;
  std::unique_ptr<Stream> stream;
  napi_threadsafe_function settle = nullptr;
  std::atomic<bool> notified{false};
  bool hooked = false;
  Kept targets, lent;
};

// ---- weak references ----

// Which objects have been collected: asked for, since finalizers do not run in a loop that never yields.
class WatchWrap {
 public:
  // new Watch()
  static napi_value construct(napi_env env, napi_callback_info info) {
    return guarded(env, [&]() -> napi_value {
      const Call call(env, info);
      auto wrap = std::make_unique<WatchWrap>(env);
      if (napi_wrap(env, call.self, wrap.get(), finalize, nullptr, nullptr) != napi_ok) return nullptr;
      wrap.release();
      return call.self;
    });
  }
  explicit WatchWrap(napi_env env) : env(env) {}
  ~WatchWrap() {
    for (auto& [handle, reference] : watched) napi_delete_reference(env, reference);
  }
  // add(object, handle)
  napi_value add(const Call& call) {
    napi_ref reference;
    if (watched.size() == watched.capacity()) watched.reserve(std::max<size_t>(64, 2 * watched.size()));
    if (call.is(0, napi_object) && napi_create_reference(env, call.values[0], 0, &reference) == napi_ok)
      watched.emplace_back(call.number(1), reference);
    return nullptr;
  }
  // sweep(): the handles of those that have been collected since.
  napi_value sweep(const Call&) {
    std::vector<double> dead;
    size_t kept = 0;
    for (size_t from = 0; from < watched.size(); from += 1024) {
      napi_handle_scope scope = nullptr; // asking makes a handle of each that is alive
      napi_open_handle_scope(env, &scope);
      for (size_t i = from; i < std::min(watched.size(), from + 1024); i++) {
        const auto [handle, reference] = watched[i];
        napi_value object = nullptr;
        if (napi_get_reference_value(env, reference, &object) != napi_ok || object) {
          watched[kept++] = {handle, reference};
          continue;
        }
        napi_delete_reference(env, reference);
        dead.push_back(handle);
      }
      if (scope) napi_close_handle_scope(env, scope);
    }
    watched.resize(kept);
    return float64Array(env, dead);
  }

 private:
  static void finalize(napi_env, void* self, void*) { delete static_cast<WatchWrap*>(self); }
  napi_env env;
  std::vector<std::pair<double, napi_ref>> watched;
};

template <class Wrap, napi_value (Wrap::*method)(const Call&)> napi_value invoke(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const Call call(env, info);
    void* wrap = nullptr;
    if (napi_unwrap(env, call.self, &wrap) != napi_ok || !wrap) return nullptr;
    return (static_cast<Wrap*>(wrap)->*method)(call);
  });
}
template <auto method> struct MethodOf;
template <class Wrap, napi_value (Wrap::*method)(const Call&)> struct MethodOf<method> {
  static napi_property_descriptor as(const char* name) {
    return {name, nullptr, invoke<Wrap, method>, nullptr, nullptr, nullptr, napi_default_method, nullptr};
  }
};

// ---- facts ----

// facts(): what this build holds and this machine can do.
napi_value facts(const Call& call) {
  napi_env env = call.env;
  napi_value result = nullptr, built = nullptr, available = nullptr;
  napi_create_object(env, &result);
  napi_create_array(env, &built);
  napi_create_array(env, &available);
  uint32_t ofBuilt = 0, ofAvailable = 0;
  for (const Isa& isa : isas()) {
    napi_set_element(env, built, ofBuilt++, text(env, isa.name));
    if (isa.available) napi_set_element(env, available, ofAvailable++, text(env, isa.name));
  }
  const threads::Sizing sizing = threads::sizing();
  const std::pair<const char*, napi_value> all[] = {{"built", built}, {"available", available}, {"affinity", number(env, sizing.affinity)},
                                                    {"quota", number(env, sizing.quota)}, {"threads", number(env, threads::count())}};
  for (const auto& [name, value] : all) napi_set_named_property(env, result, name, value);
  return result;
}

// configure(threads, check, limit): once for the process; later calls change nothing. `limit`: bytes that the machine can spare.
napi_value configure(const Call& call) {
  threads::configure(int(call.number(0)));
  if (call.number(2) > 0) memory::limitProcess(i64(call.number(2)));
  if (call.flag(1)) memory::checkEverything();
  return number(call.env, threads::count());
}

// memory(): [bytes live in the pool, bytes idle in the pool]
napi_value memoryCounts(const Call& call) {
  const memory::Counts counts = memory::counts();
  return float64Array(call.env, {double(counts.live), double(counts.idle)});
}

// limitMemory(bytes, outside): what the heaps of one device may hold in the whole process.
napi_value limitMemory(const Call& call) {
  const double bytes = call.number(0);
  if (bytes > 0 && bytes < 0x1p53) memory::limitTo(i64(bytes), call.flag(1));
  return nullptr;
}

// What the heaps of one environment have reserved: given back when it ends.
struct Reserved {
  i64 pool = 0, outside = 0;
  ~Reserved() {
    memory::reserve(-pool, false);
    memory::reserve(-outside, true);
  }
};

// reserve(change, outside): a heap holds so many bytes more (or fewer). V8 is told.
// Returns what the heaps of that device hold in the process, their limit, and the same of both devices together.
napi_value reserve(const Call& call) {
  void* data = nullptr;
  const double bytes = call.is(0, napi_number) ? call.number(0) : 0;
  if (!(bytes > -0x1p53 && bytes < 0x1p53) || napi_get_instance_data(call.env, &data) != napi_ok || !data) return nullptr;
  const bool outside = call.flag(1);
  i64 total = 0;
  napi_adjust_external_memory(call.env, i64(bytes), &total);
  (outside ? static_cast<Reserved*>(data)->outside : static_cast<Reserved*>(data)->pool) += i64(bytes);
  const memory::Account account = memory::reserve(i64(bytes), outside);
  return float64Array(call.env, {double(account.held), double(account.limit), double(account.heldByAll), double(account.limitOfAll)});
}

// collect(): V8 collects all garbage now if it believes that so much memory depends on it.
napi_value collect(const Call& call) {
  int64_t total = 0;
  constexpr int64_t pressure = int64_t(1) << 44;
  if (napi_adjust_external_memory(call.env, pressure, &total) == napi_ok) napi_adjust_external_memory(call.env, -pressure, &total);
  return nullptr;
}

// failAllocation(n): the n-th block from now on is refused.
napi_value failAllocation(const Call& call) {
  memory::failAfter(int64_t(call.number(0)));
  return nullptr;
}

template <napi_value (*function)(const Call&)> napi_value invoke(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value { return function(Call(env, info)); });
}
template <napi_value (*function)(const Call&)> napi_property_descriptor functionOf(const char* name) {
  return {name, nullptr, invoke<function>, nullptr, nullptr, nullptr, napi_enumerable, nullptr};
}

napi_value init(napi_env env, napi_value exports) {
  const napi_property_descriptor methods[] = {
      MethodOf<&StreamWrap::stage>::as("stage"), MethodOf<&StreamWrap::expect>::as("expect"), MethodOf<&StreamWrap::submit>::as("submit"),
      MethodOf<&StreamWrap::run>::as("run"), MethodOf<&StreamWrap::drain>::as("drain"), MethodOf<&StreamWrap::inFlight>::as("inFlight"),
      MethodOf<&StreamWrap::queued>::as("queued"), MethodOf<&StreamWrap::waitBelow>::as("waitBelow"),
      MethodOf<&StreamWrap::counts>::as("counts"), MethodOf<&StreamWrap::hold>::as("hold"), MethodOf<&StreamWrap::close>::as("close")};
  const napi_property_descriptor ofWatch[] = {MethodOf<&WatchWrap::add>::as("add"), MethodOf<&WatchWrap::sweep>::as("sweep")};
  napi_value stream = nullptr, watch = nullptr;
  napi_define_class(env, "Stream", NAPI_AUTO_LENGTH, StreamWrap::construct, nullptr, std::size(methods), methods, &stream);
  napi_define_class(env, "Watch", NAPI_AUTO_LENGTH, WatchWrap::construct, nullptr, std::size(ofWatch), ofWatch, &watch);
  auto reserved = std::unique_ptr<Reserved>(new (std::nothrow) Reserved);
  const auto drop = [](napi_env, void* data, void*) { delete static_cast<Reserved*>(data); };
  if (reserved && napi_set_instance_data(env, reserved.get(), drop, nullptr) == napi_ok) reserved.release();
  const auto valueOf = [](const char* name, napi_value value) {
    return napi_property_descriptor{name, nullptr, nullptr, nullptr, nullptr, value, napi_enumerable, nullptr};
  };
  const napi_property_descriptor all[] = {
      valueOf("hash", number(env, double(hashOfKernels()))), valueOf("Stream", stream), valueOf("Watch", watch), functionOf<facts>("facts"), functionOf<configure>("configure"),
      functionOf<memoryCounts>("memory"), functionOf<limitMemory>("limitMemory"), functionOf<reserve>("reserve"), functionOf<collect>("collect"),
      functionOf<failAllocation>("failAllocation")};
  if (stream && watch) napi_define_properties(env, exports, std::size(all), all);
  return exports;
}

} // namespace
} // namespace gradus

NAPI_MODULE_INIT() { return gradus::init(env, exports); }
