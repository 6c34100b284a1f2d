//! Keeps outputs small: `amount * mean(y^2)`, added to the loss of any task.

use plugin_api::prelude::*;

/// Keeps outputs small: adds their mean square to the loss.
#[component(objective = "small-outputs")]
struct SmallOutputs {
    /// What the mean square is multiplied by.
    #[param(default = 0.01, range = "0 <= x")]
    amount: f64,
    /// The output that is to be small.
    #[param(default = "y")]
    output: String,
}

impl Objective for SmallOutputs {
    fn value(
        &self,
        seen: &Seen,
        batch: &Batch,
        _: &Named<Seen>,
    ) -> Result<Option<plugin_api::Tensor>> {
        let y = batch.counted(seen.outputs.tensor(&self.output)?)?;
        let term = y
            .f_square()?
            .f_mean(None::<Kind>)?
            .f_mul_scalar(self.amount)?;
        Ok(Some(term.into()))
    }
}
