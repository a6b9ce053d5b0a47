#include "dispatch.h"

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#endif

namespace gradus {

#define GRADUS_ISA_TABLE(isa) namespace isa { void fillTable(KernelTable&); }
#ifdef GRADUS_HAVE_baseline
GRADUS_ISA_TABLE(baseline)
#endif
#ifdef GRADUS_HAVE_avx2
GRADUS_ISA_TABLE(avx2)
#endif
#ifdef GRADUS_HAVE_avx512
GRADUS_ISA_TABLE(avx512)
#endif
#ifdef GRADUS_HAVE_neon
GRADUS_ISA_TABLE(neon)
#endif

namespace {

// The builtins ask CPUID, and XGETBV whether the system saves the wide registers.
[[maybe_unused]] bool hasAvx2() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
#else
  return false;
#endif
}
[[maybe_unused]] bool hasAvx512() {
#if defined(__x86_64__)
  return hasAvx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#else
  return false;
#endif
}

// Only where it can run: even the code that fills a table is compiled for its instruction set.
Isa entry(const char* name, bool available, void (*fill)(KernelTable&)) {
  if (!available) return {name, false, nullptr};
  auto* table = new KernelTable{}; // lives as long as the process
  fill(*table);
  return {name, true, table};
}

} // namespace

const std::vector<Isa>& isas() {
  static const std::vector<Isa>& all = *new std::vector<Isa>([] {
    std::vector<Isa> list;
#if defined(__x86_64__)
    __builtin_cpu_init();
#endif
#ifdef GRADUS_HAVE_baseline
    list.push_back(entry("baseline", true, baseline::fillTable));
#endif
#ifdef GRADUS_HAVE_avx2
    list.push_back(entry("avx2", hasAvx2(), avx2::fillTable));
#endif
#ifdef GRADUS_HAVE_avx512
    list.push_back(entry("avx512", hasAvx512(), avx512::fillTable));
#endif
#ifdef GRADUS_HAVE_neon
    list.push_back(entry("neon", true, neon::fillTable));
#endif
    return list;
  }());
  return all;
}

const Isa* findIsa(const std::string& name) {
  const Isa* found = nullptr;
  for (const Isa& isa : isas())
    if (isa.available && (name.empty() || name == isa.name)) found = &isa;
  return found;
}

} // namespace gradus
