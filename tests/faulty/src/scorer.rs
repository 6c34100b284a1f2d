//! The number of learned weights, which misbehaves when it is asked for.

use plugin_api::prelude::*;

use crate::how::How;

/// The number of learned weights, which misbehaves when it is asked for.
#[component(scorer = "faulty-scorer")]
struct Faulty {
    /// How it misbehaves.
    #[param(default = "none")]
    how: How,
}

impl Scorer for Faulty {
    fn score(&self, session: &mut dyn Session) -> Result<f64> {
        self.how.misbehave()?;
        Ok(session
            .specs("model")?
            .iter()
            .map(WeightSpec::numel)
            .sum::<i64>() as f64)
    }
}
