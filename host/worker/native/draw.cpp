// Random numbers by their place: number `i` of a stream is a hash of the stream's key and `i`, so any thread can make
// any of them, and a backward pass makes those of its forward pass anew instead of keeping them.

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "caught.h"
#include "processor.h"

namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Places that share the upper half of their number.
constexpr int64_t BLOCK = int64_t(1) << 32;
// Bits of a number between 0 and 1: as many as float32 holds.
constexpr int BITS = 24;

// A bijection on 32 bits that has each bit of its input change each bit of its output with a chance near a half: C.
// Wellons' `lowbias32`. Its 32-bit products are what vector units have.
INLINE uint32_t mix(uint32_t x) {
  x = (x ^ (x >> 16)) * 0x7feb352du;
  x = (x ^ (x >> 15)) * 0x846ca68bu;
  return x ^ (x >> 16);
}

// The numbers of one block of places, as integers below 2^BITS.
struct Stream {
  uint32_t low, high;

  Stream(uint64_t key, int64_t block) : low(key), high((key >> 32) + mix(block)) {}

  // Both halves of the key go in between two rounds, else streams would be each other's numbers in another order.
  INLINE int32_t at(uint32_t place) const { return mix(mix(place + low) ^ high) >> (32 - BITS); }
};

// Calls `loop(stream)` for each block, for all places below `length`.
template <typename Of>
void run(uint64_t key, int64_t length, const Of& of) {
  // Below some ten microseconds of work a second thread costs more than it brings.
  at::parallel_for(0, length, 32768, [&](int64_t from, int64_t to) {
    while (from < to) {
      const int64_t block = from / BLOCK, end = std::min(to, (block + 1) * BLOCK);
      pleach::run_here(of(Stream(key, block)), from, end);
      from = end;
    }
  });
}

struct Uniform {
  Stream stream;
  float* out;

  INLINE void operator()(int64_t from, int64_t to) const {
    for (int64_t i = from; i < to; i++) out[i] = float(stream.at(uint32_t(i))) * (1.0f / (1 << BITS));
  }
};

template <typename T>
struct Drop {
  Stream stream;
  const T* x;
  T* out;
  int32_t threshold;
  T scale;

  INLINE void operator()(int64_t from, int64_t to) const {
    // A product rather than a choice: what is no number stays none.
    for (int64_t i = from; i < to; i++) out[i] = x[i] * (stream.at(uint32_t(i)) < threshold ? T(0) : scale);
  }
};

template <typename T>
void drop(uint64_t key, double rate, const Tensor& x, Tensor& out) {
  // A number is dropped where it is below the rate, both in float32.
  const auto threshold = int32_t(std::ceil(std::ldexp(double(float(rate)), BITS)));
  const T *from = x.const_data_ptr<T>(), scale = T(1 / (1 - rate));
  T* to = out.mutable_data_ptr<T>();
  run(key, x.numel(), [&](Stream stream) { return Drop<T>{stream, from, to, threshold, scale}; });
}

Tensor dropped(const Tensor& x, uint64_t key, double rate) {
  const Tensor dense = x.contiguous();
  Tensor out = at::empty(dense.sizes(), dense.options().requires_grad(false));
  x.scalar_type() == at::kFloat ? drop<float>(key, rate, dense, out) : drop<double>(key, rate, dense, out);
  return out;
}

Tensor dropout(const Tensor& x, uint64_t key, double rate);

// Linear in x, with a diagonal matrix: the gradient is the same function, and so is the gradient's.
struct Dropout : torch::autograd::Function<Dropout> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, int64_t key, double rate) {
    ctx->set_materialize_grads(false);
    ctx->saved_data["key"] = key;
    ctx->saved_data["rate"] = rate;
    return dropped(x, key, rate);
  }

  static variable_list backward(AutogradContext* ctx, variable_list gradients) {
    variable_list to(3); // none for key and rate
    if (gradients[0].defined()) {
      to[0] = dropout(gradients[0], ctx->saved_data["key"].toInt(), ctx->saved_data["rate"].toDouble());
    }
    return to;
  }
};

Tensor dropout(const Tensor& x, uint64_t key, double rate) {
  TORCH_CHECK(x.is_cpu() && x.layout() == at::kStrided, "dropout: x must be dense and on the CPU");
  TORCH_CHECK(x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble, "dropout: x must be float32 or float64");
  if (!c10::GradMode::is_enabled() || !x.requires_grad()) return dropped(x, key, rate);
  return Dropout::apply(x, int64_t(key), rate);
}

} // namespace

extern "C" {

// Uniform numbers in [0, 1), float32; null after a failure, whose reason is then in `pleach_native_error`.
Tensor* pleach_uniform(uint64_t key, const int64_t* size, size_t axes) noexcept {
  return pleach::caught<Tensor*>(nullptr, [&] {
    Tensor out = at::empty(at::IntArrayRef(size, axes), at::kFloat);
    float* to = out.mutable_data_ptr<float>();
    run(key, out.numel(), [&](Stream stream) { return Uniform{stream, to}; });
    return new Tensor(out);
  });
}

// `x` where `pleach_uniform` of its shape is not below `rate`, times `1 / (1 - rate)`, and 0 elsewhere; null after a
// failure.
Tensor* pleach_dropout(uint64_t key, double rate, const Tensor* x) noexcept {
  return pleach::caught<Tensor*>(nullptr, [&] { return new Tensor(dropout(*x, key, rate)); });
}
}
