//! Uniform numbers of a variance that keeps activations and gradients of equal size from layer to layer:
//! `w ~ U[-b, b)`, `b = sqrt(6 / (in + out))`.
//!
//! `in` and `out` count what goes into a unit and how many units take an input: see [`fans`]. Source: Glorot & Bengio
//! 2010, equation 16.

use plugin_api::prelude::*;

use super::fans;

/// Uniform numbers, bounded by the numbers of inputs and outputs (Glorot & Bengio 2010).
#[component(initializer = "glorot")]
struct Glorot {}

impl Initializer for Glorot {
    fn init(&self, spec: &WeightSpec, _: &Arch, seed: u64) -> Result<plugin_api::Tensor> {
        let (into, out) = fans(spec)?;
        let bound = (6.0 / (into + out)).sqrt();
        let unit = random::uniform(&spec.size(), seed).f_to_kind(kind(spec.dtype))?;
        Ok(unit.f_mul_scalar(2.0 * bound)?.f_sub_scalar(bound)?.into())
    }
}
