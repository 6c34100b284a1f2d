//! Zeros.

use plugin_api::prelude::*;

/// Zeros everywhere, as biases begin.
#[component(initializer = "zeros")]
struct Zeros {}

impl Initializer for Zeros {
    fn init(&self, spec: &WeightSpec, _: &Arch, _: u64) -> Result<plugin_api::Tensor> {
        Ok(Tensor::f_zeros(spec.size(), (kind(spec.dtype), Device::Cpu))?.into())
    }
}
