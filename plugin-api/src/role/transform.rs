//! From gradients to updates; optimizers are transforms, and they chain.

use plugin_api_data::{Arch, WeightSpec};
use plugin_api_macros::boundary;
use serde::{Deserialize, Serialize};

use crate::{Result, Tensors};

/// When a transform runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tick {
    /// Updates of this chain done before, counted from 0.
    pub step: i64,
    /// The chain's own seed.
    pub seed: u64,
}

/// `(gradients, weights, state) -> updates`.
#[boundary(owned)]
pub trait Transform: Send + Sync {
    /// Its state before the first update: `slot:path` has the shape of the weight `path` and is cut and grown with it.
    fn init(&self, specs: &[WeightSpec], arch: &Arch) -> Result<Tensors> {
        let _ = (specs, arch);
        Ok(Tensors::new())
    }

    /// From gradients (or another transform's updates) to updates, by path; what the last one of a chain returns is
    /// added to the weights. The gradients are the transform's: their memory may become that of the updates. Runs without
    /// autograd.
    fn update(
        &self,
        gradients: Tensors,
        weights: &Tensors,
        state: &mut Tensors,
        tick: &Tick,
    ) -> Result<Tensors>;
}
