//! Uniform numbers of a variance that keeps activations and gradients of equal size from layer to layer:
//! `w ~ U[-b, b)`, `b = sqrt(6 / (in + out))`.
//!
//! `in` is the length of the weight's first axis, `out` of its last. Source: Glorot & Bengio 2010, equation 16.

use plugin_api::prelude::*;

/// Uniform numbers, bounded by the numbers of inputs and outputs (Glorot & Bengio 2010).
#[component(initializer = "glorot")]
struct Glorot {}

impl Initializer for Glorot {
    fn init(&self, spec: &WeightSpec, _: &Arch, seed: u64) -> Result<plugin_api::Tensor> {
        let size = spec.size();
        let (Some(fan_in), Some(fan_out)) = (size.first(), size.last()) else {
            return Err(Error::new(format!(
                "`{}` has no axes, so nothing goes into it or comes out",
                spec.name
            ))
            .help("use baselines/constant")
            .into());
        };
        let bound = (6.0 / (fan_in + fan_out) as f64).sqrt();
        let unit = random::uniform(&size, seed).f_to_kind(kind(spec.dtype))?;
        Ok(unit.f_mul_scalar(2.0 * bound)?.f_sub_scalar(bound)?.into())
    }
}
