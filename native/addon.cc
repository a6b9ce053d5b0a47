// The Node-API surface: streams, and facts about the build and the machine. No arithmetic.
#include <napi.h>

#include <cstring>
#include <memory>
#include <string>
#include <unordered_map>

#include "dispatch.h"
#include "hash.h"
#include "runtime/memory.h"
#include "runtime/stream.h"
#include "runtime/threads.h"

namespace gradus {
namespace {

// No C++ exception may cross into Node: it would end the process.
template <class F> Napi::Value guarded(const Napi::CallbackInfo& info, const F& body) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    Napi::Error::New(info.Env(), "out of memory").ThrowAsJavaScriptException();
  } catch (const std::exception& e) {
    Napi::Error::New(info.Env(), e.what()).ThrowAsJavaScriptException();
  } catch (...) {
    Napi::Error::New(info.Env(), "unknown C++ exception").ThrowAsJavaScriptException();
  }
  return info.Env().Undefined();
}

struct Bytes { unsigned char* data; size_t size; bool valid; };

// The memory behind a typed array, whatever its element type.
Bytes bytesOf(const Napi::Value& value) {
  if (!value.IsTypedArray()) return {nullptr, 0, false};
  const auto array = value.As<Napi::TypedArray>();
  return {static_cast<unsigned char*>(array.ArrayBuffer().Data()) + array.ByteOffset(), array.ByteLength(), true};
}

struct Doubles { const double* data; i64 count; };
Doubles doublesOf(const Napi::Value& value) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_float64_array) return {nullptr, 0};
  const auto array = value.As<Napi::Float64Array>();
  return {array.Data(), i64(array.ElementLength())};
}

double numberOf(const Napi::Value& value) { return value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1; }

