// What tch's generator leaves out of libtorch: the fused AdamW, a backward pass from given gradients,
// deterministic mode, and what a device's allocator knows. Called by src/shim.rs alone.
//
// Only symbols of libtorch_cpu and libc10 are named: kernels and allocators of a GPU are reached
// through their registries, so one build serves machines with and without one.
#include <ATen/Context.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/_fused_adamw.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <vector>

#include "guarded.h"

extern "C" {

void mixmake_free(char *message) { free(message); }

// One AdamW step over one tensor, in place. `step` is an fp32 scalar on the same device that holds the
// number of this step, from 1. The gradient is divided by the scalar `grad_scale`; where the scalar
// `found_inf` is 1 nothing changes.
char *mixmake_fused_adamw(void *parameters, void *gradient, void *first, void *second, void *step,
                          void *grad_scale, void *found_inf, double rate, double beta_1,
                          double beta_2, double weight_decay, double epsilon) {
  return guarded([&] {
    c10::AutoGradMode no_gradient(false);
    at::_fused_adamw_({*tensor(parameters)}, {*tensor(gradient)}, {*tensor(first)},
                      {*tensor(second)}, {}, {*tensor(step)}, rate, beta_1, beta_2, weight_decay,
                      epsilon, /*amsgrad=*/false, /*maximize=*/false, *tensor(grad_scale),
                      *tensor(found_inf));
  });
}

// Gradients of `root` to `count` inputs, where `gradient` is what comes into `root`. Each of `results`
// becomes a new tensor that the caller owns; null for an input that `root` does not depend on.
char *mixmake_backward(void *root, void *gradient, void **inputs, size_t count, void **results) {
  return guarded([&] {
    std::vector<at::Tensor> leaves;
    leaves.reserve(count);
    for (size_t i = 0; i < count; ++i) leaves.push_back(*tensor(inputs[i]));
    auto found = torch::autograd::grad({*tensor(root)}, leaves, {*tensor(gradient)},
                                       /*retain_graph=*/false, /*create_graph=*/false,
                                       /*allow_unused=*/true);
    for (size_t i = 0; i < count; ++i)
      results[i] = found[i].defined() ? new at::Tensor(std::move(found[i])) : nullptr;
  });
}

// Kernels whose sums have a fixed order, where libtorch has them; a warning where it has none.
void mixmake_deterministic(bool on) {
  at::globalContext().setDeterministicAlgorithms(on, /*warn_only=*/true);
  at::globalContext().setDeterministicCuDNN(on);
}

// Bytes of the device: [most that tensors held, free, all].
char *mixmake_device_memory(int8_t device, uint64_t *bytes) {
  return guarded([&] {
    auto *allocator = c10::getDeviceAllocator(c10::DeviceType::CUDA);
    constexpr auto all = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
    bytes[0] = allocator->initialized() ? allocator->getDeviceStats(device).allocated_bytes[all].peak : 0;
    auto [free_bytes, total_bytes] = allocator->getMemoryInfo(device);
    bytes[1] = free_bytes;
    bytes[2] = total_bytes;
  });
}

// Gives memory that the allocator keeps for later back to the device.
char *mixmake_empty_cache() {
  return guarded([] { c10::getDeviceAllocator(c10::DeviceType::CUDA)->emptyCache(); });
}

}  // extern "C"
