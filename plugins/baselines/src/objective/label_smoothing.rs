//! Labels that are not quite sure: `amount (U - H)`, with the mean cross-entropy `H` of the labels and `U` of all classes
//! alike.
//!
//! Added to `H`, which is the loss of a task of classification, it makes `(1 - amount) H + amount U`, the loss of labels
//! that give `amount` of their weight to all classes. Logits are `[samples, classes]`, labels `[samples]`, int64. Source:
//! Szegedy et al. 2016, section 7.

use plugin_api::prelude::*;

/// Takes a part of each label's weight and gives it to all classes alike (Szegedy et al. 2016).
#[component(objective = "label-smoothing")]
struct LabelSmoothing {
    /// The part that is taken.
    #[param(default = 0.1, range = "0 <= x <= 1")]
    amount: f64,
    /// The output that holds the logits.
    #[param(default = "y")]
    logits: String,
    /// What the batch calls the labels.
    #[param(default = "y")]
    labels: String,
}

impl Objective for LabelSmoothing {
    fn value(
        &self,
        seen: &Seen,
        batch: &Batch,
        _: &Named<Seen>,
    ) -> Result<Option<plugin_api::Tensor>> {
        let logits = batch.counted(seen.outputs.tensor(&self.logits)?)?; // [samples, classes]
        let labels = batch.counted(batch.tensor(&self.labels)?)?; // [samples]
        let surprise = logits.f_log_softmax(-1, None::<Kind>)?.f_neg()?;
        let uniform = surprise.f_mean(None::<Kind>)?;
        let hard = surprise
            .f_gather(-1, &labels.f_unsqueeze(-1)?, false)?
            .f_mean(None::<Kind>)?;
        Ok(Some(
            uniform.f_sub(&hard)?.f_mul_scalar(self.amount)?.into(),
        ))
    }
}
