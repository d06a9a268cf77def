// What a CPU does faster than libtorch's defaults, in fp32: products by oneDNN instead of MKL, and one pass over
// memory where libtorch makes several. Called by src/cpu.rs alone.
//
// The functions of one argument are written so that a compiler makes vector code of them, once for each kind of
// processor; a NaN goes through all of them.
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mm.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

#include "guarded.h"

#if defined(__x86_64__) && defined(__linux__)
#define EACH_PROCESSOR __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define EACH_PROCESSOR
#endif

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// x [m, k] times wᵀ, w [n, k], plus b [n]: by oneDNN, whose kernels use all of a processor's vectors, whoever
// made it.
at::Tensor product(const at::Tensor &x, const at::Tensor &w, const std::optional<at::Tensor> &b) {
  using Linear = at::Tensor(const at::Tensor &, const at::Tensor &, const std::optional<at::Tensor> &,
                            std::string_view, c10::List<std::optional<at::Scalar>>,
                            std::optional<std::string_view>);
  static const auto linear = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
  if (linear) return linear->typed<Linear>().call(x, w, b, "none", c10::List<std::optional<at::Scalar>>(), std::nullopt);
  return b ? at::addmm(*b, x, w.t()) : at::mm(x, w.t());
}

// x [m, k], g [m, n]: gᵀ x [n, k]. The product whose rows are fewer is made, and turned where need be.
at::Tensor columns_by_columns(const at::Tensor &g, const at::Tensor &x) {
  if (g.size(1) <= x.size(1)) return product(g.t(), x.t(), std::nullopt);
  return product(x.t(), g.t(), std::nullopt).t();
}

// x [m, k] · w + b, w [k, n] if `in_out`, else x · wᵀ + b, w [n, k].
struct Linear : torch::autograd::Function<Linear> {
  static at::Tensor forward(AutogradContext *context, const at::Tensor &x, const at::Tensor &w,
                            const at::Tensor &b, bool in_out) {
    context->save_for_backward({x, w});
    context->saved_data["in_out"] = in_out;
    return product(x, in_out ? w.t() : w, b);
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto &x = saved[0], &w = saved[1];
    const bool in_out = context->saved_data["in_out"].toBool();
    const auto g = gradients[0].contiguous();
    return {product(g, in_out ? w : w.t(), std::nullopt), in_out ? columns_by_columns(x, g) : columns_by_columns(g, x), g.sum(0), at::Tensor()};
  }
};

// e^x: 2^n times a polynomial on half a unit around 0 (Taylor, to 2e-8 there).
inline float exponential(float x) {
  x = x < -87.0f ? -87.0f : x;
  x = x > 88.0f ? 88.0f : x;
  const float shifted = x * 1.44269504f + 12582912.0f;
  const float n = shifted - 12582912.0f;
  const float r = x - n * 0.693359375f + n * 2.12194440e-4f;
  float p = 1.0f / 5040.0f;
  p = p * r + 1.0f / 720.0f;
  p = p * r + 1.0f / 120.0f;
  p = p * r + 1.0f / 24.0f;
  p = p * r + 1.0f / 6.0f;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  int32_t bits;
  memcpy(&bits, &shifted, sizeof bits);
  bits = (bits - 0x4b400000 + 127) << 23;
  float scale;
  memcpy(&scale, &bits, sizeof scale);
  return p * scale;
}

constexpr float ROOT_2_OVER_PI = 0.79788456f;
constexpr float CUBIC = 0.044715f;

// gelu by tanh: x times the logistic function of 2 u, u = sqrt(2/pi) (x + 0.044715 x^3).
inline float logistic(float x) {
  return 1.0f / (1.0f + exponential(-2.0f * ROOT_2_OVER_PI * x * (1.0f + CUBIC * x * x)));
}

// The normal distribution function, and e^(-x^2/2): Abramowitz and Stegun 7.1.26, to 1.5e-7.
inline float normal(float x, float *bell) {
  const float z = std::fabs(x) * 0.70710678f;
  const float t = 1.0f / (1.0f + 0.3275911f * z);
  const float p = ((((1.061405429f * t - 1.453152027f) * t + 1.421413741f) * t - 0.284496736f) * t + 0.254829592f) * t;
  *bell = exponential(-z * z);
  const float tail = 0.5f * p * *bell;
  return x > 0.0f ? 1.0f - tail : tail;
}

EACH_PROCESSOR void gelu_tanh(const float *x, float *y, int64_t count) {
  for (int64_t i = 0; i < count; ++i) y[i] = x[i] * logistic(x[i]);
}

EACH_PROCESSOR void gelu_tanh_back(const float *x, const float *g, float *y, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const float s = logistic(x[i]);
    const float slope = 2.0f * ROOT_2_OVER_PI * (1.0f + 3.0f * CUBIC * x[i] * x[i]);
    y[i] = g[i] * (s + x[i] * s * (1.0f - s) * slope);
  }
}

