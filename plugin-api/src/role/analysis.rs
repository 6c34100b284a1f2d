//! Looks at what was made.

use plugin_api_data::Report;
use plugin_api_macros::boundary;

use crate::{Bench, Host, Result};

/// `(subjects) -> metrics and tables`. Explainers and drawings are analyses.
#[boundary(owned)]
pub trait Analysis: Send + Sync {
    /// Measures the subjects on the bench; it may run searches of its own.
    fn measure(&self, bench: &dyn Bench, host: &dyn Host) -> Result<Report>;
}
