//! Normal numbers that keep a layer's outputs as large as its inputs: `w ~ N(0, gain^2 / in)`.
//!
//! `in` is the length of the weight's first axis.

use plugin_api::prelude::*;

/// Normal numbers of variance `gain^2 / in`.
#[component(initializer = "normal")]
struct Normal {
    /// How much larger than its inputs a layer's outputs are to be.
    #[param(default = 1.0, range = "0 <= x")]
    gain: f64,
}

impl Initializer for Normal {
    fn init(&self, spec: &WeightSpec, _: &Arch, seed: u64) -> Result<plugin_api::Tensor> {
        let size = spec.size();
        let Some(fan_in) = size.first() else {
            let what = format!("`{}` has no axes, so nothing goes into it", spec.name);
            return Err(Error::new(what).help("use baselines/constant").into());
        };
        let unit = random::normal(&size, seed).f_to_kind(kind(spec.dtype))?;
        let deviation = self.gain / (*fan_in as f64).sqrt();
        Ok(unit.f_mul_scalar(deviation)?.into())
    }
}
