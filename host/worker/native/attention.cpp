// Attention over the edges of a graph on the CPU.
//
// A softmax among the edges that go to one node, and sums over edges with a factor for each edge and head, which never
// store a message of `[edges, heads, features]`. Sums and their gradients are each other's: `attend` has the gradients
// `attend` against the edges and `dots`, `dots` has `attend` in both directions, so they can be differentiated any
// number of times. The gradient of the softmax is a kernel where nobody differentiates it again, and composed of
// operations of libtorch where somebody may.
//
// One thread works on a node, whose edges it takes in their order: the result has the same bits with any number of
// threads and any instruction set.

#include <ATen/Dispatch.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>

#include "caught.h"
#include "edges.h"
#include "rows.h"

namespace {

using at::Tensor;
using pleach::Edges;
using pleach::Saved;
using pleach::expect;
using pleach::room;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// How a type holds the exponent of 2.
template <typename T>
struct Format;

template <>
struct Format<float> {
  using Bits = uint32_t;
  static constexpr int MANTISSA = 23, TERMS = 7;
  static constexpr float LOWEST = -87, SHIFT = 0x1.8p23f, LN2_HIGH = 0x1.62e4p-1f, LN2_LOW = 0x1.7f7d1cp-20f;
};

template <>
struct Format<double> {
  using Bits = uint64_t;
  static constexpr int MANTISSA = 52, TERMS = 13;
  static constexpr double LOWEST = -708, SHIFT = 0x1.8p52, LN2_HIGH = 0x1.62e42feep-1, LN2_LOW = 0x1.a39ef35793c76p-33;
};

// e^x for x <= 0, to the last bits: 2^n e^r, where r is at most half of ln 2 and e^r a Taylor polynomial. libc's would
// be called number by number. What would be below the normal numbers is 0.
template <typename T>
INLINE T exponential(T x) {
  using F = Format<T>;
  // The last digits of this sum are those of a whole number.
  const T shifted = x * T(1.4426950408889634) + F::SHIFT, n = shifted - F::SHIFT, one = 1;
  const T r = (x - n * F::LN2_HIGH) - n * F::LN2_LOW;
  T power = 1, two_to_n;
  for (int k = F::TERMS; k > 0; k--) power = 1 + power * r * (T(1) / k);
  typename F::Bits bits, exponent;
  std::memcpy(&bits, &one, sizeof bits);
  std::memcpy(&exponent, &shifted, sizeof exponent);
  bits += exponent << F::MANTISSA;
  std::memcpy(&two_to_n, &bits, sizeof bits);
  return x < F::LOWEST ? 0 : power * two_to_n;
}

// The scores of edges, one for each head. What is read goes into arrays of the reader's, which are registers: numbers in
// memory could be those that the reader writes, and would be read one by one.
template <typename T>
struct Given {
  const T* scores;
  int64_t heads;

  template <int WIDTH>
  INLINE void read(int64_t, int64_t edge, int64_t head, T* score) const {
    for (int i = 0; i < WIDTH; i++) score[i] = scores[edge * heads + head + i];
  }
  // What a gradient is multiplied by on its way into what scores are made of.
  template <int WIDTH>
  INLINE void slope(int64_t, int64_t, int64_t, T* slope) const {
    std::fill(slope, slope + WIDTH, T(1));
  }
};

// Those of Velickovic et al. 2018: a leaky unit over a sum of what both ends bring.
template <typename T>
struct Leaky {
  const int32_t* sources;
  const T *source, *target;
  int64_t heads;
  T below; // the slope of the leaky unit below zero

