//! Stochastic gradient descent.
//!
//! ```text
//! g = gradient + decay w
//! m = momentum m + g
//! w = w - rate m                      (nesterov: w - rate (g + momentum m))
//! ```
//!
//! State: `momentum:PATH`, like the weight, where there is momentum. Source: Sutskever et al. 2013 for both kinds of
//! momentum, in the form that PyTorch has (the rate stands outside `m`).

use plugin_api::prelude::*;

use super::filled;

/// Stochastic gradient descent, with momentum or without.
#[component(transform = "sgd")]
struct Sgd {
    /// Length of a step.
    #[param(default = 0.1, range = "0 <= x")]
    rate: Real,
    /// How much of the last update goes on.
    #[param(default = 0.0, range = "0 <= x < 1")]
    momentum: f64,
    /// Whether the gradient is taken as if momentum had moved the weights already.
    #[param(default = false)]
    nesterov: bool,
    /// What is added to the gradient for each unit of the weight.
    #[param(default = 0.0, range = "0 <= x")]
    decay: f64,
}

impl Transform for Sgd {
    fn init(&self, specs: &[WeightSpec], _: &Arch) -> Result<Tensors> {
        match self.momentum > 0.0 {
            true => filled("momentum", 0.0, specs),
            false => Ok(Tensors::new()),
        }
    }

    fn update(
        &self,
        gradients: Tensors,
        weights: &Tensors,
        state: &mut Tensors,
        tick: &Tick,
    ) -> Result<Tensors> {
        let step = SgdStep {
            rate: self.rate.at(tick.step),
            momentum: self.momentum,
            nesterov: self.nesterov,
            decay: self.decay,
        };
        step.updates(gradients, weights, state)
    }
}
