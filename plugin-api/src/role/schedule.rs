//! Real numbers that change with the step.

use plugin_api_macros::boundary;

/// `step -> number`. It serves any parameter of the type [`Real`](crate::Real).
#[boundary(owned)]
pub trait Schedule: Send + Sync {
    /// The number for the step with this many before it.
    fn at(&self, step: i64) -> f64;
}
