//! Normal numbers: `w ~ N(mean, std^2)`.

use plugin_api::prelude::*;

/// Normal numbers of a mean and a standard deviation.
#[component(initializer = "normal")]
struct Normal {
    /// Their mean.
    #[param(default = 0.0)]
    mean: f64,
    /// Their standard deviation.
    #[param(default = 1.0, range = "0 <= x")]
    std: f64,
}

impl Initializer for Normal {
    fn init(&self, spec: &WeightSpec, _: &Arch, seed: u64) -> Result<plugin_api::Tensor> {
        let unit = random::normal(&spec.size(), seed).f_to_kind(kind(spec.dtype))?;
        Ok(unit.f_mul_scalar(self.std)?.f_add_scalar(self.mean)?.into())
    }
}
