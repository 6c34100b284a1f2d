//! Numbers of a variance that keeps activations and gradients of equal size from layer to layer:
//!
//! ```text
//! uniform:  w ~ U[-b, b),  b = gain sqrt(6 / (in + out))
//! normal:   w ~ N(0, gain^2 2 / (in + out))
//! ```
//!
//! `in` and `out` count what goes into a unit and how many units take an input: see [`fans`]. Source: Glorot & Bengio
//! 2010, equation 16.

use plugin_api::prelude::*;

use super::{Distribution, fans};

/// Numbers whose variance follows from the numbers of inputs and outputs (Glorot & Bengio 2010).
#[component(initializer = "glorot")]
struct Glorot {
    /// How they are distributed.
    #[param(default = "uniform")]
    distribution: Distribution,
    /// What the activation behind the layer takes away, made up for.
    #[param(default = 1.0, range = "0 < x")]
    gain: f64,
}

impl Initializer for Glorot {
    fn init(&self, spec: &WeightSpec, _: &Arch, seed: u64) -> Result<plugin_api::Tensor> {
        let (into, out) = fans(spec)?;
        let deviation = self.gain * (2.0 / (into + out)).sqrt();
        self.distribution.draw(deviation, spec, seed)
    }
}
