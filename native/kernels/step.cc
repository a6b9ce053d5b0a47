// Optimizer steps, in place.                                                                     twin: lib/ops/step.ts
// `time` counts the updates of one parameter; it is state like the moments, so a step that is dropped leaves no trace.
#include "kernel.h"

namespace {

// base^exponent by squaring, in float64 and in the order of its twin, so that both devices correct by equal bits.
double power(double base, int32_t exponent) {
  double result = 1;
  for (; exponent > 0; exponent >>= 1) {
    if (exponent & 1) result *= base;
    base *= base;
  }
  return result;
}

// body(i, lanes) over all elements, in vectors.
template <class F> void forVectors(Task& task, i64 n, const F& body) {
  const i64 vectors = ceilDiv(n, V::lanes);
  forRange(task, vectors, cheapGrain / V::lanes, [&](i64 begin, i64 end) {
    for (i64 v = begin; v < end; v++) body(v * V::lanes, int(minOf2(V::lanes, n - v * V::lanes)));
  });
}

} // namespace

namespace gradus::GRADUS_ISA {

// `time` counts the updates of the velocity, of which the first is g.
// g += decay·w;  velocity = momentum·velocity + (1 − dampening)·g, or g at first;  w −= rate·(nesterov ? g + momentum·velocity : velocity)
void sgdStep(Task& task, InOut<float> w, In<float> g, InOut<float> velocity, InOut<int32_t> time, Real rate,
             Real momentum, Real dampening, Real decay, Size nesterov) {
  const V lr = V::all(float(rate)), mu = V::all(float(momentum)), wd = V::all(float(decay));
  const V fresh = V::all(*time.data == 0 ? 1.0f : float(1 - dampening));
  forVectors(task, w.size, [&](i64 i, int lanes) {
    const V weight = take(w.data + i, lanes);
    V d = take(g.data + i, lanes) + wd * weight;
    if (momentum != 0) {
      const V v = mu * take(velocity.data + i, lanes) + fresh * d;
      put(v, velocity.data + i, lanes);
      d = nesterov ? d + mu * v : v;
    }
    put(weight - lr * d, w.data + i, lanes);
  });
  if (momentum != 0) *time.data += 1;
}

// Kingma & Ba (2015), algorithm 1; decoupled decay: Loshchilov & Hutter (2019); peak: Reddi et al. (2018), AMSGrad.
// m = β₁m + (1−β₁)g;  v = β₂v + (1−β₂)g²;  w −= rate·m̂ / (√v̂ + ε) with m̂ = m/(1−β₁ᵗ), v̂ = v/(1−β₂ᵗ).
// rawEpsilon adds ε to √v before it is corrected, as Keras does.
void adamStep(Task& task, InOut<float> w, In<float> g, InOut<float> m, InOut<float> v, InOut<float> peak,
              InOut<int32_t> time, Real rate, Real beta1, Real beta2, Real epsilon, Real decay, Size decoupled,
              Size rawEpsilon) {
  const int32_t t = *time.data + 1;
  const double correct1 = 1 - power(beta1, t), correct2 = __builtin_sqrt(1 - power(beta2, t));
  const V step = V::all(float(rawEpsilon ? rate * correct2 / correct1 : rate / correct1));
  const V root = V::all(float(rawEpsilon ? 1 : correct2)), eps = V::all(float(epsilon));
  const V b1 = V::all(float(beta1)), c1 = V::all(float(1 - beta1)), b2 = V::all(float(beta2)), c2 = V::all(float(1 - beta2));
  const V coupled = V::all(float(decoupled ? 0 : decay)), keep = V::all(float(decoupled ? 1 - rate * decay : 1));
  forVectors(task, w.size, [&](i64 i, int lanes) {
    const V weight = take(w.data + i, lanes);
    const V d = take(g.data + i, lanes) + coupled * weight;
    const V first = b1 * take(m.data + i, lanes) + c1 * d;
    V second = b2 * take(v.data + i, lanes) + c2 * (d * d);
    put(first, m.data + i, lanes);
    put(second, v.data + i, lanes);
    if (peak.size) {
      second = max(take(peak.data + i, lanes), second);
      put(second, peak.data + i, lanes);
    }
    put(weight * keep - step * first / (sqrt(second) / root + eps), w.data + i, lanes);
  });
  *time.data = t;
}

} // namespace gradus::GRADUS_ISA
