//! A plugin with two components of one name.

use plugin_api::prelude::*;

plugin_api::plugin!();

/// Zero everywhere.
#[component(initializer = "same")]
struct Zero {}

impl Initializer for Zero {
    fn init(&self, spec: &WeightSpec, _: &Arch, _: u64) -> Result<plugin_api::Tensor> {
        Ok(Tensor::f_zeros(spec.size(), (kind(spec.dtype), Device::Cpu))?.into())
    }
}

/// No score at all.
#[component(scorer = "same")]
struct Nothing {}

impl Scorer for Nothing {
    fn score(&self, _: &mut dyn Session) -> Result<f64> {
        Ok(0.0)
    }
}