class StreamWrap : public Napi::ObjectWrap<StreamWrap> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Stream",
                       {InstanceMethod<&StreamWrap::stage>("stage"), InstanceMethod<&StreamWrap::expect>("expect"),
                        InstanceMethod<&StreamWrap::submit>("submit"), InstanceMethod<&StreamWrap::run>("run"),
                        InstanceMethod<&StreamWrap::drain>("drain"), InstanceMethod<&StreamWrap::inFlight>("inFlight"),
                        InstanceMethod<&StreamWrap::waitBelow>("waitBelow"),
                        InstanceMethod<&StreamWrap::counts>("counts"), InstanceMethod<&StreamWrap::hold>("hold"),
                        InstanceMethod<&StreamWrap::watch>("watch"), InstanceMethod<&StreamWrap::sweep>("sweep"),
                        InstanceMethod<&StreamWrap::close>("close")});
  }

  // new Stream(isa, onEvents)
  explicit StreamWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<StreamWrap>(info), env(info.Env()) {
    guarded(info, [&]() -> Napi::Value {
      const Isa* isa = info[0].IsString() ? findIsa(info[0].As<Napi::String>().Utf8Value()) : nullptr;
      if (!isa || !info[1].IsFunction()) {
        Napi::TypeError::New(env, "Stream: expected an available ISA and a function").ThrowAsJavaScriptException();
        return env.Undefined();
      }
      settle = Napi::ThreadSafeFunction::New(env, info[1].As<Napi::Function>(), "gradus", 0, 1);
      settle.Unref(env);
      stream = std::make_unique<Stream>(*isa->kernels, notify, this);
      napi_add_env_cleanup_hook(env, cleanUp, this);
      hooked = true;
      return env.Undefined();
    });
  }
  ~StreamWrap() override {
    if (hooked) napi_remove_env_cleanup_hook(env, cleanUp, this);
    end();
    for (auto& [handle, reference] : watched) napi_delete_reference(env, reference);
  }

 private:
  static void notify(void* self) {
    auto* wrap = static_cast<StreamWrap*>(self);
    if (wrap->stream->state().events.empty() || wrap->notified.exchange(true)) return;
    wrap->settle.NonBlockingCall([wrap](Napi::Env env, Napi::Function callback) {
      wrap->notified.store(false);
      if (env != nullptr && callback) callback.Call({});
    });
  }
  static void cleanUp(void* self) {
    auto* wrap = static_cast<StreamWrap*>(self);
    wrap->hooked = false;
    wrap->end();
  }
  void end() {
    if (!stream) return;
    stream->close(); // joins: nothing calls `settle` after this
    stream.reset();
    settle.Abort();
  }

  // stage(id, typedArray, lent): copies the bytes, to be taken over by an upload record; or, if lent, keeps the array
  // alive and uses its memory until the buffer is freed.
  Napi::Value stage(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value {
      const Bytes bytes = bytesOf(info[1]);
      if (!stream || !bytes.valid) return Napi::Boolean::New(env, false);
      if (info[2].ToBoolean()) {
        lent[uint64_t(numberOf(info[0]))] = Napi::Persistent(info[1].As<Napi::Object>());
        stream->state().exchange.stage(numberOf(info[0]), {bytes.data, i64(bytes.size), true});
        return Napi::Boolean::New(env, true);
      }
      auto* data = static_cast<unsigned char*>(memory::take(i64(bytes.size)));
      if (!data) return Napi::Boolean::New(env, false);
      if (bytes.size) std::memcpy(data, bytes.data, bytes.size);
      stream->state().exchange.stage(numberOf(info[0]), {data, i64(bytes.size)});
      return Napi::Boolean::New(env, true);
    });
  }
  // expect(ticket, typedArray): where a read record will put its bytes. The array is kept alive until it settles.
  Napi::Value expect(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value {
      const Bytes bytes = bytesOf(info[1]);
      if (!stream || !bytes.valid) return env.Undefined();
      targets[uint64_t(numberOf(info[0]))] = Napi::Persistent(info[1].As<Napi::Object>());
      stream->state().exchange.expect(numberOf(info[0]), {bytes.data, i64(bytes.size)});
      return env.Undefined();
    });
  }
  // submit(words, count, slots, cost)
  Napi::Value submit(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value {
      const Doubles words = doublesOf(info[0]), slots = doublesOf(info[2]);
      const double count = numberOf(info[1]);
      if (stream && count >= 0 && count <= double(words.count))
        stream->submit(words.data, i64(count), slots.data, slots.count, numberOf(info[3]));
      return env.Undefined();
    });
  }
  // run(words, count, slots)
  Napi::Value run(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value {
      const Doubles words = doublesOf(info[0]), slots = doublesOf(info[2]);
      const double count = numberOf(info[1]);
      if (stream && count >= 0 && count <= double(words.count))
        stream->runInline(words.data, i64(count), slots.data, slots.count);
      return env.Undefined();
    });
  }
  // drain(): the events since the last call, as one Float64Array.
  Napi::Value drain(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value {
      const std::vector<double> events = stream ? stream->state().events.drain() : std::vector<double>();
      for (size_t i = 0; i < events.size(); i += Events::length(events[i])) {
        if (events[i] == Events::settled) targets.erase(uint64_t(events[i + 1]));
        if (events[i] == Events::returned) lent.erase(uint64_t(events[i + 1]));
      }
      auto result = Napi::Float64Array::New(env, events.size());
      if (result.IsEmpty()) return env.Undefined(); // the environment is being torn down
      if (!events.empty()) std::memcpy(result.Data(), events.data(), events.size() * sizeof(double));
      return result;
    });
  }
  Napi::Value inFlight(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value { return Napi::Number::New(env, stream ? stream->inFlight() : 0); });
  }
  Napi::Value waitBelow(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value {
      if (stream) stream->waitBelow(numberOf(info[0]));
      return env.Undefined();
    });
  }
  // counts(): [committed steps, executed records]
  Napi::Value counts(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value {
      auto result = Napi::Array::New(env, 2);
      result.Set(0u, Napi::Number::New(env, stream ? double(stream->state().committedSteps.load()) : 0));
      result.Set(1u, Napi::Number::New(env, stream ? double(stream->state().executedRecords.load()) : 0));
      return result;
    });
  }
  // hold(yes): whether the stream keeps the process alive, as it does while a promise is pending.
  Napi::Value hold(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value {
      if (stream && info[0].ToBoolean()) settle.Ref(env);
      else if (stream) settle.Unref(env);
      return env.Undefined();
    });
  }
  // watch(object, handle): remembers the object weakly. A finalizer would not run in a loop that never yields.
  Napi::Value watch(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value {
      napi_ref reference;
      if (info[0].IsObject() && napi_create_reference(env, info[0], 0, &reference) == napi_ok)
        watched.emplace_back(numberOf(info[1]), reference);
      return env.Undefined();
    });
  }
  // sweep(): the handles of watched objects that have been collected since.
  Napi::Value sweep(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value {
      auto dead = Napi::Array::New(env);
      size_t kept = 0;
      for (auto& [handle, reference] : watched) {
        napi_value object = nullptr;
        if (napi_get_reference_value(env, reference, &object) == napi_ok && object) {
          watched[kept++] = {handle, reference};
          continue;
        }
        napi_delete_reference(env, reference);
        dead.Set(dead.Length(), Napi::Number::New(env, handle));
      }
      watched.resize(kept);
      return dead;
    });
  }
  Napi::Value close(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value {
      end();
      targets.clear();
      lent.clear();
      return env.Undefined();
    });
  }

  Napi::Env env;
  std::unique_ptr<Stream> stream;
  Napi::ThreadSafeFunction settle;
  std::atomic<bool> notified{false};
  bool hooked = false;
  std::unordered_map<uint64_t, Napi::ObjectReference> targets, lent;
  std::vector<std::pair<double, napi_ref>> watched;
};

