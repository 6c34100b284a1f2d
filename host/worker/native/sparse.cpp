// Sparse times dense on the CPU, with gradients of any order.
//
// libtorch's own product transposes or sorts the matrix in every backward pass. Here the caller keeps the transpose, and
// the backward pass is the same product with matrix and transpose in each other's place, so that it can be
// differentiated again. The values of the matrix are constants: where they need gradients, the caller composes plain
// operations instead.
//
// A row is summed by one thread in the order in which it is stored, column by column, without fused multiply-adds: the
// result has the same bits with any number of threads and any instruction set.

#include <ATen/Dispatch.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>
#include <c10/util/Exception.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "caught.h"
#include "rows.h"

namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// What an inner loop works on: the rows of `matrix * x`.
template <typename T>
struct Job {
  const int32_t* ptr;
  const int32_t* col;
  const T* val;
  const T* x;
  T* out;
  int64_t width;  // of x
  int64_t stride; // from one row of out to the next

  INLINE void operator()(int64_t from_row, int64_t to_row) const {
    for (int64_t row = from_row; row < to_row; row++) pleach::tile<T>(*this, row, width);
  }

  // Sums WIDTH columns of one row in registers.
  template <int WIDTH>
  INLINE void columns(int64_t row, int64_t column) const {
    const T* from_column = x + column;
    const int32_t end = ptr[row + 1];
    pleach::Sums<T, WIDTH> sums;
    for (int32_t k = ptr[row]; k < end; k++) {
      sums.add(val[k], from_column + col[k] * width);
    }
    sums.store(out + row * stride + column);
  }
};

// A matrix by rows; the caller has checked that its indices are in bounds.
struct Csr {
  const Tensor& ptr;
  const Tensor& col;
  const Tensor& val;

  int64_t rows() const { return ptr.numel() - 1; }
};

// Tensors come from Rust, but plugins choose x: whatever the loop relies on beyond the indices is checked here.
void check(const Csr& a, const Csr& transpose, const Tensor& x) {
  for (const Csr* m : {&a, &transpose}) {
    TORCH_CHECK(m->ptr.scalar_type() == at::kInt && m->col.scalar_type() == at::kInt, "spmm: indices must be int32");
    TORCH_CHECK(m->ptr.is_contiguous() && m->col.is_contiguous() && m->val.is_contiguous(), "spmm: the matrix must be contiguous");
    TORCH_CHECK(m->ptr.numel() > 0 && m->col.numel() == m->val.numel(), "spmm: the parts of the matrix do not fit together");
    TORCH_CHECK(m->val.scalar_type() == x.scalar_type(), "spmm: matrix and x differ in kind");
    TORCH_CHECK(m->ptr.is_cpu() && m->col.is_cpu() && m->val.is_cpu(), "spmm: the matrix must be on the CPU");
  }
  TORCH_CHECK(x.is_cpu() && x.layout() == at::kStrided, "spmm: x must be dense and on the CPU");
  TORCH_CHECK(x.dim() == 2 && x.size(0) == transpose.rows(), "spmm: x must be [", transpose.rows(), ", features], found ", x.sizes());
  TORCH_CHECK(x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble, "spmm: x must be float32 or float64");
}

// All of `a * x`.
template <typename T>
Job<T> whole(const Csr& a, const Tensor& x, Tensor& out) {
  return {
      a.ptr.const_data_ptr<int32_t>(), a.col.const_data_ptr<int32_t>(), a.val.const_data_ptr<T>(), x.const_data_ptr<T>(),
      out.mutable_data_ptr<T>(), x.size(1), x.size(1)};
}

Tensor room(const Csr& a, const Tensor& x) {
  return at::empty({a.rows(), x.size(1)}, x.options().requires_grad(false));
}

// The product without a place in autograd's graph.
Tensor product(const Csr& a, const Tensor& x) {
  const Tensor dense = x.contiguous();
  Tensor out = room(a, x);
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "spmm", [&] {
    const auto job = whole<scalar_t>(a, dense, out);
    pleach::run_rows(job.ptr, a.rows(), job.width, job);
  });
  return out;
}

// Columns that go all their hops before the next ones begin, so that they stay in the cache: of as many bytes as a core
// has of the second one, but no fewer than fill whole lines of it.
template <typename T>
int64_t block_width(int64_t rows, int64_t columns) {
  constexpr int64_t BYTES = 768 << 10, NARROWEST = 32;
  const int64_t fit = BYTES / (sizeof(T) * std::max<int64_t>(1, rows)) / NARROWEST * NARROWEST;
  return std::min(columns, std::max(NARROWEST, fit));
}

