// Elementwise functions of one value: the gradients of unary.def. A file of its own, to be compiled beside the values.
#include "functions.h"

namespace gradus::GRADUS_ISA {

#define UNARY(name, dtypes, value)
#define UNARY_WITH_GRADIENT(name, dtypes, value, gradient) \
  void name##Grad(Task& task, StridedIn<float> upstream, StridedIn<float> saved, Out<float> dx, Real p, Real q) { \
    [[maybe_unused]] const V a = V::all(float(p)), b = V::all(float(q)); \
    elementwise(task, dx, [=](V g, [[maybe_unused]] V v) { return V(gradient); }, upstream, saved); \
  }
#define TEST(name, dtypes, value)
#include "unary.def"

} // namespace gradus::GRADUS_ISA
