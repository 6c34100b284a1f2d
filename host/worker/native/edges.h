// The edges of a graph, as kernels see them.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/repeat_interleave.h>
#include <c10/util/Exception.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cstdint>

namespace pleach {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Edges, numbered by target; all int32, contiguous and on the CPU. Whoever made them has checked that the indices are in
// bounds.
struct Edges {
  Tensor starts, sources;               // by target: where those of each node start; where each comes from
  Tensor source_starts, targets, order; // by source: where those of each node start; where each goes to; its number

  int64_t nodes() const { return starts.numel() - 1; }
  int64_t source_nodes() const { return source_starts.numel() - 1; }
  int64_t count() const { return sources.numel(); }

  // Where each edge goes to, by number.
  Tensor targets_in_order() const { return at::repeat_interleave(starts.diff()); }

  // For the backward pass, together with what else it needs.
  void save(AutogradContext* ctx, const variable_list& others) const {
    variable_list all{starts, sources, source_starts, targets, order};
    all.insert(all.end(), others.begin(), others.end());
    ctx->set_materialize_grads(false);
    ctx->save_for_backward(all);
  }
};

// What `Edges::save` has saved.
struct Saved {
  variable_list all;

  explicit Saved(AutogradContext* ctx) : all(ctx->get_saved_variables()) {}

  Edges edges() const { return {all[0], all[1], all[2], all[3], all[4]}; }
  const Tensor& operator[](size_t i) const { return all[5 + i]; }
};

// The same from Rust: laid out as in `src/native/edges.rs`.
struct GivenEdges {
  const Tensor *starts, *sources, *source_starts, *targets, *order;

  operator Edges() const { return {*starts, *sources, *source_starts, *targets, *order}; }
};

// Plugins choose tensors: what loops rely on beyond the indices is checked here.
inline void expect(const Tensor& t, at::IntArrayRef sizes, at::ScalarType kind) {
  TORCH_CHECK(t.is_cpu() && t.layout() == at::kStrided, "edges: a tensor must be dense and on the CPU");
  TORCH_CHECK(t.sizes() == sizes, "edges: expected ", sizes, ", found ", t.sizes());
  TORCH_CHECK(t.scalar_type() == kind, "edges: tensors differ in kind");
}

// Where a kernel's result goes.
inline Tensor room(at::IntArrayRef sizes, const Tensor& like) {
  return at::empty(sizes, like.options().requires_grad(false));
}

} // namespace pleach
