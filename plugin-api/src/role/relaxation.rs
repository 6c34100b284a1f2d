//! Distributions over a supernet's options, learned with its weights.

use plugin_api_data::{Decision, Report, WeightSpec};
use plugin_api_macros::boundary;
use serde::{Deserialize, Serialize};

use crate::{Choices, Result, Session, Tensors};

/// What a mixture may depend on beside its weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draw {
    /// Decides what is drawn at random.
    pub seed: u64,
    /// Training steps done before this pass.
    pub step: i64,
    /// Whether the network is being trained.
    pub train: bool,
}

/// `(own weights) -> a mixture of options for each decision`. What it learns lives in the session, under `relaxation.`.
#[boundary(owned)]
pub trait Relaxation: Send + Sync {
    /// Its weights, of the group `choice`; running values are buffers.
    fn weights(&self, decisions: &[Decision]) -> Result<Vec<WeightSpec>>;
    /// What each option weighs in a pass; pure and differentiable in `w`.
    fn mix(&self, w: &Tensors, decisions: &[Decision], draw: &Draw) -> Result<Choices>;
    /// One step of the search, of the network's weights and of its own.
    fn update(&self, session: &mut dyn Session) -> Result<Report>;
    /// A score for each option, `[options]`, by decision; the higher the better. A space makes a point of them.
    ///
    /// Who searches for several tasks at once gives `[tasks, options]` for every decision: [`Space::project`] makes a point
    /// of each task's row. A stage of an experiment, which hands on one architecture, ends with an error that shows them.
    ///
    /// [`Space::project`]: crate::role::Space::project
    fn decide(&self, session: &mut dyn Session) -> Result<Tensors>;
}
