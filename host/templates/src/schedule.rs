//! A ramp: `end * min(1, (step + 1) / steps)`.
//!
//! It serves any parameter that takes a schedule: `{ use = "baselines/adam", rate = "PLUGIN/ramp" }`.

use plugin_api::prelude::*;

/// Grows evenly from next to nothing to a number, and stays there.
#[component(schedule = "ramp")]
struct Ramp {
    /// Where it ends.
    #[param(default = 0.01)]
    end: f64,
    /// Steps until it is there.
    #[param(default = 10, range = "1 <= x")]
    steps: i64,
}

impl Schedule for Ramp {
    fn at(&self, step: i64) -> f64 {
        let done = (step + 1) as f64 / self.steps as f64;
        self.end * done.min(1.0)
    }
}
