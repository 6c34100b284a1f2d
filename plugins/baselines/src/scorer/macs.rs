//! The multiplications that one sample, or one graph, takes, as the layers count them.

use plugin_api::prelude::*;

use super::params::counted;

/// The multiplications that one sample takes.
#[component(scorer = "macs")]
struct Macs {}

impl Scorer for Macs {
    fn score(&self, session: &mut dyn Session) -> Result<f64> {
        counted(session, "macs")
    }
}