  template <int WIDTH>
  INLINE void read(int64_t node, int64_t edge, int64_t head, T* score) const {
    T sum[WIDTH];
    add<WIDTH>(node, edge, head, sum);
    for (int i = 0; i < WIDTH; i++) score[i] = sum[i] > 0 ? sum[i] : sum[i] * below;
  }
  template <int WIDTH>
  INLINE void slope(int64_t node, int64_t edge, int64_t head, T* slope) const {
    T sum[WIDTH];
    add<WIDTH>(node, edge, head, sum);
    for (int i = 0; i < WIDTH; i++) slope[i] = sum[i] > 0 ? T(1) : below;
  }
  template <int WIDTH>
  INLINE void add(int64_t node, int64_t edge, int64_t head, T* sum) const {
    const T *from = source + sources[edge] * heads + head, *to = target + node * heads + head;
    for (int i = 0; i < WIDTH; i++) sum[i] = from[i] + to[i];
  }
};

template <typename T, typename Scores>
struct Softmax {
  const int32_t* starts;
  Scores scores;
  const T* weight;
  T* out;
  int64_t heads;

  // How far scores are below the largest of their node.
  struct Below {
    const Softmax& job;

    template <int WIDTH>
    INLINE void columns(int64_t node, int64_t head) const {
      constexpr T LEAST = -std::numeric_limits<T>::infinity();
      const int32_t from = job.starts[node], to = job.starts[node + 1];
      T largest[WIDTH], score[WIDTH];
      std::fill(largest, largest + WIDTH, LEAST);
      for (int32_t k = from; k < to; k++) {
        if (job.weight[k] == 0) continue;
        job.scores.template read<WIDTH>(node, k, head, score);
        for (int i = 0; i < WIDTH; i++) largest[i] = score[i] > largest[i] ? score[i] : largest[i];
      }
      // Scores of minus infinity take edges out, too: their difference would be no number.
      for (int i = 0; i < WIDTH; i++) largest[i] = largest[i] == LEAST ? 0 : largest[i];
      for (int32_t k = from; k < to; k++) {
        job.scores.template read<WIDTH>(node, k, head, score);
        for (int i = 0; i < WIDTH; i++) score[i] -= largest[i];
        // An edge that is taken out may be above the largest.
        if (job.weight[k] == 0) std::fill(score, score + WIDTH, LEAST);
        std::copy(score, score + WIDTH, job.out + k * job.heads + head);
      }
    }
  };

  // From exponentials to shares.
  struct Share {
    const Softmax& job;

    template <int WIDTH>
    INLINE void columns(int64_t node, int64_t head) const {
      T sum[WIDTH] = {};
      for (int32_t k = job.starts[node]; k < job.starts[node + 1]; k++) {
        const T* at = job.out + k * job.heads + head;
        for (int i = 0; i < WIDTH; i++) sum[i] += job.weight[k] * at[i];
      }
      for (int i = 0; i < WIDTH; i++) sum[i] = sum[i] == 0 ? 0 : 1 / sum[i];
      for (int32_t k = job.starts[node]; k < job.starts[node + 1]; k++) {
        const T factor = job.weight[k];
        T* at = job.out + k * job.heads + head;
        for (int i = 0; i < WIDTH; i++) at[i] *= factor * sum[i];
      }
    }
  };

  INLINE void operator()(int64_t from, int64_t to) const {
    for (int64_t node = from; node < to; node++) pleach::tile<T>(Below{*this}, node, heads);
    // All at once, however few edges a node has.
    const int64_t end = starts[to] * heads;
    for (int64_t i = starts[from] * heads; i < end; i++) out[i] = exponential(out[i]);
    for (int64_t node = from; node < to; node++) pleach::tile<T>(Share{*this}, node, heads);
  }
};

// The gradient of `Softmax`: `a (g - sum of a g)`.
template <typename T, typename Scores>
struct SoftmaxGradient {
  const int32_t* starts;
  Scores scores;
  const T *attention, *gradient;
  T* out;
  int64_t heads;

  INLINE void operator()(int64_t from, int64_t to) const {
    for (int64_t node = from; node < to; node++) pleach::tile<T>(*this, node, heads);
  }

