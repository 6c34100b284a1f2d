//! How much the loss depends on the weights before any training: `sum over all weights w of |w dL/dw|`.
//!
//! It is taken on one training batch with dropout off, so that candidates differ by their architecture alone.

use plugin_api::prelude::*;

/// How much the loss depends on the weights: the sum of `|w dL/dw|` on one training batch.
#[component(scorer = "saliency")]
struct Saliency {
    /// Samples in the batch; 0 for the whole split.
    #[param(default = 0, range = "0 <= x")]
    size: i64,
}

impl Scorer for Saliency {
    fn score(&self, session: &mut dyn Session) -> Result<f64> {
        let at = At {
            size: self.size,
            seed: session.seed("saliency"),
            ..At::ALL
        };
        let batch = session
            .batch("train", &at)?
            .context("the task has no training batch")?;
        let weights = session.weights("model")?;
        let seen = session.forward(&batch, &Ask::eval())?;
        let gradients = gradients_of(&*session.loss(&seen, &batch)?, &weights, false)?;
        let mut sum = 0.0;
        for (path, gradient) in gradients.iter() {
            let saliency = weights[path].f_detach()?.f_mul(gradient)?.f_abs()?;
            sum += f64::try_from(&saliency.f_sum(Kind::Double)?)?;
        }
        Ok(sum)
    }
}
