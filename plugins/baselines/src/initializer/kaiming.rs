//! Numbers of a variance that keeps activations of equal size from layer to layer behind rectifiers:
//!
//! ```text
//! normal:   w ~ N(0, gain^2 / in)
//! uniform:  w ~ U[-b, b),  b = gain sqrt(3 / in)
//! ```
//!
//! `in` counts what goes into a unit: see [`fans`]. Source: He et al. 2015, equation 10, whose gain of `sqrt(2)` makes
//! up for the half that a rectifier cuts off.

use plugin_api::prelude::*;

use super::{Distribution, fans};

/// Numbers whose variance follows from the number of inputs, for layers with rectifiers (He et al. 2015).
#[component(initializer = "kaiming")]
struct Kaiming {
    /// How they are distributed.
    #[param(default = "normal")]
    distribution: Distribution,
    /// What the activation behind the layer takes away, made up for: `sqrt(2)` for rectifiers, 1 for none.
    #[param(default = std::f64::consts::SQRT_2, range = "0 < x")]
    gain: f64,
}

impl Initializer for Kaiming {
    fn init(&self, spec: &WeightSpec, _: &Arch, seed: u64) -> Result<plugin_api::Tensor> {
        let (into, _) = fans(spec)?;
        self.distribution.draw(self.gain / into.sqrt(), spec, seed)
    }
}
