//! Adam, with a decay of the weights that the gradients' mean square does not scale:
//!
//! ```text
//! w = w - rate decay w - rate m' / (sqrt(v') + epsilon)
//! ```
//!
//! `m'` and `v'` are those of `adam` without its decay. State: `first:PATH` and `second:PATH`, like the weight. Source:
//! Loshchilov & Hutter 2019, "Decoupled Weight Decay Regularization", algorithm 2, in the form that PyTorch's `AdamW` has
//! (the decay is multiplied by the rate).

use plugin_api::prelude::*;

use super::filled;

/// Adam whose weights decay beside the step, not through the gradient (Loshchilov & Hutter 2019).
#[component(transform = "adamw")]
struct AdamW {
    /// Length of a step.
    #[param(default = 0.001, range = "0 <= x")]
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
    /// What part of the weight a step of length 1 takes away.
    #[param(default = 0.01, range = "0 <= x")]
    decay: f64,
}

impl Transform for AdamW {
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
        let rate = self.rate.at(tick.step);
        let step = AdamStep {
            rate,
            beta1: self.beta1,
            beta2: self.beta2,
            epsilon: self.epsilon,
            decay: 0.0,
            step: tick.step,
        };
        let updates = step.updates(gradients, weights, state)?;
        let shrunk = updates.iter().map(|(path, update)| {
            let decay = weights[path].f_mul_scalar(rate * self.decay)?;
            Ok((path, update.f_sub(&decay)?))
        });
        shrunk.collect()
    }
}