template <typename T>
void fill_power(const Job<T>& all, int64_t x_rows, int64_t rows, int64_t hops) {
  const int64_t width = block_width<T>(rows, all.width), blocks = (all.width + width - 1) / width;
  const auto run = [&](int64_t from, int64_t to) {
    // Tensors begin where lines of the cache do.
    const auto kind = at::TensorOptions(c10::CppTypeToScalarType<T>::value);
    Tensor one = at::empty({x_rows, width}, kind), other = at::empty({rows, width}, kind);
    for (int64_t block = from; block < to; block++) {
      const int64_t first = block * width;
      Job<T> job = all;
      job.width = std::min(width, all.width - first);
      // Rows of the whole lie on pages of their own: each is gone to once, in order.
      T *here = one.mutable_data_ptr<T>(), *there = other.mutable_data_ptr<T>();
      for (int64_t row = 0; row < x_rows; row++) std::copy_n(all.x + row * all.width + first, job.width, here + row * job.width);
      for (int64_t hop = hops; hop > 0; hop--) {
        job.x = here;
        job.out = hop == 1 ? all.out + first : there;
        job.stride = hop == 1 ? all.width : job.width;
        pleach::run_rows(job.ptr, rows, job.width, job);
        std::swap(here, there);
      }
    }
  };
  // Threads share blocks, where each gets some; else they share the rows of one block after the other.
  if (blocks >= at::get_num_threads()) {
    at::parallel_for(0, blocks, 1, run);
  } else {
    run(0, blocks);
  }
}

// `a` so many times, at least once, without a place in autograd's graph.
Tensor power(const Csr& a, const Tensor& x, int64_t hops) {
  TORCH_CHECK(hops > 0 && (hops == 1 || a.rows() == x.size(0)), "power: a matrix that is multiplied by itself must be square");
  const Tensor dense = x.contiguous();
  Tensor out = room(a, x);
  AT_DISPATCH_FLOATING_TYPES(
      x.scalar_type(), "power", [&] { fill_power(whole<scalar_t>(a, dense, out), x.size(0), a.rows(), hops); });
  return out;
}

Tensor spmm(const Csr& a, const Csr& transpose, const Tensor& x);

// d(A x) = A dx, so the gradient is the product with the transpose, whose own gradient is the product with A.
struct Product : torch::autograd::Function<Product> {
  static Tensor forward(
      AutogradContext* ctx,
      const Tensor& ptr,
      const Tensor& col,
      const Tensor& val,
      const Tensor& t_ptr,
      const Tensor& t_col,
      const Tensor& t_val,
      const Tensor& x) {
    ctx->set_materialize_grads(false);
    ctx->save_for_backward({ptr, col, val, t_ptr, t_col, t_val});
    return product({ptr, col, val}, x);
  }

  static variable_list backward(AutogradContext* ctx, variable_list gradients) {
    variable_list to(7); // none for the matrix
    if (gradients[0].defined()) {
      const auto saved = ctx->get_saved_variables();
      to[6] = spmm({saved[3], saved[4], saved[5]}, {saved[0], saved[1], saved[2]}, gradients[0]);
    }
    return to;
  }
};

Tensor spmm(const Csr& a, const Csr& transpose, const Tensor& x) {
  check(a, transpose, x);
  if (!c10::GradMode::is_enabled() || !x.requires_grad()) return product(a, x);
  return Product::apply(a.ptr, a.col, a.val, transpose.ptr, transpose.col, transpose.val, x);
}

// A matrix with its transpose from Rust: laid out as in `src/native.rs`.
struct Given {
  const Tensor *ptr, *col, *val, *t_ptr, *t_col, *t_val;

  Csr matrix() const { return {*ptr, *col, *val}; }
  Csr transpose() const { return {*t_ptr, *t_col, *t_val}; }
};

} // namespace

extern "C" {

// Both return null after a failure, whose reason is then in `pleach_native_error`.

// `a * x`.
Tensor* pleach_spmm(const Given* a, const Tensor* x) noexcept {
  return pleach::caught<Tensor*>(nullptr, [&] { return new Tensor(spmm(a->matrix(), a->transpose(), *x)); });
}

// `a` so many times, at least once, times `x`; a constant.
Tensor* pleach_power(const Given* a, const Tensor* x, int64_t hops) noexcept {
  return pleach::caught<Tensor*>(nullptr, [&] {
    check(a->matrix(), a->transpose(), *x);
    return new Tensor(power(a->matrix(), *x, hops));
  });
}
}
