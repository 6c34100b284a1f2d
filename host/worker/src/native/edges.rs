//! Attention over a graph's edges, and the largest of the neighbours' numbers.

use plugin_api::Result;
use tch::Tensor;
use torch_sys::C_tensor;

use super::{Csr, Pattern, owned};

/// Laid out as in `native/edges.h`. Rows are targets, columns sources.
#[repr(C)]
struct Edges {
    starts: *const C_tensor,
    sources: *const C_tensor,
    source_starts: *const C_tensor,
    targets: *const C_tensor,
    order: *const C_tensor,
}

impl Edges {
    fn of(pattern: &Pattern) -> Edges {
        Edges {
            starts: pattern.rows.starts.as_ptr(),
            sources: pattern.rows.across.as_ptr(),
            source_starts: pattern.columns.starts.as_ptr(),
            targets: pattern.columns.across.as_ptr(),
            order: pattern.order.as_ptr(),
        }
    }
}

unsafe extern "C" {
    fn pleach_softmax(
        edges: &Edges,
        weight: *const C_tensor,
        scores: *const C_tensor,
    ) -> *mut C_tensor;
    fn pleach_attention(
        edges: &Edges,
        weight: *const C_tensor,
        source: *const C_tensor,
        target: *const C_tensor,
        slope: f64,
    ) -> *mut C_tensor;
    fn pleach_attend(
        edges: &Edges,
        attention: *const C_tensor,
        x: *const C_tensor,
    ) -> *mut C_tensor;
    fn pleach_max(edges: &Edges, weight: *const C_tensor, x: *const C_tensor) -> *mut C_tensor;
}

// SAFETY, of all below: live tensors for the time of the call, of which a kernel makes handles of its own. It checks
// kinds, sizes and devices; that indices are in bounds it takes from `Pattern`, which has checked them and gives nobody
// its tensors. It throws nothing.

/// `weight * exp(scores)` over its sum in each row, for scores of `[edges, heads]`.
///
/// # Errors
/// Where the scores have another kind than the weights, or do not fit.
pub(crate) fn softmax(csr: &Csr, scores: &Tensor) -> Result<Tensor> {
    let (edges, weight) = (Edges::of(&csr.pattern), csr.by_row.as_ptr());
    // SAFETY: as above.
    unsafe { owned(pleach_softmax(&edges, weight, scores.as_ptr())) }
}

/// [`softmax`] of a leaky unit over `source[column] + target[row]`, `[columns, heads]` and `[rows, heads]`.
///
/// # Errors
/// As above.
pub(crate) fn attention(csr: &Csr, source: &Tensor, target: &Tensor, slope: f64) -> Result<Tensor> {
    let (edges, weight) = (Edges::of(&csr.pattern), csr.by_row.as_ptr());
    let (source, target) = (source.as_ptr(), target.as_ptr());
    // SAFETY: as above.
    unsafe { owned(pleach_attention(&edges, weight, source, target, slope)) }
}

/// `out[row] = sum over its entries of attention * x[column]`, head by head: `[rows, heads, features]`.
///
/// # Errors
/// As above.
pub(crate) fn attend(pattern: &Pattern, attention: &Tensor, x: &Tensor) -> Result<Tensor> {
    let edges = Edges::of(pattern);
    // SAFETY: as above.
    unsafe { owned(pleach_attend(&edges, attention.as_ptr(), x.as_ptr())) }
}

/// The largest of `x[column]` over a row's entries that are not 0, feature by feature: `[rows, features]`.
///
/// # Errors
/// As above.
pub(crate) fn max(csr: &Csr, x: &Tensor) -> Result<Tensor> {
    let (edges, weight) = (Edges::of(&csr.pattern), csr.by_row.as_ptr());
    // SAFETY: as above.
    unsafe { owned(pleach_max(&edges, weight, x.as_ptr())) }
}
