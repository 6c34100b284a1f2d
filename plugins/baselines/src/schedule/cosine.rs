//! Half a period of a cosine: `end + (start - end) (1 + cos(pi step / steps)) / 2`, and `end` from there on.
//!
//! Source: Loshchilov & Hutter 2017, "SGDR", equation 5, without restarts.

use std::f64::consts::PI;

use plugin_api::prelude::*;

/// Falls from one number to another along half a cosine (Loshchilov & Hutter 2017).
#[component(schedule = "cosine")]
struct Cosine {
    /// Where it begins.
    #[param(default = 0.1)]
    start: f64,
    /// Where it ends.
    #[param(default = 0.0)]
    end: f64,
    /// Steps from one to the other.
    #[param(example = 200, range = "1 <= x")]
    steps: i64,
}

impl Schedule for Cosine {
    fn at(&self, step: i64) -> f64 {
        let done = (step as f64 / self.steps as f64).clamp(0.0, 1.0);
        self.end + (self.start - self.end) * (1.0 + (PI * done).cos()) / 2.0
    }
}
