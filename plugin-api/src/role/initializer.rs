//! How a weight begins.

use plugin_api_data::{Arch, WeightSpec};
use plugin_api_macros::boundary;

use crate::{Result, Tensor};

/// `(weight spec, architecture, seed) -> weight`.
#[boundary(owned)]
pub trait Initializer: Send + Sync {
    /// The weight that `spec` describes, made from this seed alone; the architecture tells what stands around it.
    fn init(&self, spec: &WeightSpec, arch: &Arch, seed: u64) -> Result<Tensor>;
}
