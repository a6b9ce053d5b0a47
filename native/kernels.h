// Everything that kernels.def says, as C++ types: the rows, their signatures, and the table of one instruction set.
#pragma once
#include "types.h"

// X(name, T) for each element type of a dtype list.
#define GRADUS_FLOAT(X, name) X(name, float)
#define GRADUS_NUMBER(X, name) X(name, float) X(name, int32_t)
#define GRADUS_BOOL(X, name) X(name, Bool)
#define GRADUS_ANY(X, name) X(name, float) X(name, int32_t) X(name, Bool) X(name, double)

namespace gradus {

// The position of an element type in a row, and its code in a record.
constexpr int dtypeCount = 4;
template <class T> constexpr int dtypeCode = -1;
template <> inline constexpr int dtypeCode<float> = 0;
template <> inline constexpr int dtypeCode<int32_t> = 1;
template <> inline constexpr int dtypeCode<Bool> = 2;
template <> inline constexpr int dtypeCode<double> = 3;

enum class Command : int {
#define COMMAND(name) name,
#define KERNEL(...)
#include "rows.def"
#undef COMMAND
#undef KERNEL
  count
};
constexpr int commandCount = static_cast<int>(Command::count);

#define COMMAND(name)

enum class Row : int {
#define KERNEL(name, ...) name,
#include "rows.def"
#undef KERNEL
  count
};
constexpr int rowCount = static_cast<int>(Row::count);

namespace signature {
#define KERNEL(name, dtypes, group, aliasing, contract, ...) template <class T> using name = void(Task&, __VA_ARGS__);
#include "rows.def"
#undef KERNEL
} // namespace signature

#undef COMMAND

// One function for each row and dtype code; null where the row does not list the dtype.
using AnyKernel = void (*)();
struct KernelTable { AnyKernel rows[rowCount][dtypeCount]; };

} // namespace gradus