  template <int WIDTH>
  INLINE void columns(int64_t node, int64_t head) const {
    T sum[WIDTH] = {}, part[WIDTH];
    for (int32_t k = starts[node]; k < starts[node + 1]; k++) {
      const T *a = attention + k * heads + head, *g = gradient + k * heads + head;
      for (int i = 0; i < WIDTH; i++) sum[i] += a[i] * g[i];
    }
    for (int32_t k = starts[node]; k < starts[node + 1]; k++) {
      const T *a = attention + k * heads + head, *g = gradient + k * heads + head;
      scores.template slope<WIDTH>(node, k, head, part);
      for (int i = 0; i < WIDTH; i++) part[i] *= a[i] * (g[i] - sum[i]);
      std::copy(part, part + WIDTH, out + k * heads + head);
    }
  }
};

// Edges by one of their ends, and the number of each; null where they come in the order of their numbers.
struct Lines {
  const int32_t *starts, *across, *number;
  int64_t nodes;

  // By source, where `back`.
  Lines(const Edges& edges, bool back)
      : starts((back ? edges.source_starts : edges.starts).const_data_ptr<int32_t>()),
        across((back ? edges.targets : edges.sources).const_data_ptr<int32_t>()),
        number(back ? edges.order.const_data_ptr<int32_t>() : nullptr),
        nodes(back ? edges.source_nodes() : edges.nodes()) {}

  INLINE int64_t edge(int32_t k) const { return number ? number[k] : k; }
};

// Adds up numbers of edges at one of their ends.
template <typename T>
struct Sum {
  Lines lines;
  const T* x;
  T* out;
  int64_t width;

  INLINE void operator()(int64_t from, int64_t to) const {
    for (int64_t node = from; node < to; node++) pleach::tile<T>(*this, node, width);
  }

  template <int WIDTH>
  INLINE void columns(int64_t node, int64_t column) const {
    T sum[WIDTH] = {};
    for (int32_t k = lines.starts[node]; k < lines.starts[node + 1]; k++) {
      const T* from = x + lines.edge(k) * width + column;
      for (int i = 0; i < WIDTH; i++) sum[i] += from[i];
    }
    std::copy(sum, sum + WIDTH, out + node * width + column);
  }
};

// Adds up what comes over edges, times their attention.
template <typename T>
struct Attend {
  Lines lines;
  const T *attention, *x;
  T* out;
  int64_t heads, features;

  struct Head {
    const Attend& job;
    int64_t head;

    template <int WIDTH>
    INLINE void columns(int64_t node, int64_t column) const {
      const Lines& lines = job.lines;
      const int64_t width = job.heads * job.features, first = head * job.features + column;
      pleach::Sums<T, WIDTH> sums;
      for (int32_t k = lines.starts[node]; k < lines.starts[node + 1]; k++) {
        sums.add(job.attention[lines.edge(k) * job.heads + head], job.x + lines.across[k] * width + first);
      }
      sums.store(job.out + node * width + first);
    }
  };

  INLINE void operator()(int64_t from, int64_t to) const {
    for (int64_t node = from; node < to; node++) {
      for (int64_t head = 0; head < heads; head++) pleach::tile<T>(Head{*this, head}, node, features);
    }
  }
};

// For each edge and head the product of what its ends have.
template <typename T>
struct Dots {
  Lines lines;
  const T *target, *source;
  T* out;
  int64_t heads, features;

  INLINE void operator()(int64_t from, int64_t to) const {
    const int64_t width = heads * features;
    for (int64_t node = from; node < to; node++) {
      for (int32_t k = lines.starts[node]; k < lines.starts[node + 1]; k++) {
        for (int64_t head = 0; head < heads; head++) {
          const int64_t first = head * features;
          out[k * heads + head] = dot(target + node * width + first, source + lines.across[k] * width + first);
        }
      }
    }
  }