// facts(): what this build holds and this machine can do.
Napi::Value facts(const Napi::CallbackInfo& info) {
  return guarded(info, [&]() -> Napi::Value {
    const Napi::Env env = info.Env();
    auto available = Napi::Array::New(env), built = Napi::Array::New(env);
    for (const Isa& isa : isas()) {
      built.Set(built.Length(), isa.name);
      if (isa.available) available.Set(available.Length(), isa.name);
    }
    const threads::Sizing sizing = threads::sizing();
    auto result = Napi::Object::New(env);
    result.Set("built", built);
    result.Set("available", available);
    result.Set("affinity", sizing.affinity);
    result.Set("quota", sizing.quota);
    result.Set("threads", threads::count());
    return result;
  });
}

// configure(threads, check): once for the process; later calls change nothing.
Napi::Value configure(const Napi::CallbackInfo& info) {
  return guarded(info, [&]() -> Napi::Value {
    threads::configure(int(numberOf(info[0])));
    if (info[1].ToBoolean()) memory::checkEverything();
    return Napi::Number::New(info.Env(), threads::count());
  });
}

// memory(): [bytes live in the pool, bytes idle in the pool]
Napi::Value memoryCounts(const Napi::CallbackInfo& info) {
  return guarded(info, [&]() -> Napi::Value {
    const memory::Counts counts = memory::counts();
    auto result = Napi::Array::New(info.Env(), 2);
    result.Set(0u, Napi::Number::New(info.Env(), double(counts.live)));
    result.Set(1u, Napi::Number::New(info.Env(), double(counts.idle)));
    return result;
  });
}

// adjustMemory(bytes): tells V8 that its objects hold so much more (or less) memory outside its heap.
Napi::Value adjustMemory(const Napi::CallbackInfo& info) {
  return guarded(info, [&]() -> Napi::Value {
    int64_t total = 0;
    napi_adjust_external_memory(info.Env(), int64_t(info[0].ToNumber().DoubleValue()), &total);
    return info.Env().Undefined();
  });
}

// failAllocation(n): the n-th block from now on is refused.
Napi::Value failAllocation(const Napi::CallbackInfo& info) {
  return guarded(info, [&]() -> Napi::Value {
    memory::failAfter(int64_t(numberOf(info[0])));
    return info.Env().Undefined();
  });
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("hash", Napi::Number::New(env, double(hashOfKernels())));
  exports.Set("Stream", StreamWrap::define(env));
  exports.Set("facts", Napi::Function::New(env, facts));
  exports.Set("configure", Napi::Function::New(env, configure));
  exports.Set("memory", Napi::Function::New(env, memoryCounts));
  exports.Set("adjustMemory", Napi::Function::New(env, adjustMemory));
  exports.Set("failAllocation", Napi::Function::New(env, failAllocation));
  return exports;
}

} // namespace
} // namespace gradus

static Napi::Object initGradus(Napi::Env env, Napi::Object exports) { return gradus::init(env, exports); }
NODE_API_MODULE(NODE_GYP_MODULE_NAME, initGradus)
