// What every function that Rust calls has in common: tensors come as pointers, exceptions go as messages.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstring>
#include <exception>

// Runs `body`; the message of what it throws, to be given to mixmake_free, or null.
template <typename Body>
char *guarded(Body body) {
  try {
    body();
    return nullptr;
  } catch (const std::exception &error) {
    return strdup(error.what());
  } catch (...) {
    return strdup("an exception of unknown type");
  }
}

inline at::Tensor *tensor(void *pointer) { return static_cast<at::Tensor *>(pointer); }
