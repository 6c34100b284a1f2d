//! Adagrad: steps of the gradient over the root of the sum of all its squares.
//!
//! ```text
//! g = gradient + decay w
//! s = s + g^2
//! w = w - rate / (1 + t rate_decay) g / (sqrt(s) + epsilon)        after t steps
//! ```
//!
//! State: `sum:PATH` (`s`), like the weight. Source: Duchi et al. 2011, figure 1, with diagonal matrices; `rate_decay` is
//! that of PyTorch, `lr_decay`.

use plugin_api::prelude::*;

use super::{decayed, filled, slot};

/// Adagrad (Duchi et al. 2011): steps that grow shorter where gradients have been large.
#[component(transform = "adagrad")]
struct Adagrad {
    /// Length of a step.
    #[param(default = 0.01, range = "0 <= x")]
    rate: Real,
    /// How fast steps shrink beside that: after `t` of them by `1 + t rate_decay`.
    #[param(default = 0.0, range = "0 <= x")]
    rate_decay: f64,
    /// What is added to the gradient for each unit of the weight.
    #[param(default = 0.0, range = "0 <= x")]
    decay: f64,
    /// What the sum of squares begins with.
    #[param(default = 0.0, range = "0 <= x")]
    initial_accumulator_value: f64,
    /// Keeps the division finite.
    #[param(default = 1e-10, range = "0 < x")]
    epsilon: f64,
}

impl Transform for Adagrad {
    fn init(&self, specs: &[WeightSpec], _: &Arch) -> Result<Tensors> {
        filled("sum", self.initial_accumulator_value, specs)
    }

    fn update(
        &self,
        gradients: Tensors,
        weights: &Tensors,
        state: &mut Tensors,
        tick: &Tick,
    ) -> Result<Tensors> {
        let rate = self.rate.at(tick.step) / (1.0 + tick.step as f64 * self.rate_decay);
        let updates = gradients.iter().map(|(path, gradient)| {
            let gradient = decayed(gradient, &weights[path], self.decay)?;
            let sum = slot(state, "sum", path)?.f_add_(&gradient.f_square()?)?;
            let below = sum.f_sqrt()?.f_add_scalar(self.epsilon)?;
            Ok((path, gradient.f_div(&below)?.f_mul_scalar(-rate)?))
        });
        updates.collect()
    }
}
