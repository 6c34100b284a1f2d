//! Which weights matter.

use plugin_api_macros::boundary;

use crate::{Result, Session, Tensors};

/// `(session) -> a score for each weight`; the session selects, so that counts are exact.
#[boundary(owned)]
pub trait Pruner: Send + Sync {
    /// A score for each element of the weights that it ranks, by path; the lowest are pruned.
    fn scores(&self, session: &mut dyn Session) -> Result<Tensors>;
}
