//! Adam: steps of the mean gradient over its root mean square.
//!
//! ```text
//! g = gradient + decay w
//! m = beta1 m + (1 - beta1) g,   v = beta2 v + (1 - beta2) g^2
//! w = w - rate m' / (sqrt(v') + epsilon),   m' = m / (1 - beta1^t),   v' = v / (1 - beta2^t)
//! ```
//!
//! State: `first:PATH` (`m`) and `second:PATH` (`v`), like the weight. Source: Kingma & Ba 2015, algorithm 1; `decay` is
//! inside the gradient, as in PyTorch's `Adam`, and so scaled like it.

use plugin_api::prelude::*;

use super::filled;

/// Adam (Kingma & Ba 2015): steps of the mean gradient over its root mean square.
#[component(transform = "adam")]
struct Adam {
    /// Length of a step.
    #[param(default = 0.01, range = "0 <= x")]
    rate: Real,
    /// How much of the mean gradient goes on.
    #[param(default = 0.9, range = "0 <= x < 1")]
    beta1: f64,
    /// How much of the mean square goes on.
    #[param(default = 0.999, range = "0 <= x < 1")]
    beta2: f64,
    /// Keeps the division finite.
    #[param(default = 1e-8, range = "0 < x")]
    epsilon: f64,
    /// What is added to the gradient for each unit of the weight.
    #[param(default = 0.0, range = "0 <= x")]
    decay: f64,
}

impl Transform for Adam {
    fn init(&self, specs: &[WeightSpec], _: &Arch) -> Result<Tensors> {
        let mut state = filled("first", 0.0, specs)?;
        state.extend(filled("second", 0.0, specs)?);
        Ok(state)
    }

    fn update(
        &self,
        gradients: Tensors,
        weights: &Tensors,
        state: &mut Tensors,
        tick: &Tick,
    ) -> Result<Tensors> {
        let step = AdamStep {
            rate: self.rate.at(tick.step),
            beta1: self.beta1,
            beta2: self.beta2,
            epsilon: self.epsilon,
            decay: self.decay,
            step: tick.step,
        };
        step.updates(gradients, weights, state)
    }
}