EACH_PROCESSOR void gelu_erf(const float *x, float *y, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    float bell;
    y[i] = x[i] * normal(x[i], &bell);
  }
}

EACH_PROCESSOR void gelu_erf_back(const float *x, const float *g, float *y, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    float bell;
    const float below = normal(x[i], &bell);
    y[i] = g[i] * (below + x[i] * bell * 0.39894228f);
  }
}

struct Gelu : torch::autograd::Function<Gelu> {
  static at::Tensor forward(AutogradContext *context, const at::Tensor &input, bool tanh) {
    const auto x = input.contiguous();
    context->save_for_backward({x});
    context->saved_data["tanh"] = tanh;
    auto y = at::empty_like(x);
    (tanh ? gelu_tanh : gelu_erf)(x.const_data_ptr<float>(), y.mutable_data_ptr<float>(), x.numel());
    return y;
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    const auto x = context->get_saved_variables()[0];
    const bool tanh = context->saved_data["tanh"].toBool();
    const auto g = gradients[0].contiguous();
    auto y = at::empty_like(x);
    const auto back = tanh ? gelu_tanh_back : gelu_erf_back;
    back(x.const_data_ptr<float>(), g.const_data_ptr<float>(), y.mutable_data_ptr<float>(), x.numel());
    return {y, at::Tensor()};
  }
};

EACH_PROCESSOR float largest(const float *row, int64_t count) {
  float most = row[0];
#pragma omp simd reduction(max : most)
  for (int64_t i = 0; i < count; ++i) most = row[i] > most ? row[i] : most;
  return most;
}

// row becomes e^(row - most); their sum.
EACH_PROCESSOR float exponentials(float *row, int64_t count, float most) {
  float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < count; ++i) {
    row[i] = exponential(row[i] - most);
    sum += row[i];
  }
  return sum;
}

EACH_PROCESSOR void scale(float *row, int64_t count, float by) {
  for (int64_t i = 0; i < count; ++i) row[i] *= by;
}

}  // namespace

extern "C" {

// A new tensor in `result`: x · w + b, see Linear; by autograd.
char *mixmake_linear(void *x, void *w, void *b, bool in_out, void **result) {
  return guarded([&] { *result = new at::Tensor(Linear::apply(*tensor(x), *tensor(w), *tensor(b), in_out)); });
}

// A new tensor in `result`: gelu of x, fp32; by autograd.
char *mixmake_gelu(void *x, bool tanh, void **result) {
  return guarded([&] { *result = new at::Tensor(Gelu::apply(*tensor(x), tanh)); });
}

// A new tensor in `result`: x [m, k] · wᵀ (+ b), w [n, k] or a transposed view.
char *mixmake_product(void *x, void *w, void *b, void **result) {
  return guarded([&] {
    const auto bias = b ? std::optional<at::Tensor>(*tensor(b)) : std::nullopt;
    *result = new at::Tensor(product(*tensor(x), *tensor(w), bias));
  });
}

// Sum over rows of the cross-entropy of `logits` [rows, width], contiguous fp32, of which the first `vocabulary`
// count, at `targets` [rows]; the logits become their gradient, softmax - onehot, in place.
char *mixmake_cross_entropy(void *logits, void *targets, int64_t vocabulary, double *sum) {
  return guarded([&] {
    auto &rows = *tensor(logits);
    const auto &wanted = *tensor(targets);
    TORCH_CHECK(rows.is_contiguous() && rows.scalar_type() == at::kFloat && rows.dim() == 2, "logits");
    TORCH_CHECK(wanted.is_contiguous() && wanted.scalar_type() == at::kLong && wanted.numel() == rows.size(0), "targets");
    const auto count = rows.size(0), width = rows.size(1);
    TORCH_CHECK(0 < vocabulary && vocabulary <= width, "vocabulary");
    auto *first = rows.mutable_data_ptr<float>();
    const auto *ids = wanted.const_data_ptr<int64_t>();
    double total = 0.0;
    for (int64_t i = 0; i < count; ++i) {
      auto *row = first + i * width;
      TORCH_CHECK(0 <= ids[i] && ids[i] < vocabulary, "a target that is no token");
      const float most = largest(row, vocabulary), at_target = row[ids[i]];
      const float all = exponentials(row, vocabulary, most);
      total += std::log(static_cast<double>(all)) + most - at_target;
      scale(row, vocabulary, 1.0f / all);
      row[ids[i]] -= 1.0f;
      for (int64_t j = vocabulary; j < width; ++j) row[j] = 0.0f;
    }
    *sum = total;
  });
}

}  // extern "C"
