//! Gradients that are not too large. It stands before the optimizer in a chain.
//!
//! ```text
//! norm:   g = g min(1, limit / (|g| + 1e-6)),   |g| of all gradients of the chain as one vector
//! value:  g = max(-limit, min(limit, g))
//! ```
//!
//! Source: Pascanu et al. 2013, "On the difficulty of training recurrent neural networks", algorithm 1, in the forms that
//! PyTorch has: `clip_grad_norm_`, whose `1e-6` this is, and `clip_grad_value_`.

use plugin_api::prelude::*;
use plugin_api::{schemars, serde};

/// Makes large gradients smaller, before an optimizer (Pascanu et al. 2013).
#[component(transform = "clip")]
struct Clip {
    /// Of what the limit is.
    #[param(default = "norm")]
    by: By,
    /// The largest that is left as it is.
    #[param(default = 1.0, range = "0 < x")]
    limit: f64,
}

/// Of what the limit is.
#[derive(Clone, Copy, serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "plugin_api::serde", rename_all = "kebab-case")]
#[schemars(crate = "plugin_api::schemars", inline)]
enum By {
    /// Of the norm of all gradients together, whose direction stays.
    Norm,
    /// Of each number.
    Value,
}

impl Transform for Clip {
    fn update(
        &self,
        gradients: Tensors,
        _: &Tensors,
        _: &mut Tensors,
        _: &Tick,
    ) -> Result<Tensors> {
        match self.by {
            By::Norm => {
                let factor = self.factor(&gradients)?;
                let scaled = gradients.iter();
                scaled
                    .map(|(path, g)| Ok((path, g.f_mul(&factor)?)))
                    .collect()
            }
            By::Value => {
                let (low, high) = (-self.limit, self.limit);
                let held = gradients.iter();
                held.map(|(path, g)| Ok((path, g.f_clamp(low, high)?)))
                    .collect()
            }
        }
    }
}

impl Clip {
    /// What brings the norm of all gradients to the limit, at most 1: a scalar that stays on their device, so that nobody
    /// waits for it.
    fn factor(&self, gradients: &Tensors) -> Result<Tensor> {
        let mut squares = Tensor::from(0.0);
        for gradient in gradients.values() {
            let norm = gradient.f_norm()?.f_to_kind(Kind::Double)?;
            squares = squares.f_add(&norm.f_square()?)?;
        }
        let factor = squares.f_sqrt()?.f_add_scalar(1e-6)?.f_reciprocal()?;
        Ok(factor.f_mul_scalar(self.limit)?.f_clamp_max(1.0)?)
    }
}