  // Several sums at once, as a vector unit has them.
  INLINE T dot(const T* a, const T* b) const {
    constexpr int LANES = 8;
    T sum[LANES] = {};
    int64_t i = 0;
    for (; i + LANES <= features; i += LANES) {
      for (int lane = 0; lane < LANES; lane++) sum[lane] += a[i + lane] * b[i + lane];
    }
    for (int lane = 0; i + lane < features; lane++) sum[lane] += a[i + lane] * b[i + lane];
    for (int half = LANES / 2; half > 0; half /= 2) {
      for (int lane = 0; lane < half; lane++) sum[lane] += sum[lane + half];
    }
    return sum[0];
  }
};

Tensor attend(const Edges& edges, bool back, const Tensor& attention, const Tensor& x);
Tensor dots(const Edges& edges, const Tensor& target, const Tensor& source);

struct AttendFunction : torch::autograd::Function<AttendFunction> {
  static Tensor forward(AutogradContext* ctx, const Edges& edges, bool back, const Tensor& attention, const Tensor& x) {
    edges.save(ctx, {attention, x});
    ctx->saved_data["back"] = back;
    const Tensor a = attention.contiguous(), from = x.contiguous();
    const Lines lines(edges, back);
    Tensor out = room({lines.nodes, x.size(1), x.size(2)}, x);
    AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "attend", [&] {
      const Attend<scalar_t> loop{
          lines, a.const_data_ptr<scalar_t>(), from.const_data_ptr<scalar_t>(), out.mutable_data_ptr<scalar_t>(), x.size(1),
          x.size(2)};
      pleach::run_rows(loop.lines.starts, loop.lines.nodes, loop.heads * loop.features, loop);
    });
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list gradients) {
    variable_list to(4); // none for the first two, which are no tensors and not counted below
    const Tensor& g = gradients[0];
    if (g.defined()) {
      const Saved saved(ctx);
      const Tensor &attention = saved[0], &x = saved[1];
      const bool back = ctx->saved_data["back"].toBool();
      if (ctx->needs_input_grad(0)) to[2] = back ? dots(saved.edges(), x, g) : dots(saved.edges(), g, x);
      if (ctx->needs_input_grad(1)) to[3] = attend(saved.edges(), !back, attention, g);
    }
    return to;
  }
};

struct DotsFunction : torch::autograd::Function<DotsFunction> {
  static Tensor forward(AutogradContext* ctx, const Edges& edges, const Tensor& target, const Tensor& source) {
    edges.save(ctx, {target, source});
    const Tensor to = target.contiguous(), from = source.contiguous();
    Tensor out = room({edges.count(), to.size(1)}, to);
    AT_DISPATCH_FLOATING_TYPES(to.scalar_type(), "dots", [&] {
      const Dots<scalar_t> loop{
          Lines(edges, false), to.const_data_ptr<scalar_t>(), from.const_data_ptr<scalar_t>(), out.mutable_data_ptr<scalar_t>(), to.size(1),
          to.size(2)};
      pleach::run_rows(loop.lines.starts, loop.lines.nodes, loop.heads * loop.features, loop);
    });
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list gradients) {
    variable_list to(3);
    const Tensor& g = gradients[0];
    if (g.defined()) {
      const Saved saved(ctx);
      const Tensor &target = saved[0], &source = saved[1];
      if (ctx->needs_input_grad(0)) to[1] = attend(saved.edges(), false, g, source);
      if (ctx->needs_input_grad(1)) to[2] = attend(saved.edges(), true, g, target);
    }
    return to;
  }
};

// `out[i] = sum over edges j -> i of attention * x[j]`; over edges i -> j where `back`.
Tensor attend(const Edges& edges, bool back, const Tensor& attention, const Tensor& x) {
  TORCH_CHECK(x.dim() == 3, "attend: x must have three axes, found ", x.sizes());
  expect(x, {back ? edges.nodes() : edges.source_nodes(), x.size(1), x.size(2)}, x.scalar_type());
  expect(attention, {edges.count(), x.size(1)}, x.scalar_type());
  return AttendFunction::apply(edges, back, attention, x);
}

