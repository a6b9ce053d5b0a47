// Fused losses.                                                                                  twin: lib/ops/loss.ts
#include "sums.h"

namespace {

bool targetsInRange(Task& task, In<int32_t> target, Size classes, Real ignoreIndex) {
  if (target.size && classes == 0) task.fault = Fault::contract; // a row without classes has no maximum
  if (task.failed()) return false;
  for (i64 i = 0; i < target.size; i++) {
    const int32_t t = target.data[i];
    if (t == ignoreIndex || (t >= 0 && t < classes)) continue;
    task.fault = Fault::indexOutOfRange;
    task.value = t;
    task.position = double(i);
    task.limit = double(classes);
    return false;
  }
  return true;
}

inline float maxOfRow(const float* x, i64 n) {
  float m = -__builtin_inff();
  for (i64 i = 0; i < n; i++) m = x[i] > m || x[i] != x[i] ? x[i] : m;
  return m;
}

inline float logOf(float x) {
  float lanes[V::lanes];
  log(V::all(x)).store(lanes);
  return lanes[0];
}

// How much of the loss is at the target, 1 − s, and at every class, s/C; each times the weight of the class.
struct Shares {
  const float* weight; // none: all are 1
  float on, off, offAll;
  Shares(In<float> w, i64 classes, Real smoothing) : weight(w.size ? w.data : nullptr) {
    on = float(1 - smoothing);
    off = float(smoothing / double(classes));
    offAll = off == 0 ? 0 : off * (weight ? rowSum(classes, [&](i64 i, int lanes) { return take(weight + i, lanes); }) : float(classes));
  }
  float atTarget(int32_t t) const { return weight ? on * weight[t] : on; }
  float together(int32_t t) const { return weight ? atTarget(t) + offAll : 1; }
  V weights(i64 c, int lanes) const { return weight ? take(weight + c, lanes) : V::all(1); }
};

// A position whose value is outside [0, 1]; NaN is not.
bool isProbability(float p) { return !(p < 0) && !(p > 1); }

// Finds the first element that is none, in row-major order. `limit` tells the operands apart.
bool probabilities(Task& task, const StridedIn<float>& x, double operand) {
  const int outer = x.at.rank ? x.at.rank - 1 : 0;
  const i64 n = x.at.rank ? x.at.dims[outer] : 1, stride = x.at.rank ? x.at.strides[outer] : 0;
  const i64 rows = n ? elements(x.at, 0, outer) : 0;
  const Layout* const layouts[] = {&x.at};
  if (rows == 0) return true;
  Rows<1> walk(layouts, outer, 0);
  for (i64 row = 0; row < rows; row++, walk.next())
    for (i64 i = 0; i < n; i++) {
      const float v = x.data[walk.offset[0] + i * stride];
      if (isProbability(v)) continue;
      task.fault = Fault::notProbability;
      task.value = v;
      task.position = double(row * n + i);
      task.limit = operand;
      return false;
    }
  return true;
}

} // namespace

