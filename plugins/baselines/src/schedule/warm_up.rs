//! A line up to where another schedule begins, and then that schedule:
//!
//! ```text
//! then(0) (start_factor + (1 - start_factor) step / steps)        for step < steps
//! then(step - steps)                                             from there on
//! ```
//!
//! Source: Goyal et al. 2017, "Accurate, Large Minibatch SGD", section 2.2; in PyTorch a `SequentialLR` of `LinearLR` and
//! whatever follows.

use plugin_api::prelude::*;

/// Grows along a line to a number, or to where another schedule begins, and goes on with it (Goyal et al. 2017).
#[component(schedule = "warm-up")]
struct WarmUp {
    /// Steps from the first to the end of the line.
    #[param(example = 100, range = "1 <= x")]
    steps: i64,
    /// With what part of its end the line begins.
    #[param(default = 1.0 / 3.0, range = "0 <= x <= 1")]
    start_factor: f64,
    /// What follows; it counts its steps from there.
    #[param(default = 0.1)]
    then: Real,
}

impl Schedule for WarmUp {
    fn at(&self, step: i64) -> f64 {
        if step >= self.steps {
            return self.then.at(step - self.steps);
        }
        let done = step as f64 / self.steps as f64;
        self.then.at(0) * (self.start_factor + (1.0 - self.start_factor) * done)
    }
}
