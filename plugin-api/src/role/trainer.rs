//! Better weights.

use plugin_api_data::Report;
use plugin_api_macros::boundary;

use crate::{Result, Session};

/// Fits the weights of a session.
#[boundary(owned)]
pub trait Trainer: Send + Sync {
    /// Fits them, and reports how it went. Who knows the task's metrics on a split without a pass over it says so by
    /// [`Report::measured`].
    fn fit(&self, session: &mut dyn Session) -> Result<Report>;
}
