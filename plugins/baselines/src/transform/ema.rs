//! An exponential moving average of the weights, beside them: `a = decay a + (1 - decay) w`, from the first `w` on.
//!
//! It stands last in a chain and hands the updates on as they are; `w` is the weight with its update. State:
//! `average:PATH` (`a`), like the weight, NaN where nothing was seen yet. The network trains on its own weights. A
//! trainer whose chain `main` has `ema` behind one optimizer finds the averages in
//! `session.snapshot("chains")?.under("chain:main:1.average:")`, evaluates with them by
//! `Ask::eval().weights(averages)`, and ends with them by `session.set(&averages)`.
//!
//! Source: Polyak & Juditsky 1992 for the mean of the weights; with exponential weights as in PyTorch's
//! `swa_utils.get_ema_multi_avg_fn`.

use plugin_api::prelude::*;

use super::{filled, slot};

/// Keeps an exponential moving average of the weights (after Polyak & Juditsky 1992), last in a chain.
#[component(transform = "ema")]
struct Ema {
    /// How much of the average goes on.
    #[param(default = 0.999, range = "0 <= x <= 1")]
    decay: f64,
}

impl Transform for Ema {
    fn init(&self, specs: &[WeightSpec], _: &Arch) -> Result<Tensors> {
        // Not zeros: what is grown into a network, or learned from later on, has an average from then on.
        filled("average", f64::NAN, specs)
    }

    fn update(
        &self,
        gradients: Tensors,
        weights: &Tensors,
        state: &mut Tensors,
        _: &Tick,
    ) -> Result<Tensors> {
        for (path, update) in gradients.iter() {
            let weight = weights[path].f_add(update)?;
            let mut average = slot(state, "average", path)?;
            let unseen = average.f_isnan()?;
            let moved = average.f_lerp(&weight, 1.0 - self.decay)?;
            average.f_copy_(&weight.f_where_self(&unseen, &moved)?)?;
        }
        Ok(gradients)
    }
}
