// How to fill the operands of each row of kernels.def, and how far instruction sets may differ from one another.
// Elementwise rows need no entry in `plans`, nor do dense reductions over [outer, n, inner]; other structured rows need
// one, and kernels_test says so where it is missing.
#pragma once
#include <functional>
#include <map>

#include "operands.h"

namespace gradus::test {

// ---- tolerances: eps is 2^-24, S the sum of absolute terms, K their number ----

enum class Measure {
  same,   // equal values; bytes where the row moves or draws
  ulp,    // units in the last place
  scaled, // eps · Π (1 + |input|) at that element: functions whose terms cancel
  sum,    // eps · √K · S, S from the same row on absolute values
  bound,  // eps · √K · scale of the case
};
struct Tolerance { Measure measure; double factor; };

// Twice what simd/math.h promises (each side may err), and one more for each rounding that follows.
inline Tolerance toleranceOf(const std::string& row) {
  static const std::map<std::string, Tolerance> all = {
      {"exp", {Measure::ulp, 3}},        {"expm1", {Measure::ulp, 4}},       {"log", {Measure::ulp, 2}},
      {"log1p", {Measure::ulp, 4}},      {"sin", {Measure::ulp, 4}},         {"cos", {Measure::ulp, 4}},
      {"sinGrad", {Measure::ulp, 6}},    {"cosGrad", {Measure::ulp, 6}},     {"tanh", {Measure::ulp, 4}},
      {"sigmoid", {Measure::ulp, 6}},    {"elu", {Measure::ulp, 6}},         {"eluGrad", {Measure::ulp, 6}},
      {"silu", {Measure::ulp, 8}},       {"siluGrad", {Measure::scaled, 8}}, {"softplus", {Measure::ulp, 4}},
      {"softplusGrad", {Measure::ulp, 8}}, {"erf", {Measure::ulp, 4}},       {"erfGrad", {Measure::ulp, 6}},
      {"gelu", {Measure::scaled, 4}},    {"geluGrad", {Measure::scaled, 8}}, {"geluTanh", {Measure::ulp, 10}},
      {"geluTanhGrad", {Measure::scaled, 10}}, {"pow", {Measure::ulp, 5}},
      {"bce", {Measure::ulp, 8}}, {"bceGrad", {Measure::ulp, 6}},
      {"bceWithLogits", {Measure::scaled, 6}}, {"bceWithLogitsGrad", {Measure::scaled, 8}},
      {"sum", {Measure::sum, 4}},        {"prod", {Measure::ulp, 1}},      {"matmul", {Measure::sum, 4}},
      {"softmax", {Measure::bound, 8}},  {"softmaxGrad", {Measure::bound, 8}},
      {"logSoftmax", {Measure::bound, 8}}, {"logSoftmaxGrad", {Measure::bound, 8}},
      {"crossEntropy", {Measure::bound, 8}}, {"crossEntropyGrad", {Measure::bound, 8}},
  };
  const auto found = all.find(row);
  return found == all.end() ? Tolerance{Measure::same, 0} : found->second;
}

// Rows whose inputs hold no infinities, NaN or extremes: a sum of them says nothing.
inline bool plainNumbersOnly(const std::string& row) {
  const Measure m = toleranceOf(row).measure;
  return m == Measure::scaled || m == Measure::sum || m == Measure::bound || row == "prod";
}

// ---- cases ----

struct Planned : Case {
  double terms = 1, scale = 1;
  Planned(std::string note, std::vector<Spec> operands, std::vector<double> numbers = {}, double terms = 1, double scale = 1)
      : Case{std::move(note), std::move(operands), std::move(numbers)}, terms(terms), scale(scale) {}
};
using Plan = std::vector<Planned>;
constexpr int lengths = 3 * 16 + 2; // 0 … 3·lanes + 1 of the widest vectors
inline std::string text(i64 n) { return std::to_string(n); }

// Strides of every kind: row-major, with gaps, backwards, column-major, every second, repeated.
constexpr int strideKinds = 7;
inline std::vector<i64> stridesOf(const std::vector<Size>& dims, int kind) {
  std::vector<i64> s = rowMajor(dims);
  const size_t rank = dims.size();
  if (rank == 0) return s;
  if (kind == 1) for (size_t d = 0; d + 1 < rank; d++) s[d] = s[d] / (dims[rank - 1] ? dims[rank - 1] : 1) * (dims[rank - 1] + 3);
  if (kind == 2) for (i64& step : s) step = -step;
  if (kind == 3) for (size_t d = 0; d < rank; d++) s[d] = d == 0 ? 1 : s[d - 1] * dims[d - 1];
  if (kind == 4) for (i64& step : s) step *= 2;
  if (kind == 5) s[rank - 1] = 0;
  if (kind == 6) s[0] = 0;
  return s;
}

// Inputs of equal dims, each with strides of another kind, and one dense output.
inline Plan elementwise(int inputs, size_t numbers) {
  Plan plan;
  const auto add = [&](const std::vector<Size>& dims, int kind) {
    std::vector<Spec> operands;
    for (int i = 0; i < inputs; i++) operands.push_back({dims, stridesOf(dims, kind ? (kind + 2 * i) % strideKinds : 0)});
    operands.push_back({{countOf(dims)}});
    std::string note = "strides " + text(kind) + ", dims";
    for (const Size d : dims) note += " " + text(d);
    plan.emplace_back(note, operands, std::vector<double>{-0.5, 1.75, 2, 3}).numbers.resize(numbers);
  };
  for (Size n = 0; n < lengths; n++) {
    add({n}, 0);
    add({n}, 1 + int(n) % (strideKinds - 1));
  }
  for (int kind = 0; kind < strideKinds; kind++)
    for (const Size n : {0, 1, 2, 5, 8, 16, 17, 33}) {
      add({3, n}, kind);
      if (n == 5 || n == 17) add({n, 3}, kind), add({2, n, 3}, kind), add({2, 1, 2, 1, n, 2}, kind);
    }
  add({}, 0);
  for (const Size n : {257, 1000, 4099, 70001}) add({n}, 0);
  add({40000}, 4);
  for (int kind = 0; kind < 4; kind++) add({130, 601}, kind);
  return plan;
}

// copy and assign: dims like those of the input.
inline Plan moves() {
  Plan plan = elementwise(1, 0);
  int i = 0;
  for (Planned& c : plan) { // an output's elements are distinct, so its strides are never 0
    c.operands[1] = {c.operands[0].dims, stridesOf(c.operands[0].dims, i++ % 5)};
    c.note += ", to " + text(i % 5);
  }
  return plan;
}
inline Plan fills() {
  Plan plan = moves();
  for (Planned& c : plan) {
    c.operands = {c.operands[1]};
    c.numbers = {3};
  }
  return plan;
}
inline Plan dense(int operands, std::vector<double> numbers) {
  Plan plan;
  const auto add = [&](Size n) { plan.emplace_back(text(n), std::vector<Spec>(size_t(operands), Spec{{n}}), numbers); };
  for (Size n = 0; n < lengths; n++) add(n);
  for (const Size n : {129, 1000, 4099, 70001}) add(n);
  return plan;
}

// The first `kept` dims of x index y. Each pair of dims and strides reaches another loop of reduce.cc.
inline Plan reductions(Size longest, bool divisor, bool emptyToo) {
  Plan plan;
  const auto add = [&](std::vector<Size> dims, size_t kept, std::vector<i64> strides) {
    const std::vector<Size> outer(dims.begin(), dims.begin() + long(kept));
    const Size size = countOf({dims.begin() + long(kept), dims.end()});
    if (size > longest || (size == 0 && !emptyToo)) return;
    std::string note = "kept " + text(Size(kept)) + " of";
    for (const Size d : dims) note += " " + text(d);
    std::vector<double> numbers{double(kept)};
    if (divisor) numbers.push_back(size > 3 ? double(size) : 1);
    plan.emplace_back(note, std::vector<Spec>{{dims, strides}, {{countOf(outer)}}}, numbers, double(size + 1));
  };
  for (Size n = 0; n < lengths; n++) {
    add({n}, 0, {1});
    add({3, n}, 1, {n, 1});
    add({n, 5}, 1, {1, n}); // the kept dim is the consecutive one
    if (n % 7 == 3) add({n}, 0, {-1}), add({2, n}, 1, {0, 3}), add({n}, 1, {1}), add({2, 3, n}, 2, {3 * n, -n, 1});
    if (n % 11 == 5) add({2, n, 3, 4}, 2, {12 * n, 1, 4 * n, n}), add({2, 2, n, 3}, 1, {6 * n, 3 * n, 3, 1});
  }
  add({}, 0, {});
  add({5000}, 0, {1});
  add({200, 129}, 1, {129, 1});
  add({129, 200}, 1, {1, 129});
  add({700, 90}, 1, {1, 700});
  add({70000}, 0, {1}); // leaves shared among threads
  add({2, 66000}, 1, {1, 2});
  add({3, 66001}, 1, {66001, 1});
  return plan;
}

inline Plan matmuls() {
  Plan plan;
  const auto add = [&](Size batch, Size m, Size k, Size n, int layout) {
    Spec a{{batch, m, k}, {m * k, k, 1}}, b{{batch, k, n}, {k * n, n, 1}};
    if (layout & 1) a.strides = {m * k, 1, m};
    if (layout & 2) b.strides = {k * n, 1, k};
    if (layout & 4) b.strides[0] = 0;
    if (layout & 8) a.strides = {2 * m * k, -2 * k, -2};
    if (batch == 1 && layout < 4) a.dims.erase(a.dims.begin()), a.strides.erase(a.strides.begin()),
                                  b.dims.erase(b.dims.begin()), b.strides.erase(b.strides.begin());
    plan.emplace_back(text(batch) + " times " + text(m) + " " + text(k) + " " + text(n) + ", layout " + text(layout),
                      std::vector<Spec>{a, b, {{batch * m * n}}}, std::vector<double>{}, double(k + 1));
  };
  for (Size s = 0; s < lengths; s++) add(1, s % 14, s, (s * 5) % 71, int(s % 4)), add(1, 3, 2, s, 0), add(1, s, 2, 3, 2);
  for (int layout = 0; layout < 16; layout++) add(1, 7, 9, 65, layout), add(3, 5, 17, 33, layout);
  for (int layout = 0; layout < 4; layout++) add(1, 67, 70, 130, layout);
  add(1, 200, 64, 40, 0);
  add(1, 4, 300, 700, 0);
  add(1, 13, 641, 35, 0); // two blocks of K
  add(1, 30, 1300, 65, 3);
  add(1, 1, 50, 2100, 0); // two blocks of N
  add(1, 5, 9000, 7, 2);  // so many that they are added in float64
  add(33, 2, 9000, 3, 0);
  add(33, 8, 16, 8, 2);   // many small products, each on one thread
  return plan;
}

// Along the middle of [outer, n, inner]: inputs and output of that size.
inline Plan slices(int operands, double scale, bool sums = false) { // sums: terms of about `scale` are added up
  Plan plan;
  const auto add = [&](Size o, Size n, Size i) {
    plan.emplace_back(text(o) + " " + text(n) + " " + text(i), std::vector<Spec>(size_t(operands), Spec{{o * n * i}}),
                      std::vector<double>{double(o), double(n), double(i)}, double(n + 1), sums ? scale * double(n + 1) : scale);
  };
  for (Size n = 0; n < lengths; n++) add(2, n, 1), add(2, 3, n), add(n, 2, 1);
  for (const Size n : {1, 5, 17}) add(3, n, 7), add(0, n, 3), add(2, n, 0);
  add(37, 1000, 1);
  add(3, 2500, 1); // several chains of a row
  add(3, 300, 70);
  add(40, 40, 40);
  return plan;
}
inline Plan prodGrads() {
  Plan plan = slices(3, 1);
  for (Planned& c : plan) c.operands[0] = {{Size(c.numbers[0] * c.numbers[2])}};
  return plan;
}

// gather, scatterAdd: one index per element. indexSelect, indexAdd: one per slice. `back`: from [outer, k, inner].
inline Plan indexing(bool perElement, bool back) {
  Plan plan;
  const auto add = [&](Size o, Size n, Size k, Size i) {
    const Spec table{{o * n * i}}, picked{{o * k * i}};
    const Spec index{{perElement ? o * k * i : k}, {}, Values::indices, n};
    plan.emplace_back(text(o) + " " + text(n) + " " + text(k) + " " + text(i),
                      back ? std::vector<Spec>{picked, index, table} : std::vector<Spec>{table, index, picked},
                      std::vector<double>{double(o), double(n), double(k), double(i)});
  };
  for (Size s = 1; s < lengths; s++) add(2, 5, 3, s), add(1, s, 9, 2), add(1, 7, s, 1);
  add(0, 3, 2, 1), add(2, 3, 0, 5), add(2, 3, 4, 0), add(3, 0, 0, 2);
  add(3, 50, 400, 70), add(200, 9, 60, 5), add(1, 1000, 2000, 33);
  return plan;
}
inline Plan oneHots() {
  Plan plan;
  for (Size n = 0; n < lengths; n++)
    plan.emplace_back(text(n), std::vector<Spec>{{{n}, {}, Values::indices, n % 17 + 1}, {{n * (n % 17 + 1)}}},
                      std::vector<double>{double(n % 17 + 1)});
  plan.emplace_back("5000 10", std::vector<Spec>{{{5000}, {}, Values::indices, 10}, {{50000}}}, std::vector<double>{10});
  return plan;
}
inline Plan nonzeros() {
  Plan plan = dense(2, {});
  for (Planned& c : plan) c.operands.push_back({{1}});
  return plan;
}

// x, target, weight → loss, top, logSum · g, x, target, weight, top, logSum → dx. Class 7, where there is one, is ignored.
inline Plan crossEntropies(bool gradient) {
  Plan plan;
  const auto add = [&](Size n, Size classes, double smoothing) {
    const Spec rows{{n}}, x{{n * classes}}, target{{n}, {}, Values::indices, classes}, top{{n}, {}, Values::sevens};
    const Spec weight{{classes % 2 ? classes : 0}};
    plan.emplace_back(text(n) + " of " + text(classes), gradient ? std::vector<Spec>{rows, x, target, weight, top, rows, x}
                                                                  : std::vector<Spec>{x, target, weight, rows, rows, rows},
                      std::vector<double>{double(n), double(classes), 7, smoothing}, double(classes), 8);
  };
  for (Size c = 1; c < lengths; c++) add(c % 5 + 1, c, c % 3 ? 0 : 0.25);
  add(0, 10, 0), add(300, 10, 0.1), add(64, 1000, 0), add(3, 2500, 0.1);
  return plan;
}

inline Plan probabilities() {
  Plan plan = elementwise(2, 0);
  for (Planned& c : plan) c.operands[0].values = c.operands[1].values = Values::unit;
  return plan;
}

inline Plan sgdSteps() {
  Plan plan;
  for (const double momentum : {0.0, 0.9}) {
    for (Planned& c : dense(3, {0.1, momentum, 0.25, 0.01, momentum != 0 ? 1.0 : 0.0})) {
      if (momentum == 0) c.operands[2] = {{0}};
      c.operands.push_back({{1}, {}, countOf(c.operands[0].dims) % 2 ? Values::zeros : Values::sevens});
      plan.push_back(c);
    }
  }
  return plan;
}
inline Plan adamSteps() {
  Plan plan;
  for (const int options : {0, 1, 2, 7}) {
    for (Planned& c : dense(5, {0.1, 0.9, 0.999, 1e-8, 0.01, double(options & 1), double(options >> 1 & 1)})) {
      c.operands[3].values = c.operands[4].values = Values::unit;
      if (!(options & 4)) c.operands[4] = {{0}};
      c.operands.push_back({{1}, {}, options & 1 ? Values::zeros : Values::sevens});
      plan.push_back(c);
    }
  }
  return plan;
}

inline const std::map<std::string, std::function<Plan()>>& plans() {
  static const std::map<std::string, std::function<Plan()>> all = {
      {"copy", moves}, {"assign", moves}, {"fill", fills},
      {"arange", [] { return dense(1, {-3, 2}); }},
      {"sum", [] { return reductions(100000, true, true); }},
      {"prod", [] { return reductions(150, false, true); }},
      {"max", [] { return reductions(100000, false, true); }},
      {"min", [] { return reductions(100000, false, true); }},
      {"argmax", [] { return reductions(100000, false, false); }},
      {"argmin", [] { return reductions(100000, false, false); }},
      {"any", [] { return reductions(100000, false, true); }},
      {"all", [] { return reductions(100000, false, true); }},
      {"prodGrad", prodGrads},
      {"matmul", matmuls},
      {"softmaxGrad", [] { return slices(3, 9, true); }},
      {"logSoftmax", [] { return slices(2, 8); }},
      {"logSoftmaxGrad", [] { return slices(3, 60, true); }},
      {"gather", [] { return indexing(true, false); }},
      {"scatterAdd", [] { return indexing(true, true); }},
      {"indexSelect", [] { return indexing(false, false); }},
      {"indexAdd", [] { return indexing(false, true); }},
      {"oneHot", oneHots}, {"nonzero", nonzeros},
      {"uniform", [] { return dense(1, {-1, 2, 123456789012345, 987654321}); }},
      {"normal", [] { return dense(1, {0.5, 2, 123456789012345, 987654321}); }},
      {"randint", [] { return dense(1, {-5, 1000, 123456789012345, 987654321}); }},
      {"dropout", [] { return dense(2, {0.3, 123456789012345, 987654321}); }},
      {"bce", probabilities},
      {"crossEntropy", [] { return crossEntropies(false); }},
      {"crossEntropyGrad", [] { return crossEntropies(true); }},
      {"probe", [] { return dense(1, {7}); }},
      {"sgdStep", sgdSteps}, {"adamStep", adamSteps},
  };
  return all;
}

} // namespace gradus::test