namespace gradus::GRADUS_ISA {

// loss = (a + b)·logSum − a·(x[t] − top) − s/C·Σ w (x − top), with a = (1 − s)·w[t], b = s/C·Σ w, s the label smoothing
// and logSum = log Σ exp(x − top). Kept apart, top and logSum lose no digits to each other.
void crossEntropy(Task& task, In<float> x, In<int32_t> target, In<float> weight, Out<float> loss, Out<float> top,
                  Out<float> logSum, Size n, Size classes, Real ignoreIndex, Real smoothing) {
  if (!targetsInRange(task, target, classes, ignoreIndex)) return;
  const Shares shares(weight, classes, smoothing);
  forRange(task, n, ceilDiv(cheapGrain / 4, maxOf2(classes, 1)), [&](i64 begin, i64 end) {
    for (i64 r = begin; r < end; r++) {
      const float* row = x.data + r * classes;
      const float m = maxOfRow(row, classes);
      const V shift = V::all(m);
      const int32_t t = target.data[r];
      top.data[r] = m;
      logSum.data[r] = logOf(rowSum(classes, [&](i64 i, int lanes) { return exp(take(row + i, lanes) - shift); }));
      loss.data[r] = 0;
      if (t == ignoreIndex) continue;
      const float rest = shares.off == 0 ? 0 : shares.off * rowSum(classes, [&](i64 i, int lanes) {
        return shares.weights(i, lanes) * (take(row + i, lanes) - shift);
      });
      loss.data[r] = shares.together(t) * logSum.data[r] - shares.atTarget(t) * (row[t] - m) - rest;
    }
  });
}

// dx = g·((a + b)·exp(x − top − logSum) − a·onehot(t) − s/C·w)
void crossEntropyGrad(Task& task, In<float> g, In<float> x, In<int32_t> target, In<float> weight, In<float> top,
                      In<float> logSum, Out<float> dx, Size n, Size classes, Real ignoreIndex, Real smoothing) {
  if (!targetsInRange(task, target, classes, ignoreIndex)) return;
  const Shares shares(weight, classes, smoothing);
  forRange(task, n, ceilDiv(cheapGrain / 4, maxOf2(classes, 1)), [&](i64 begin, i64 end) {
    for (i64 r = begin; r < end; r++) {
      const float* row = x.data + r * classes;
      float* out = dx.data + r * classes;
      const int32_t t = target.data[r];
      if (t == ignoreIndex) {
        for (i64 c = 0; c < classes; c++) out[c] = 0;
        continue;
      }
      const V m = V::all(top.data[r]), s = V::all(logSum.data[r]), by = V::all(g.data[r]);
      const V all = V::all(shares.together(t)), low = V::all(shares.off);
      for (i64 c = 0; c < classes; c += V::lanes) {
        const int lanes = int(minOf2(V::lanes, classes - c));
        put((exp(take(row + c, lanes) - m - s) * all - low * shares.weights(c, lanes)) * by, out + c, lanes);
      }
      out[t] -= g.data[r] * shares.atTarget(t);
    }
  });
}

// −t·max(log p, −100) − (1 − t)·max(log(1 − p), −100)
void bce(Task& task, StridedIn<float> p, StridedIn<float> target, Out<float> y) {
  bool bad = false; // where, is searched for only if there is any
  elementwise(task, y, [&](V p, V t) {
    if (::any((p < 0) | (p > 1) | (t < 0) | (t > 1))) __atomic_store_n(&bad, true, __ATOMIC_RELAXED);
    return -(t * max(log(p), -100) + (1 - t) * max(log1p(-p), -100));
  }, p, target);
  if (bad && probabilities(task, p, 0)) probabilities(task, target, 1);
}
// g·(p − t) / max(p·(1 − p), 10⁻¹²)
void bceGrad(Task& task, StridedIn<float> upstream, StridedIn<float> p, StridedIn<float> target, Out<float> dp) {
  elementwise(task, dp, [](V g, V p, V t) { return g * ((p - t) / max(p * (1 - p), 1e-12f)); }, upstream, p, target);
}

// (x < 0 ? −x·t : x·(1 − t)) + log(1 + exp(−|x|))
void bceWithLogits(Task& task, StridedIn<float> logits, StridedIn<float> target, Out<float> y) {
  elementwise(task, y, [](V x, V t) { return select(x < 0, -x * t, x * (1 - t)) + log1p(exp(-abs(x))); }, logits, target);
}
void bceWithLogitsGrad(Task& task, StridedIn<float> upstream, StridedIn<float> logits, StridedIn<float> target,
                       Out<float> dx) {
  elementwise(task, dx, [](V g, V x, V t) { return g * (sigmoid(x) - t); }, upstream, logits, target);
}

} // namespace gradus::GRADUS_ISA
