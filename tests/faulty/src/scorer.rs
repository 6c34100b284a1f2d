//! The number of learned weights, which misbehaves when it is asked for.

use plugin_api::prelude::*;

use crate::how::How;

/// The number of learned weights, which misbehaves when it is asked for.
#[component(scorer = "faulty-scorer")]
struct Faulty {
    /// How it misbehaves.
    #[param(default = "none")]
    how: How,
    /// It behaves for networks of at most so many weights.
    #[param(default = 0)]
    above: i64,
}

impl Scorer for Faulty {
    fn score(&self, session: &mut dyn Session) -> Result<f64> {
        let weights: i64 = session.specs("model")?.iter().map(WeightSpec::numel).sum();
        if weights > self.above {
            self.how.misbehave()?;
        }
        Ok(weights as f64)
    }
}
