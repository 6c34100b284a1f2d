//! The size of the loss's gradient before any training: `sqrt(sum over all weights w of (dL/dw)^2)`.
//!
//! It is taken on one training batch with dropout off, so that candidates differ by their architecture alone. Source:
//! `grad_norm` of Abdelfattah et al. 2021, "Zero-Cost Proxies for Lightweight NAS", section 3. Theirs adds up one norm
//! for each layer's weight, without biases; this is one norm over all weights.

use plugin_api::prelude::*;

/// The norm of the loss's gradient on one training batch (Abdelfattah et al. 2021).
#[component(scorer = "grad-norm")]
struct GradNorm {
    /// Samples in the batch; 0 for the whole split.
    #[param(default = 0, range = "0 <= x")]
    size: i64,
}

impl Scorer for GradNorm {
    fn score(&self, session: &mut dyn Session) -> Result<f64> {
        let at = At {
            size: self.size,
            seed: session.seed("grad-norm"),
            ..At::ALL
        };
        let batch = session
            .batch("train", &at)?
            .ok_or_else(|| Error::new("the task has no training batch"))?;
        let weights = session.weights("model")?;
        let seen = session.forward(&batch, &Ask::eval())?;
        let gradients = gradients_of(&*session.loss(&seen, &batch)?, &weights, false)?;
        let mut sum = 0.0;
        for gradient in gradients.values() {
            sum += f64::try_from(&gradient.f_square()?.f_sum(Kind::Double)?)?;
        }
        Ok(sum.sqrt())
    }
}
