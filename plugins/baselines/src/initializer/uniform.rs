//! Uniform numbers: `w ~ U[low, high)`.

use plugin_api::prelude::*;

/// Uniform numbers between two bounds.
#[component(initializer = "uniform")]
struct Uniform {
    /// The lower bound.
    #[param(default = -0.05)]
    low: f64,
    /// The upper bound.
    #[param(default = 0.05)]
    high: f64,
}

impl Initializer for Uniform {
    fn init(&self, spec: &WeightSpec, _: &Arch, seed: u64) -> Result<plugin_api::Tensor> {
        if self.low > self.high {
            return Err(Error::new("parameter `low` is above `high`")
                .found(format!("low = {}, high = {}", self.low, self.high))
                .into());
        }
        let unit = random::uniform(&spec.size(), seed).f_to_kind(kind(spec.dtype))?;
        Ok(unit
            .f_mul_scalar(self.high - self.low)?
            .f_add_scalar(self.low)?
            .into())
    }
}
