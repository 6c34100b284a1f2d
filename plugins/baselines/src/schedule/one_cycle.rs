//! Up and down once, each along half a cosine: from `max / div_factor` to `max`, and on to
//! `max / (div_factor final_div_factor)`, where it stays.
//!
//! It is highest at step `pct_start steps - 1`, which may lie between two, and ends at step `steps - 1`.
//! Source: Smith & Topin 2018, "Super-Convergence", in the form that PyTorch's `OneCycleLR` has, of two phases.

use std::f64::consts::PI;

use plugin_api::prelude::*;

/// Grows to a number and falls far below where it began, each along half a cosine (Smith & Topin 2018).
#[component(schedule = "one-cycle")]
struct OneCycle {
    /// The highest number.
    #[param(default = 0.1)]
    max: f64,
    /// Steps of the cycle.
    #[param(example = 200, range = "1 <= x")]
    steps: i64,
    /// The part of them in which it grows.
    #[param(default = 0.3, range = "0 <= x <= 1")]
    pct_start: f64,
    /// How often the first number goes into the highest.
    #[param(default = 25.0, range = "0 < x")]
    div_factor: f64,
    /// How often the last number goes into the first.
    #[param(default = 1e4, range = "0 < x")]
    final_div_factor: f64,
}

impl Schedule for OneCycle {
    fn at(&self, step: i64) -> f64 {
        let (step, steps) = (step as f64, self.steps as f64);
        let (top, last) = (self.pct_start * steps - 1.0, steps - 1.0);
        let first = self.max / self.div_factor;
        if step <= top {
            // A way up of one step is its end.
            let done = if top > 0.0 { step / top } else { 1.0 };
            return half_cosine(first, self.max, done);
        }
        let lowest = first / self.final_div_factor;
        if step >= last {
            return lowest;
        }
        half_cosine(self.max, lowest, (step - top) / (last - top))
    }
}

/// Half a period of a cosine from one number to another, of which so much is done.
fn half_cosine(start: f64, end: f64, done: f64) -> f64 {
    end + (start - end) * (1.0 + (PI * done).cos()) / 2.0
}
