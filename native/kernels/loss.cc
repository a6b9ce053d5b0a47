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

} // namespace

namespace gradus::GRADUS_ISA {

// loss = logSum − (1 − s)·(x[t] − top) − s/C·Σ (x − top), with logSum = log Σ exp(x − top) and s the label smoothing.
// Kept apart, top and logSum lose no digits to each other.
void crossEntropy(Task& task, In<float> x, In<int32_t> target, Out<float> loss, Out<float> top, Out<float> logSum,
                  Size n, Size classes, Real ignoreIndex, Real smoothing) {
  if (!targetsInRange(task, target, classes, ignoreIndex)) return;
  const float on = float(1 - smoothing), off = float(smoothing / double(classes));
  forRange(task, n, ceilDiv(cheapGrain / 4, maxOf2(classes, 1)), [&](i64 begin, i64 end) {
    for (i64 r = begin; r < end; r++) {
      const float* row = x.data + r * classes;
      const float m = maxOfRow(row, classes);
      const V shift = V::all(m);
      top.data[r] = m;
      logSum.data[r] = logOf(rowSum(classes, [&](i64 i, int lanes) { return exp(take(row + i, lanes) - shift); }));
      const int32_t t = target.data[r];
      const float rest = off == 0 ? 0 : off * rowSum(classes, [&](i64 i, int lanes) { return take(row + i, lanes) - shift; });
      loss.data[r] = t == ignoreIndex ? 0 : logSum.data[r] - on * (row[t] - m) - rest;
    }
  });
}

// dx = g·(exp(x − top − logSum) − (1 − s)·onehot(t) − s/C)
void crossEntropyGrad(Task& task, In<float> g, In<float> x, In<int32_t> target, In<float> top, In<float> logSum,
                      Out<float> dx, Size n, Size classes, Real ignoreIndex, Real smoothing) {
  if (!targetsInRange(task, target, classes, ignoreIndex)) return;
  const float on = float(1 - smoothing), off = float(smoothing / double(classes));
  forRange(task, n, ceilDiv(cheapGrain / 4, maxOf2(classes, 1)), [&](i64 begin, i64 end) {
    for (i64 r = begin; r < end; r++) {
      const float* row = x.data + r * classes;
      float* out = dx.data + r * classes;
      const int32_t t = target.data[r];
      const float scale = t == ignoreIndex ? 0 : g.data[r];
      const V m = V::all(top.data[r]), s = V::all(logSum.data[r]), by = V::all(scale), low = V::all(off);
      i64 c = 0;
      for (; c + V::lanes <= classes; c += V::lanes) ((exp(V::load(row + c) - m - s) - low) * by).store(out + c);
      const int left = int(classes - c);
      if (left) ((exp(V::loadPart(row + c, left) - m - s) - low) * by).storePart(out + c, left);
      if (t != ignoreIndex) out[t] -= scale * on;
    }
  });
}

// max(x, 0) − x·t + log(1 + exp(−|x|))
void bceWithLogits(Task& task, StridedIn<float> logits, StridedIn<float> target, Out<float> y) {
  elementwise(task, y, [](V x, V t) { return max(x, V::all(0)) - x * t + log1p(exp(-abs(x))); }, logits, target);
}
void bceWithLogitsGrad(Task& task, StridedIn<float> upstream, StridedIn<float> logits, StridedIn<float> target,
                       Out<float> dx) {
  elementwise(task, dx, [](V g, V x, V t) { return g * (sigmoid(x) - t); }, upstream, logits, target);
}

} // namespace gradus::GRADUS_ISA
