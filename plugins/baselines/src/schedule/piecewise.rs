//! Numbers or schedules that follow each other.
//!
//! Each counts its steps from its own milestone, as in PyTorch's `SequentialLR`; of numbers alone it is a `MultiStepLR`.

use plugin_api::prelude::*;

/// Another number, or another schedule, from each milestone on.
#[component(schedule = "piecewise")]
struct Piecewise {
    /// What holds before the first milestone.
    #[param(default = 0.1)]
    start: Real,
    /// The step from which on something else holds, and what: `[[100, 0.01], [200, 0.001]]`, in any order.
    #[param(default = [])]
    milestones: Vec<(i64, Real)>,
}

impl Schedule for Piecewise {
    fn at(&self, step: i64) -> f64 {
        let begun = self.milestones.iter().filter(|(from, _)| *from <= step);
        match begun.max_by_key(|(from, _)| from) {
            Some((from, piece)) => piece.at(step - from),
            None => self.start.at(step),
        }
    }
}