// For each edge and head the product of what its target has in one tensor and its source in another.
Tensor dots(const Edges& edges, const Tensor& target, const Tensor& source) {
  expect(source, {edges.source_nodes(), target.size(1), target.size(2)}, target.scalar_type());
  return DotsFunction::apply(edges, target, source);
}

template <typename T, typename Scores>
void fill_softmax(const Edges& edges, const Scores& scores, const Tensor& weight, Tensor& out) {
  const Softmax<T, Scores> loop{
      edges.starts.const_data_ptr<int32_t>(), scores, weight.const_data_ptr<T>(), out.mutable_data_ptr<T>(), out.size(1)};
  pleach::run_rows(loop.starts, edges.nodes(), 8 * loop.heads, loop);
}

// The gradient of what the softmax is taken of.
template <typename T, typename Scores>
Tensor softmax_gradient(const Edges& edges, const Scores& scores, const Tensor& attention, const Tensor& gradient) {
  const Tensor g = gradient.contiguous();
  Tensor out = room(g.sizes(), g);
  const SoftmaxGradient<T, Scores> loop{
      edges.starts.const_data_ptr<int32_t>(), scores, attention.const_data_ptr<T>(), g.const_data_ptr<T>(), out.mutable_data_ptr<T>(),
      g.size(1)};
  pleach::run_rows(loop.starts, edges.nodes(), 4 * loop.heads, loop);
  return out;
}

// The same of operations of libtorch, which can be differentiated.
Tensor composed_softmax_gradient(const Edges& edges, const Tensor& attention, const Tensor& gradient) {
  const Tensor product = attention * gradient, targets = edges.targets_in_order();
  const Tensor sums = at::zeros({edges.nodes(), product.size(1)}, product.options()).index_add(0, targets, product);
  return product - attention * sums.index_select(0, targets);
}

struct SoftmaxFunction : torch::autograd::Function<SoftmaxFunction> {
  static Tensor forward(AutogradContext* ctx, const Edges& edges, const Tensor& weight, const Tensor& scores) {
    const Tensor from = scores.contiguous();
    Tensor out = room(from.sizes(), from);
    AT_DISPATCH_FLOATING_TYPES(from.scalar_type(), "softmax", [&] {
      fill_softmax<scalar_t>(edges, Given<scalar_t>{from.const_data_ptr<scalar_t>(), from.size(1)}, weight, out);
    });
    edges.save(ctx, {out});
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list gradients) {
    variable_list to(3); // none for edges and weights
    const Tensor& g = gradients[0];
    if (!g.defined()) return to;
    const Saved saved(ctx);
    const Tensor& attention = saved[0];
    if (c10::GradMode::is_enabled()) {
      to[2] = composed_softmax_gradient(saved.edges(), attention, g);
    } else {
      AT_DISPATCH_FLOATING_TYPES(g.scalar_type(), "softmax", [&] {
        to[2] = softmax_gradient<scalar_t>(saved.edges(), Given<scalar_t>{}, attention, g);
      });
    }
    return to;
  }
};

// Numbers of edges added up at their targets, or sources where `back`.
Tensor sum(const Edges& edges, bool back, const Tensor& x) {
  const Lines lines(edges, back);
  Tensor out = room({lines.nodes, x.size(1)}, x);
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "sum", [&] {
    const Sum<scalar_t> loop{lines, x.const_data_ptr<scalar_t>(), out.mutable_data_ptr<scalar_t>(), x.size(1)};
    pleach::run_rows(loop.lines.starts, loop.lines.nodes, loop.width, loop);
  });
  return out;
}

template <typename T>
Leaky<T> leaky(const Edges& edges, const Tensor& source, const Tensor& target, double slope) {
  return {edges.sources.const_data_ptr<int32_t>(), source.const_data_ptr<T>(), target.const_data_ptr<T>(), source.size(1), T(slope)};
}

