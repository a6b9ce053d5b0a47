// The table of one instruction set. Like every file in this folder it is compiled once per instruction set, into the
// namespace of that name. Every kernel is declared here for every dtype of its row, so a missing body fails to link.
#include "../kernels.h"

namespace gradus::GRADUS_ISA {

#define COMMAND(name)
#define DECLARE(name, T) signature::name<T> name;
#define KERNEL(name, dtypes, ...) GRADUS_##dtypes(DECLARE, name)
#include "../rows.def"
#undef KERNEL

#define ENTRY(name, T) table.rows[int(Row::name)][dtypeCode<T>] = AnyKernel(static_cast<signature::name<T>*>(&name));
#define KERNEL(name, dtypes, ...) GRADUS_##dtypes(ENTRY, name)

void fillTable(KernelTable& table) {
#include "../rows.def"
}

} // namespace gradus::GRADUS_ISA
