//! RMSprop: steps of the gradient over its root mean square.
//!
//! ```text
//! g = gradient + decay w
//! v = alpha v + (1 - alpha) g^2
//! m = momentum m + g / (sqrt(v) + epsilon)
//! w = w - rate m
//! ```
//!
//! Centred, the root is that of the variance, `sqrt(v - u^2)` with `u = alpha u + (1 - alpha) g`. State: `second:PATH`
//! (`v`), and where they are wanted `first:PATH` (`u`) and `momentum:PATH` (`m`), like the weight. Source: Tieleman &
//! Hinton 2012, lecture 6.5; Graves 2013, "Generating Sequences With Recurrent Neural Networks", equations 38 to 45, for
//! the centred form; in the form that PyTorch has (`epsilon` stands outside the root).

use plugin_api::prelude::*;

use super::{decayed, filled, slot};

/// RMSprop (Tieleman & Hinton 2012): steps of the gradient over its root mean square.
#[component(transform = "rmsprop")]
struct RmsProp {
    /// Length of a step.
    #[param(default = 0.01, range = "0 <= x")]
    rate: Real,
    /// How much of the mean square goes on.
    #[param(default = 0.99, range = "0 <= x < 1")]
    alpha: f64,
    /// Keeps the division finite.
    #[param(default = 1e-8, range = "0 < x")]
    epsilon: f64,
    /// What is added to the gradient for each unit of the weight.
    #[param(default = 0.0, range = "0 <= x")]
    decay: f64,
    /// How much of the last update goes on.
    #[param(default = 0.0, range = "0 <= x < 1")]
    momentum: f64,
    /// Whether the gradient is divided by its standard deviation in place of its root mean square.
    #[param(default = false)]
    centered: bool,
}

impl Transform for RmsProp {
    fn init(&self, specs: &[WeightSpec], _: &Arch) -> Result<Tensors> {
        let mut state = filled("second", 0.0, specs)?;
        if self.centered {
            state.extend(filled("first", 0.0, specs)?);
        }
        if self.momentum > 0.0 {
            state.extend(filled("momentum", 0.0, specs)?);
        }
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
        let updates = gradients.iter().map(|(path, gradient)| {
            let gradient = decayed(gradient, &weights[path], self.decay)?;
            let mut step = gradient.f_div(&self.root(&gradient, state, path)?)?;
            if self.momentum > 0.0 {
                let mut moved = slot(state, "momentum", path)?;
                step = moved.f_mul_scalar_(self.momentum)?.f_add_(&step)?;
            }
            Ok((path, step.f_mul_scalar(-rate)?))
        });
        updates.collect()
    }
}

impl RmsProp {
    /// What the gradient is divided by; its running means go on.
    fn root(&self, gradient: &Tensor, state: &Tensors, path: &str) -> Result<Tensor> {
        let mut second = slot(state, "second", path)?;
        let mut square = second.f_lerp_(&gradient.f_square()?, 1.0 - self.alpha)?;
        if self.centered {
            let first = slot(state, "first", path)?.f_lerp_(gradient, 1.0 - self.alpha)?;
            // Of a gradient that stays as it is, rounding may leave less than nothing.
            square = square.f_sub(&first.f_square()?)?.f_clamp_min(0.0)?;
        }
        Ok(square.f_sqrt()?.f_add_scalar(self.epsilon)?)
    }
}
