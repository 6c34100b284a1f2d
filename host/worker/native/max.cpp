// The largest of the neighbours' numbers on the CPU, column by column, with a gradient of any order: that of a choice,
// which goes to what was chosen.

#include <ATen/Dispatch.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cstdint>

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

constexpr int32_t NONE = -1;

template <typename T>
struct Max {
  const int32_t *starts, *sources;
  const T *weight, *x;
  T* out;
  int32_t* chosen; // the edge that the number came over
  int64_t width;

  INLINE void operator()(int64_t from, int64_t to) const {
    for (int64_t node = from; node < to; node++) pleach::tile<T>(*this, node, width);
  }

  template <int WIDTH>
  INLINE void columns(int64_t node, int64_t column) const {
    T largest[WIDTH] = {};
    int32_t edge[WIDTH];
    std::fill(edge, edge + WIDTH, NONE);
    for (int32_t k = starts[node]; k < starts[node + 1]; k++) {
      if (weight[k] == 0) continue;
      const T* from = x + sources[k] * width + column;
      for (int i = 0; i < WIDTH; i++) {
        // What is no number is larger than any, as everywhere in libtorch; the first of several stays.
        const bool larger = (edge[i] == NONE) | (from[i] > largest[i]) | ((from[i] != from[i]) & (largest[i] == largest[i]));
        largest[i] = larger ? from[i] : largest[i];
        edge[i] = larger ? k : edge[i];
      }
    }
    std::copy(largest, largest + WIDTH, out + node * width + column);
    std::copy(edge, edge + WIDTH, chosen + node * width + column);
  }
};

// Gathers by source what `Max` has taken from there.
template <typename T>
struct MaxGradient {
  const int32_t *starts, *targets, *order, *chosen;
  const T* gradient;
  T* out;
  int64_t width;

  INLINE void operator()(int64_t from, int64_t to) const {
    for (int64_t node = from; node < to; node++) pleach::tile<T>(*this, node, width);
  }

  template <int WIDTH>
  INLINE void columns(int64_t node, int64_t column) const {
    T sum[WIDTH] = {};
    for (int32_t k = starts[node]; k < starts[node + 1]; k++) {
      const int64_t at = targets[k] * width + column;
      const int32_t edge = order[k];
      for (int i = 0; i < WIDTH; i++) sum[i] += chosen[at + i] == edge ? gradient[at + i] : 0;
    }
    std::copy(sum, sum + WIDTH, out + node * width + column);
  }
};

Tensor back(const Edges& edges, const Tensor& chosen, const Tensor& gradient) {
  const Tensor g = gradient.contiguous();
  Tensor out = room({edges.source_nodes(), g.size(1)}, g);
  AT_DISPATCH_FLOATING_TYPES(g.scalar_type(), "max", [&] {
    const MaxGradient<scalar_t> loop{
        edges.source_starts.const_data_ptr<int32_t>(), edges.targets.const_data_ptr<int32_t>(),
        edges.order.const_data_ptr<int32_t>(), chosen.const_data_ptr<int32_t>(), g.const_data_ptr<scalar_t>(),
        out.mutable_data_ptr<scalar_t>(), g.size(1)};
    pleach::run_rows(loop.starts, edges.source_nodes(), loop.width, loop);
  });
  return out;
}

// The same of operations of libtorch, which can be differentiated.
Tensor composed_back(const Edges& edges, const Tensor& chosen, const Tensor& gradient) {
  const Tensor none = chosen == NONE;
  const Tensor sources = edges.sources.index_select(0, chosen.masked_fill(none, 0).flatten());
  return at::zeros({edges.source_nodes(), gradient.size(1)}, gradient.options()).scatter_add(
      0, sources.to(at::kLong).view_as(chosen), gradient.masked_fill(none, 0));
}

struct MaxFunction : torch::autograd::Function<MaxFunction> {
  static Tensor forward(AutogradContext* ctx, const Edges& edges, const Tensor& weight, const Tensor& x) {
    const Tensor from = x.contiguous();
    Tensor out = room({edges.nodes(), from.size(1)}, from), chosen = at::empty(out.sizes(), at::kInt);
    AT_DISPATCH_FLOATING_TYPES(from.scalar_type(), "max", [&] {
      const Max<scalar_t> loop{
          edges.starts.const_data_ptr<int32_t>(), edges.sources.const_data_ptr<int32_t>(),
          weight.const_data_ptr<scalar_t>(), from.const_data_ptr<scalar_t>(), out.mutable_data_ptr<scalar_t>(),
          chosen.mutable_data_ptr<int32_t>(), from.size(1)};
      pleach::run_rows(loop.starts, edges.nodes(), loop.width, loop);
    });
    edges.save(ctx, {chosen});
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list gradients) {
    variable_list to(3); // none for edges and weights
    const Tensor& g = gradients[0];
    if (g.defined()) {
      const Saved saved(ctx);
      const bool again = c10::GradMode::is_enabled() && saved.edges().count() > 0;
      to[2] = (again ? composed_back : back)(saved.edges(), saved[0], g);
    }
    return to;
  }
};

} // namespace

// For each node and column the largest number over the edges that come in and weigh anything, or 0; null after a failure,
// whose reason is then in `pleach_native_error`.
extern "C" Tensor* pleach_max(const pleach::GivenEdges* given, const Tensor* weight, const Tensor* x) noexcept {
  return pleach::caught<Tensor*>(nullptr, [&] {
    const Edges edges = *given;
    TORCH_CHECK(x->dim() == 2, "max: x must be [source nodes, features], found ", x->sizes());
    expect(*x, {edges.source_nodes(), x->size(1)}, x->scalar_type());
    expect(*weight, {edges.count()}, x->scalar_type());
    return new Tensor(MaxFunction::apply(edges, *weight, *x));
  });
}
