//! The ticket's mask over other initial weights: the control that shows what a ticket owes to the weights it began with.
//!
//! Weights and buffers are drawn as the network's were, from a stream of their own of the session's seed. Nothing is
//! trained. Source: Frankle & Carbin 2019, section 1 ("random reinitialization").

use plugin_api::prelude::*;

use crate::alive::Alive;

/// Draws the weights anew from the same distributions, and keeps the masks (Frankle & Carbin 2019).
#[component(trainer = "reinitialised")]
struct Reinitialised {}

impl Trainer for Reinitialised {
    fn fit(&self, session: &mut dyn Session) -> Result<Report> {
        let seed = session.seed("reinitialised");
        let other = session.spawn(&session.arch()?, On::SameTask, seed)?;
        session.set(&other.snapshot("all")?)?;
        Ok(Alive::of(session)?.metrics(Report::default()))
    }
}
