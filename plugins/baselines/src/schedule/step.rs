//! A stair: `start gamma^floor(step / step_size)`.
//!
//! Source: PyTorch's `StepLR`.

use plugin_api::prelude::*;

/// Is multiplied by the same factor again and again, after equal numbers of steps.
#[component(schedule = "step")]
struct Step {
    /// Where it begins.
    #[param(default = 0.1)]
    start: f64,
    /// The factor.
    #[param(default = 0.1)]
    gamma: f64,
    /// Steps from one multiplication to the next.
    #[param(example = 100, range = "1 <= x")]
    step_size: i64,
}

impl Schedule for Step {
    fn at(&self, step: i64) -> f64 {
        let times = step / self.step_size;
        self.start * self.gamma.powf(times as f64)
    }
}
