// From gradients to updates, and from updates to weights: one pass over memory each, where plain operations make one
// for each sign of the formula.
//
// A number is made from those at its own place alone, so the result has the same bits with any number of threads.

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <vector>

#include "caught.h"
#include "processor.h"

namespace {

using at::Tensor;

// Below some ten microseconds of work a second thread costs more than it brings.
constexpr int64_t GRAIN = 32768;

template <typename Loop>
void run(const Loop& loop, int64_t length) {
  at::parallel_for(0, length, GRAIN, [&](int64_t from, int64_t to) { pleach::run_here(loop, from, to); });
}

// Whether a loop can go over it: dense numbers in main memory.
bool is_plain(const Tensor& t) {
  return t.defined() && t.is_cpu() && t.layout() == at::kStrided && !t._is_zerotensor() &&
      (t.scalar_type() == at::kFloat || t.scalar_type() == at::kDouble);
}

// Whether both can be gone over at once, place by place.
bool fits(const Tensor& t, const Tensor& to) {
  return is_plain(t) && t.scalar_type() == to.scalar_type() && t.sizes().equals(to.sizes());
}

// Whether it can be changed place by place, along with `to`.
bool changes_with(const Tensor& t, const Tensor& to) {
  return fits(t, to) && t.is_contiguous();
}

// What is changed here is changed in autograd's eyes too: a graph that still needs the old numbers then says so.
template <typename T>
T* changed(const Tensor& t) {
  t.unsafeGetTensorImpl()->bump_version();
  return t.mutable_data_ptr<T>();
}

// Whether no other handle leads to its numbers. What a gradient is a view of lives on in it, mostly for nobody else.
bool is_alone(const Tensor& t) {
  if (t.use_count() != 1) return false;
  if (!t.is_view()) return t.storage().use_count() == 1;
  return t._base().use_count() == 1 && t.storage().use_count() == 2;
}

// Where the updates of a gradient go: into its own memory, if nobody else sees it.
Tensor room(const Tensor& g) {
  if (g.is_contiguous() && is_alone(g)) {
    g.unsafeGetTensorImpl()->bump_version();
    return g;
  }
  return at::empty(g.sizes(), g.options().requires_grad(false));
}

} // namespace

extern "C" {

// Laid out as in `native/update.rs`.
struct pleach_adam_step {
  double beta1, beta2, epsilon, decay;
  double root; // what the root of the second moment is multiplied by: 1 / sqrt(1 - beta2^t)
  double length; // of the step, with its sign: -rate / (1 - beta1^t)
};

struct pleach_sgd_step {
  double momentum, decay, length;
  bool nesterov;
};
}

namespace {

// `gradient` and `update` may be the same: each number is read before it is written, and by nobody after that.
template <typename T, bool DECAY>
struct Adam {
  const T *gradient, *weight;
  T *first, *second, *update;
  T beta1, rest1, beta2, rest2, epsilon, decay, root, length;

  INLINE void operator()(int64_t from, int64_t to) const {
#pragma GCC ivdep
    for (int64_t i = from; i < to; i++) {
      T g = gradient[i];
      if constexpr (DECAY) g += decay * weight[i];
      const T m = beta1 * first[i] + rest1 * g;
      const T v = beta2 * second[i] + rest2 * (g * g);
      first[i] = m;
      second[i] = v;
      update[i] = m / (std::sqrt(v) * root + epsilon) * length;
    }
  }
};

template <typename T>
Tensor adam(const pleach_adam_step& step, const Tensor& g, const Tensor& w, const Tensor& first, const Tensor& second) {
  Tensor update = room(g);
  const Tensor gradient = g.contiguous(), weight = w.contiguous();
  const auto go = [&](auto decays) {
    run(Adam<T, decltype(decays)::value>{
            gradient.const_data_ptr<T>(), weight.const_data_ptr<T>(), changed<T>(first), changed<T>(second),
            update.mutable_data_ptr<T>(), T(step.beta1), T(1 - step.beta1), T(step.beta2), T(1 - step.beta2),
            T(step.epsilon), T(step.decay), T(step.root), T(step.length)},
        g.numel());
  };
  step.decay == 0 ? go(std::false_type()) : go(std::true_type());
  return update;
}

template <typename T, bool DECAY, bool MOMENTUM>
struct Sgd {
  const T *gradient, *weight;
  T *buffer, *update;
  T momentum, decay, length;
  bool nesterov;

  INLINE void operator()(int64_t from, int64_t to) const {
#pragma GCC ivdep
    for (int64_t i = from; i < to; i++) {
      T g = gradient[i];
      if constexpr (DECAY) g += decay * weight[i];
      if constexpr (MOMENTUM) {
        const T m = momentum * buffer[i] + g;
        buffer[i] = m;
        g = nesterov ? g + momentum * m : m;
      }
      update[i] = g * length;
    }
  }
};

// `buffer` is null where there is no momentum.
template <typename T>
Tensor sgd(const pleach_sgd_step& step, const Tensor& g, const Tensor& w, const Tensor* buffer) {
  Tensor update = room(g);
  const Tensor gradient = g.contiguous(), weight = w.contiguous();
  const auto go = [&](auto decays, auto moves) {
    run(Sgd<T, decltype(decays)::value, decltype(moves)::value>{
            gradient.const_data_ptr<T>(), weight.const_data_ptr<T>(), buffer ? changed<T>(*buffer) : nullptr,
            update.mutable_data_ptr<T>(), T(step.momentum), T(step.decay), T(step.length), step.nesterov},
        g.numel());
  };
  const std::true_type yes;
  const std::false_type no;
  if (step.decay == 0) {
    buffer ? go(no, yes) : go(no, no);
  } else {
    buffer ? go(yes, yes) : go(yes, no);
  }
  return update;
}

// A mask has a byte for each number, so that little more memory is read than without one.
bool masks(const Tensor& m, const Tensor& t) {
  return m.defined() && m.is_cpu() && m.scalar_type() == at::kByte && m.is_contiguous() && m.sizes().equals(t.sizes());
}

template <typename T>
struct Mask {
  T* t;
  const uint8_t* mask;

