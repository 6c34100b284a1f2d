//! Similarities of samples.

use plugin_api_data::WeightSpec;
use plugin_api_macros::boundary;

use crate::{Batch, Result, Session, Tensor, Tensors};

/// `(x, y) -> Gram matrix`, symmetric and positive semi-definite where `x` is `y`.
#[boundary(owned)]
pub trait Kernel: Send + Sync {
    /// Its hyper-parameters, where they are learned; unbounded, so what is positive is kept as its logarithm.
    fn weights(&self) -> Result<Vec<WeightSpec>> {
        Ok(vec![])
    }

    /// The similarity of each sample of `x` to each of `y`: `[samples of x, samples of y]`. Empirical kernels read it
    /// off a network, which the others are not given.
    fn gram(&self, w: &Tensors, x: &Batch, y: &Batch, net: Option<&dyn Session>) -> Result<Tensor>;

    /// The similarity of each sample to itself: `[samples]`, the diagonal of `gram(w, x, x, net)`.
    fn diagonal(&self, w: &Tensors, x: &Batch, net: Option<&dyn Session>) -> Result<Tensor>;
}
