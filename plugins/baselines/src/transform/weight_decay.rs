//! A pull of the weights towards zero: `g = gradient + decay w`, the gradient of `decay / 2 |w|^2`. It stands before the
//! optimizer in a chain.
//!
//! Source: Krogh & Hertz 1992, "A Simple Weight Decay Can Improve Generalization", equation 3. What the optimizer does to
//! gradients it does to the decay; `adamw` keeps both apart.

use plugin_api::prelude::*;

use super::decayed;

/// Adds a part of each weight to its gradient, before an optimizer (Krogh & Hertz 1992).
#[component(transform = "weight-decay")]
struct WeightDecay {
    /// What is added to the gradient for each unit of the weight.
    #[param(default = 0.01, range = "0 <= x")]
    decay: Real,
}

impl Transform for WeightDecay {
    fn update(
        &self,
        gradients: Tensors,
        weights: &Tensors,
        _: &mut Tensors,
        tick: &Tick,
    ) -> Result<Tensors> {
        let decay = self.decay.at(tick.step);
        let added = gradients
            .iter()
            .map(|(path, gradient)| Ok((path, decayed(gradient, &weights[path], decay)?)));
        added.collect()
    }
}
