//! Which point to try next.

use plugin_api_data::{Observation, Proposal, Setting};
use plugin_api_macros::boundary;

use crate::{Host, Result};

/// `history -> points to try next`. All that it does follows from the seed, the history and what it was asked before, so
/// that resuming is replaying.
#[boundary(owned)]
pub trait Strategy: Send {
    /// Begins anew.
    fn begin(&mut self, setting: &Setting) -> Result<()>;
    /// Proposes `n` points; fewer where it has no more.
    fn ask(&mut self, n: i64, host: &dyn Host) -> Result<Vec<Proposal>>;
    /// Learns from what was seen, in the order of the trials.
    fn tell(&mut self, seen: &[Observation], host: &dyn Host) -> Result<()>;
}
