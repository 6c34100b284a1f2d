//! Networks that make weights.

use plugin_api_data::WeightSpec;
use plugin_api_macros::boundary;

use crate::{Batch, Result, Tensors};

/// `(own weights, condition) -> weights of another network`.
#[boundary(owned)]
pub trait Hypernet: Send + Sync {
    /// Its own weights, for these targets.
    fn weights(&self, target: &[WeightSpec]) -> Result<Vec<WeightSpec>>;
    /// The targets' weights, by their paths, differentiable in `w`.
    fn generate(&self, w: &Tensors, condition: &Batch, target: &[WeightSpec]) -> Result<Tensors>;
}
