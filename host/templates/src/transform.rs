//! Gradients cut to a length: `g = g min(1, limit / |g|)`, where `|g|` is the norm of all gradients together.
//!
//! It stands before an optimizer: `transforms = ["PLUGIN/clip", "baselines/adam"]`.

use plugin_api::prelude::*;

/// Cuts gradients to a length, all of them together.
#[component(transform = "clip")]
struct Clip {
    /// The longest that they may be.
    #[param(default = 1.0, range = "0 < x")]
    limit: f64,
}

impl Transform for Clip {
    fn update(
        &self,
        gradients: Tensors,
        _: &Tensors,
        _: &mut Tensors,
        _: &Tick,
    ) -> Result<Tensors> {
        let norm = norm(&gradients)?;
        let factor = if norm > self.limit {
            self.limit / norm
        } else {
            1.0
        };
        let mut cut = Tensors::new();
        for (path, gradient) in gradients.iter() {
            cut.put(path, gradient.f_mul_scalar(factor)?);
        }
        Ok(cut)
    }
}

/// The norm of all of them as one vector.
fn norm(gradients: &Tensors) -> Result<f64> {
    let mut squares = 0.0;
    for gradient in gradients.values() {
        squares += f64::try_from(&gradient.f_square()?.f_sum(Kind::Double)?)?;
    }
    Ok(squares.sqrt())
}