struct AttentionFunction : torch::autograd::Function<AttentionFunction> {
  static Tensor forward(
      AutogradContext* ctx,
      const Edges& edges,
      const Tensor& weight,
      const Tensor& source,
      const Tensor& target,
      double slope) {
    const Tensor from = source.contiguous(), to = target.contiguous();
    Tensor out = room({edges.count(), from.size(1)}, from);
    AT_DISPATCH_FLOATING_TYPES(from.scalar_type(), "attention", [&] {
      fill_softmax<scalar_t>(edges, leaky<scalar_t>(edges, from, to, slope), weight, out);
    });
    edges.save(ctx, {out, from, to});
    ctx->saved_data["slope"] = slope;
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list gradients) {
    variable_list into(5); // none for edges, weights and slope
    const Tensor& g = gradients[0];
    if (!g.defined()) return into;
    const Saved saved(ctx);
    const Edges edges = saved.edges();
    const Tensor &attention = saved[0], source = saved[1].detach(), target = saved[2].detach();
    const double slope = ctx->saved_data["slope"].toDouble();
    if (c10::GradMode::is_enabled()) {
      const Tensor targets = edges.targets_in_order();
      const Tensor sums = source.index_select(0, edges.sources) + target.index_select(0, targets);
      const Tensor of_sums = composed_softmax_gradient(edges, attention, g) *
          at::where(sums > 0, at::ones_like(sums), at::full_like(sums, slope));
      into[2] = at::zeros_like(source).index_add(0, edges.sources, of_sums);
      into[3] = at::zeros_like(target).index_add(0, targets, of_sums);
    } else {
      Tensor of_sums;
      AT_DISPATCH_FLOATING_TYPES(g.scalar_type(), "attention", [&] {
        of_sums = softmax_gradient<scalar_t>(edges, leaky<scalar_t>(edges, source, target, slope), attention, g);
      });
      into[2] = sum(edges, true, of_sums);
      into[3] = sum(edges, false, of_sums);
    }
    return into;
  }
};

} // namespace

extern "C" {

// All of these return null after a failure, whose reason is then in `pleach_native_error`.

// `weight * exp(scores)` over its sum among the edges that go to the same node, for each head.
Tensor* pleach_softmax(const pleach::GivenEdges* given, const Tensor* weight, const Tensor* scores) noexcept {
  return pleach::caught<Tensor*>(nullptr, [&] {
    const Edges edges = *given;
    TORCH_CHECK(scores->dim() == 2, "softmax: scores must be [edges, heads], found ", scores->sizes());
    expect(*scores, {edges.count(), scores->size(1)}, scores->scalar_type());
    expect(*weight, {edges.count()}, scores->scalar_type());
    return new Tensor(SoftmaxFunction::apply(edges, *weight, *scores));
  });
}

// The softmax of `leaky(source[j] + target[i])` for edges j -> i.
Tensor* pleach_attention(
    const pleach::GivenEdges* given,
    const Tensor* weight,
    const Tensor* source,
    const Tensor* target,
    double slope) noexcept {
  return pleach::caught<Tensor*>(nullptr, [&] {
    const Edges edges = *given;
    TORCH_CHECK(source->dim() == 2, "attention: scores must be [nodes, heads], found ", source->sizes());
    expect(*source, {edges.source_nodes(), source->size(1)}, source->scalar_type());
    expect(*target, {edges.nodes(), source->size(1)}, source->scalar_type());
    expect(*weight, {edges.count()}, source->scalar_type());
    return new Tensor(AttentionFunction::apply(edges, *weight, *source, *target, slope));
  });
}

Tensor* pleach_attend(const pleach::GivenEdges* given, const Tensor* attention, const Tensor* x) noexcept {
  return pleach::caught<Tensor*>(nullptr, [&] { return new Tensor(attend(*given, false, *attention, *x)); });
}
}
