// A hash of the list of kernels, to tell an addon from the TypeScript of another build. The same sum over the same text is in
// scripts/generate-kernels.mjs.
#pragma once
#include <cstdint>

namespace gradus {

// FNV-1a (Fowler, Noll, Vo), skipping white space.
constexpr uint32_t hashText(uint32_t hash, const char* text) {
  for (; *text; text++)
    if (*text != ' ' && *text != '\n' && *text != '\t') hash = (hash ^ uint32_t(uint8_t(*text))) * 16777619u;
  return hash;
}

constexpr uint32_t hashOfKernels() {
  uint32_t hash = 2166136261u;
#define COMMAND(name) hash = hashText(hash, #name ";");
#define KERNEL(name, dtypes, group, aliasing, contract, ...) \
  hash = hashText(hash, #name "|" #dtypes "|" #group "|" #aliasing "|" #__VA_ARGS__ ";");
#include "rows.def"
#undef KERNEL
#undef COMMAND
  return hash;
}

} // namespace gradus
