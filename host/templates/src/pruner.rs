//! Weights go whose loss would cost little, to first order: the score of a weight is `(w dL/dw)^2`.
//!
//! It ranks what is tagged `prunable`, as a pass uses it: generated weights too, after masks. The derivative is taken on
//! one training batch, with dropout off.

use plugin_api::prelude::*;

/// Ranks weights by what the loss would change without them, to first order.
#[component(pruner = "taylor")]
struct Taylor {
    /// Samples in the batch; 0 for the whole split.
    #[param(default = 0, range = "0 <= x")]
    size: i64,
}

impl Pruner for Taylor {
    fn scores(&self, session: &mut dyn Session) -> Result<Tensors> {
        let at = At {
            size: self.size,
            seed: session.seed("taylor"),
            ..At::ALL
        };
        let batch = session
            .batch("train", &at)?
            .context("the task has no training batch")?;
        let weights = session.effective("#prunable", &Ask::eval())?;
        let seen = session.forward(&batch, &Ask::eval().weights(weights.clone()))?;
        let gradients = gradients_of(&*session.loss(&seen, &batch)?, &weights, false)?;
        let mut scores = Tensors::new();
        for (path, gradient) in gradients.iter() {
            let change = weights[path].f_detach()?.f_mul(gradient)?;
            scores.put(path, change.f_square()?);
        }
        Ok(scores)
    }
}
