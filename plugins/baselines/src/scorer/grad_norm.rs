//! The size of the loss's gradient before any training: `sqrt(sum over all weights w of (dL/dw)^2)`.
//!
//! It is taken on one training batch, as in training. Source: `grad_norm` of Abdelfattah et al. 2021, "Zero-Cost Proxies
//! for Lightweight NAS", section 3. Theirs adds up one norm for each layer's weight, without biases; this is one norm over
//! all weights.

use plugin_api::prelude::*;

/// The norm of the loss's gradient on one training batch (Abdelfattah et al. 2021).
#[component(scorer = "grad-norm")]
struct GradNorm {
    /// Samples in the batch; 0 for the whole split.
    #[param(default = 128, range = "0 <= x")]
    size: i64,
}

impl GradNorm {
    fn probe(&self) -> Probe {
        Probe::of(self.size).with_gradients()
    }
}

impl Scorer for GradNorm {
    fn score(&self, session: &mut dyn Session) -> Result<f64> {
        let probed = session.probe(&self.probe())?;
        let mut sum = 0.0;
        for gradient in probed.gradients.values() {
            sum += f64::try_from(&gradient.f_square()?.f_sum(Kind::Double)?)?;
        }
        Ok(sum.sqrt())
    }

    fn needs(&self, _: &Arch) -> Result<Vec<Probe>> {
        Ok(vec![self.probe()])
    }
}