  INLINE void operator()(int64_t from, int64_t to) const {
    for (int64_t i = from; i < to; i++) t[i] *= T(mask[i]);
  }
};

template <typename T, bool MASK>
struct Add {
  T* weight;
  const T* update;
  const uint8_t* mask;

  INLINE void operator()(int64_t from, int64_t to) const {
    for (int64_t i = from; i < to; i++) {
      const T w = weight[i] + update[i];
      weight[i] = MASK ? w * T(mask[i]) : w;
    }
  }
};

template <typename T>
void add(const Tensor& weight, const Tensor& u, const Tensor* m) {
  const Tensor update = u.contiguous();
  T* to = changed<T>(weight);
  if (m) {
    run(Add<T, true>{to, update.const_data_ptr<T>(), m->const_data_ptr<uint8_t>()}, weight.numel());
  } else {
    run(Add<T, false>{to, update.const_data_ptr<T>(), nullptr}, weight.numel());
  }
}

// Calls `of(type, i)` for each place with the type of its numbers, and hands the results over only when all are there.
template <typename Of>
bool each(size_t n, Tensor** made, const Of& of) {
  return pleach::caught(false, [&] {
    std::vector<std::unique_ptr<Tensor>> all(n);
    for (size_t i = 0; i < n; i++) all[i] = of(i);
    for (size_t i = 0; i < n; i++) made[i] = all[i].release();
    return true;
  });
}

} // namespace

extern "C" {

// `made` gets an update for each gradient, which may lie in the memory of it, or null where plain operations must make
// it: elsewhere than in main memory, or where moments cannot be changed place by place. False after a failure; the reason is then in
// `pleach_native_error`.
bool pleach_adam(
    const pleach_adam_step* step,
    size_t n,
    const Tensor* const* gradients,
    const Tensor* const* weights,
    const Tensor* const* first,
    const Tensor* const* second,
    Tensor** made) noexcept {
  return each(n, made, [&](size_t i) -> std::unique_ptr<Tensor> {
    const Tensor &g = *gradients[i], &w = *weights[i], &m = *first[i], &v = *second[i];
    if (!is_plain(g) || !fits(w, g) || !changes_with(m, g) || !changes_with(v, g)) return nullptr;
    const bool single = g.scalar_type() == at::kFloat;
    return std::make_unique<Tensor>(single ? adam<float>(*step, g, w, m, v) : adam<double>(*step, g, w, m, v));
  });
}

// The same; `buffers` is null where there is no momentum.
bool pleach_sgd(
    const pleach_sgd_step* step,
    size_t n,
    const Tensor* const* gradients,
    const Tensor* const* weights,
    const Tensor* const* buffers,
    Tensor** made) noexcept {
  return each(n, made, [&](size_t i) -> std::unique_ptr<Tensor> {
    const Tensor &g = *gradients[i], &w = *weights[i];
    const Tensor* buffer = buffers ? buffers[i] : nullptr;
    if (!is_plain(g) || !fits(w, g) || (buffer && !changes_with(*buffer, g))) return nullptr;
    const bool single = g.scalar_type() == at::kFloat;
    return std::make_unique<Tensor>(single ? sgd<float>(*step, g, w, buffer) : sgd<double>(*step, g, w, buffer));
  });
}

// `weight = (weight + update) * mask`; `mask` may be null. 1 if it was done, 0 where plain operations must do it, -1
// after a failure.
int pleach_add(const Tensor* weight, const Tensor* update, const Tensor* mask) noexcept {
  return pleach::caught(-1, [&] {
    const Tensor &w = *weight, &u = *update;
    if (!is_plain(w) || !w.is_contiguous() || !fits(u, w) || (mask && !masks(*mask, w))) return 0;
    w.scalar_type() == at::kFloat ? add<float>(w, u, mask) : add<double>(w, u, mask);
    return 1;
  });
}

// `t = t * mask` in place, where nobody can tell: no other handle leads to these numbers. 1, 0 or -1 as above.
int pleach_mask(const Tensor* t, const Tensor* m) noexcept {
  return pleach::caught(-1, [&] {
    const bool ours = is_plain(*t) && t->is_contiguous() && is_alone(*t);
    if (!ours || !masks(*m, *t)) return 0;
    const auto go = [&](auto* numbers) {
      run(Mask<std::remove_pointer_t<decltype(numbers)>>{numbers, m->const_data_ptr<uint8_t>()}, t->numel());
    };
    t->scalar_type() == at::kFloat ? go(changed<float>(*t)) : go(changed<double>(*t));
    return 1;
  });
}}
