// Every row of kernels.def for every dtype that it lists, with its parameters and the cases to try it on.
#pragma once
#include "plans.h"

namespace gradus::test {

enum class Group { elementwise, reduction, gemm, movement, random, effect };
enum class Aliasing { distinct, exact };

struct RowOfTest {
  Row row;
  const char* name;
  int dtype;
  Group group;
  Aliasing aliasing;
  std::vector<Parameter> parameters;
  void (*call)(AnyKernel, Task&, const Arguments&);
};

inline std::vector<RowOfTest> allRows() {
  std::vector<RowOfTest> rows;
#define COMMAND(name)
#define ADD(kernel, T, group, aliasing) \
  rows.push_back({Row::kernel, #kernel, dtypeCode<T>, Group::group, Aliasing::aliasing, \
                  Shape<signature::kernel<T>>::parameters(), Shape<signature::kernel<T>>::call});
#define ROW_FLOAT(name, ...) ADD(name, float, __VA_ARGS__)
#define ROW_NUMBER(name, ...) ADD(name, float, __VA_ARGS__) ADD(name, int32_t, __VA_ARGS__)
#define ROW_BOOL(name, ...) ADD(name, Bool, __VA_ARGS__)
#define ROW_ANY(name, ...) ROW_NUMBER(name, __VA_ARGS__) ADD(name, Bool, __VA_ARGS__) ADD(name, double, __VA_ARGS__)
#define KERNEL(name, dtypes, group, aliasing, ...) ROW_##dtypes(name, group, aliasing)
#include "rows.def"
#undef KERNEL
#undef COMMAND
  return rows;
}

// The cases of a row, or none where native/test/plans.h has nothing for it.
inline Plan planOf(const RowOfTest& row) {
  int inputs = 0, strided = 0;
  size_t numbers = 0;
  for (const Parameter& p : row.parameters) inputs += p.use == Use::in, strided += p.strided, numbers += p.use == Use::number;
  const auto found = plans().find(row.name);
  if (found == plans().end()) {
    if (row.group == Group::elementwise) return elementwise(inputs, numbers);
    if (row.group == Group::reduction && numbers == 3 && strided == 0) return slices(int(row.parameters.size() - numbers), 1);
    return {};
  }
  const Plan plan = found->second();
  for (const Planned& p : plan)
    if (p.operands.size() + p.numbers.size() != row.parameters.size() || p.numbers.size() != numbers) return {};
  return plan;
}

} // namespace gradus::test
