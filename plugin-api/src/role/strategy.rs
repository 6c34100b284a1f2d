//! Which point to try next.

use plugin_api_data::{Observation, Point, Proposal, Recipe, Setting};
use plugin_api_macros::boundary;

use crate::{Error, Host, Result, Tensor};

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
    /// Whether it proposes points with [`Proposal::from`]: the weights of trials are then kept until the search ends.
    #[since(1.1)]
    fn inherits(&self) -> bool {
        false
    }
    /// Points as this strategy sees them, `[points, width]`, for analyses to probe; `None` where it has no such view.
    #[since(1.1)]
    fn embed(&self, points: &[Point], host: &dyn Host) -> Result<Option<Tensor>> {
        let _ = (points, host);
        Ok(None)
    }
    /// Draws the points that it sees so, `[points, width]`: what goes back where [`embed`](Strategy::embed) came from.
    #[since(1.1)]
    fn sample(&self, seen: &Tensor, seed: u64, host: &dyn Host) -> Result<Option<Vec<Point>>> {
        let _ = (seen, seed, host);
        Ok(None)
    }
    /// Takes others in, by name, and lets others go, while it searches: for strategies that ask others. It changes so, or
    /// not at all.
    ///
    /// # Errors
    /// Where it asks nobody, or does not know whom to let go.
    #[since(1.1)]
    fn control(
        &mut self,
        add: &[(String, Recipe)],
        drop: &[String],
        host: &dyn Host,
    ) -> Result<()> {
        let _ = host;
        let names = add.iter().map(|(name, _)| name).chain(drop);
        Err(
            Error::new("the strategy asks no others, so nothing can be added to it or dropped")
                .found(names.cloned().collect::<Vec<_>>().join(", "))
                .into(),
        )
    }
}
