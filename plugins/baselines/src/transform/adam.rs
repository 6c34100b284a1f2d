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
        let mut state = Tensors::new();
        for spec in specs {
            for slot in ["first", "second"] {
                state.put(
                    format!("{slot}:{}", spec.name),
                    Tensor::f_zeros(spec.size(), (kind(spec.dtype), Device::Cpu))?,
                );
            }
        }
        Ok(state)
    }

    fn update(
        &self,
        gradients: &Tensors,
        weights: &Tensors,
        state: &mut Tensors,
        tick: &Tick,
    ) -> Result<Tensors> {
        let rate = self.rate.at(tick.step);
        let t = (tick.step + 1) as f64;
        let (unbias1, unbias2) = (1.0 - self.beta1.powf(t), 1.0 - self.beta2.powf(t));
        let mut updates = Tensors::new();
        for (path, gradient) in gradients.iter() {
            let gradient = gradient.f_add(&weights[path].f_mul_scalar(self.decay)?)?;
            let (first_slot, second_slot) = (format!("first:{path}"), format!("second:{path}"));
            let first = state[&first_slot]
                .f_mul_scalar(self.beta1)?
                .f_add(&gradient.f_mul_scalar(1.0 - self.beta1)?)?;
            let second = state[&second_slot]
                .f_mul_scalar(self.beta2)?
                .f_add(&gradient.f_square()?.f_mul_scalar(1.0 - self.beta2)?)?;
            let root = second
                .f_div_scalar(unbias2)?
                .f_sqrt()?
                .f_add_scalar(self.epsilon)?;
            updates.put(path, first.f_div(&root)?.f_mul_scalar(-rate / unbias1)?);
            state.put(first_slot, first);
            state.put(second_slot, second);
        }
        Ok(updates)
    }
}
