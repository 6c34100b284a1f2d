//! What analyses look at.

use plugin_api_data::{Observation, Recipe, Report};
use plugin_api_macros::boundary;
use serde::{Deserialize, Serialize};

use crate::{Result, Session};

/// A search that an analysis runs itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Searching {
    /// Who proposes points.
    pub strategy: Recipe,
    /// What is searched.
    pub space: Recipe,
    /// Who trains each candidate.
    pub trainer: Recipe,
    /// Candidates in all.
    pub trials: i64,
    /// Decides everything.
    pub seed: u64,
}

/// Subjects on a bench; lent for the time of a call.
#[boundary(lent)]
pub trait Bench {
    /// Their names.
    fn subjects(&self) -> Result<Vec<String>>;
    /// A session of its own with a subject's architecture, weights and masks: what is changed there stays there.
    fn subject(&self, name: &str) -> Result<Box<dyn Session>>;
    /// What the steps that made a subject reported, in their order.
    fn reports(&self, name: &str) -> Result<Vec<Report>>;
    /// Searches one trial after the other, on the subjects' task, and returns what was seen of each: the task's metrics on
    /// `val`, and what the trainer reported, `train.loss`.
    fn search(&self, searching: &Searching) -> Result<Vec<Observation>>;
}
