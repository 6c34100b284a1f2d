//! One number everywhere.

use plugin_api::prelude::*;

/// One number everywhere.
#[component(initializer = "constant")]
struct Constant {
    /// The number.
    #[param(default = 1.0)]
    value: f64,
}

impl Initializer for Constant {
    fn init(&self, spec: &WeightSpec, _: &Arch, _: u64) -> Result<plugin_api::Tensor> {
        Ok(Tensor::f_full(spec.size(), self.value, (kind(spec.dtype), Device::Cpu))?.into())
    }
}
