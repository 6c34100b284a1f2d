//! Steps on the whole training split: `w = w + transforms(dL/dw)`, `epochs` times.
//!
//! Works for any task. The report has the metric `loss`: that of the last step, before the step was made.

use plugin_api::prelude::*;

/// Trains on the whole training split at once, a step each epoch, and keeps the last weights.
#[component(trainer = "full-batch")]
struct FullBatch {
    /// Passes through the training data.
    #[param(default = 100, range = "1 <= x")]
    epochs: i64,
    /// What turns gradients into updates, in this order.
    #[param(default = ["baselines/adam"])]
    transforms: Vec<RecipeOf<dyn Transform>>,
    /// Terms that are added to the task's loss.
    #[param(default = [])]
    objectives: Vec<RecipeOf<dyn Objective>>,
}

impl Trainer for FullBatch {
    fn fit(&self, session: &mut dyn Session) -> Result<Report> {
        let transforms: Vec<Recipe> = self.transforms.iter().map(|t| t.recipe.clone()).collect();
        session.chain("main", &transforms, "model")?;
        let objectives: Vec<Recipe> = self.objectives.iter().map(|o| o.recipe.clone()).collect();
        session.objectives(&objectives)?;
        let batch = session
            .batch("train", &At::ALL)?
            .context("the task has no training batch")?;
        let mut loss = f64::NAN;
        for epoch in 1..=self.epochs {
            loss = session.step("main", &batch, &Ask::train())?;
            if !loss.is_finite() {
                return Err(Error::new(format!("the loss of epoch {epoch} is {loss}"))
                    .expected("a finite number")
                    .help("try a lower rate")
                    .into());
            }
        }
        Ok(Report::default().metric("loss", loss))
    }
}
