// Which instruction sets the build has and the machine can run, and the kernel table of each.
#pragma once
#include <string>
#include <vector>

#include "kernels.h"

namespace gradus {

struct Isa { const char* name; bool available; const KernelTable* kernels; };

// From the least to the most capable; the first is always available.
const std::vector<Isa>& isas();
// The named one, or the best available for an empty name; null when it is unknown or not available.
const Isa* findIsa(const std::string& name);

} // namespace gradus
