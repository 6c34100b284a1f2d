//! What a network is worth.

use plugin_api_macros::boundary;

use crate::{Result, Session};

/// `(session) -> number`, without training or with.
#[boundary(owned)]
pub trait Scorer: Send + Sync {
    /// The score of the session's network.
    fn score(&self, session: &mut dyn Session) -> Result<f64>;
    /// Whether a higher score means a better network.
    fn higher_is_better(&self) -> bool {
        true
    }
}
