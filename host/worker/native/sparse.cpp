// Sparse times dense on the CPU, with gradients of any order.
//
// libtorch's own product transposes or sorts the matrix in every backward pass. Here the caller keeps the transpose, and
// the backward pass is the same product with matrix and transpose in each other's place, so that it can be
// differentiated again. The values of the matrix are constants: where they need gradients, the caller composes plain
// operations instead.
//
// A row is summed by one thread in the order in which it is stored, column by column, without fused multiply-adds: the
// result has the same bits with any number of threads and any instruction set.

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>
#include <c10/util/Exception.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cstdint>

#include "caught.h"
#include "processor.h"

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
  int64_t width; // of x and out

  INLINE void operator()(int64_t from_row, int64_t to_row) const;
};

// Sums WIDTH columns of one row in registers.
template <typename T, int WIDTH>
INLINE void row_tile(const Job<T>& job, int64_t row, int64_t column) {
  // Rows of x lie anywhere; the processor cannot foresee which comes next. Narrow ones mostly lie in its cache.
  constexpr int32_t AHEAD = 4;
  constexpr int64_t LINE = 64 / sizeof(T);

  const T* x = job.x + column;
  const int32_t end = job.ptr[row + 1];
  T sum[WIDTH] = {};
  for (int32_t k = job.ptr[row]; k < end; k++) {
    if (WIDTH >= LINE && k + AHEAD < end) {
      const T* next = x + job.col[k + AHEAD] * job.width;
      for (int64_t i = 0; i < WIDTH; i += LINE) __builtin_prefetch(next + i);
    }
    const T value = job.val[k];
    const T* from = x + job.col[k] * job.width;
    for (int i = 0; i < WIDTH; i++) sum[i] += value * from[i];
  }
  std::copy(sum, sum + WIDTH, job.out + row * job.width + column);
}

template <typename T>
INLINE void Job<T>::operator()(int64_t from_row, int64_t to_row) const {
  // As many columns as fit into registers, whatever the type.
  constexpr int WIDE = 512 / sizeof(T), HALF = WIDE / 2;
  for (int64_t row = from_row; row < to_row; row++) {
    int64_t column = 0;
    for (; column + WIDE <= width; column += WIDE) row_tile<T, WIDE>(*this, row, column);
    for (; column + HALF <= width; column += HALF) row_tile<T, HALF>(*this, row, column);
    for (; column + 16 <= width; column += 16) row_tile<T, 16>(*this, row, column);
    if (column + 8 <= width) row_tile<T, 8>(*this, row, column), column += 8;
    switch (width - column) {
      case 1: row_tile<T, 1>(*this, row, column); break;
      case 2: row_tile<T, 2>(*this, row, column); break;
      case 3: row_tile<T, 3>(*this, row, column); break;
      case 4: row_tile<T, 4>(*this, row, column); break;
      case 5: row_tile<T, 5>(*this, row, column); break;
      case 6: row_tile<T, 6>(*this, row, column); break;
      case 7: row_tile<T, 7>(*this, row, column); break;
    }
  }
}

template <typename T>
void multiply(const Job<T>& job, int64_t n_rows) {
  // Rows are shared out by entries, not by number: degrees differ by orders of magnitude. A row counts as one entry
  // more, so that empty ones are shared out as well; it goes to whoever has its first entry.
  const int64_t work = job.ptr[n_rows] + n_rows;
  const auto row_at = [&](int64_t entry) {
    int64_t low = 0, high = n_rows;
    while (low < high) {
      const int64_t middle = (low + high) / 2;
      if (job.ptr[middle] + middle < entry) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  };
  // Below some ten microseconds of work a second thread costs more than it brings.
  const int64_t grain = std::max<int64_t>(1, 65536 / std::max<int64_t>(1, job.width));
  at::parallel_for(0, work, grain, [&](int64_t from, int64_t to) { pleach::run_here(job, row_at(from), row_at(to)); });
}

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

template <typename T>
void fill(const Csr& a, const Tensor& x, Tensor& out) {
  multiply<T>(
      {a.ptr.const_data_ptr<int32_t>(), a.col.const_data_ptr<int32_t>(), a.val.const_data_ptr<T>(), x.const_data_ptr<T>(),
       out.mutable_data_ptr<T>(), x.size(1)},
      a.rows());
}

// The product without a place in autograd's graph.
Tensor product(const Csr& a, const Tensor& x) {
  const Tensor dense = x.contiguous();
  Tensor out = at::empty({a.rows(), x.size(1)}, dense.options().requires_grad(false));
  if (x.scalar_type() == at::kFloat) {
    fill<float>(a, dense, out);
  } else {
    fill<double>(a, dense, out);
  }
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

} // namespace

// `a * x`, or null; the reason is then in `pleach_native_error`.
extern "C" Tensor* pleach_spmm(
    const Tensor* ptr,
    const Tensor* col,
    const Tensor* val,
    const Tensor* t_ptr,
    const Tensor* t_col,
    const Tensor* t_val,
    const Tensor* x) noexcept {
  return pleach::caught<Tensor*>(
      nullptr, [&] { return new Tensor(spmm({*ptr, *col, *val}, {*t_ptr, *t_col, *t_val}, *x)); });
}
