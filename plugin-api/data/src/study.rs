//! What a strategy is told and what it answers.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Decision, Error, Named, Point};

/// A trial of a search, counted from 0; prints as `t7`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TrialId(pub u64);

impl fmt::Display for TrialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t{}", self.0)
    }
}

/// A metric to be optimised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Goal {
    /// Its name.
    pub metric: String,
    /// Whether more of it is better.
    pub higher_is_better: bool,
}

/// What a search is about, told once before it begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    /// What is open.
    pub decisions: Vec<Decision>,
    /// What is wanted.
    pub goals: Vec<Goal>,
    /// Decides, with the history, all that a strategy does.
    pub seed: u64,
}

/// A point to try next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    /// The point.
    pub point: Point,
    /// The earlier trial whose architecture and weights the trainer may inherit; for strategies that say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<TrialId>,
    /// Who proposed it, where a strategy asks others: the name that it gives the other one, `evolution` or
    /// `portfolio/evolution`. It comes back with what was seen, for credit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

impl Proposal {
    /// The same as a child of an earlier trial, whose architecture and weights its trainer may inherit.
    pub fn child_of(mut self, trial: TrialId) -> Self {
        self.from = Some(trial);
        self
    }

    /// The same in the name of whoever proposed it, before whatever stands there.
    pub fn by(mut self, who: &str) -> Self {
        self.by = Some(match self.by {
            Some(inner) => format!("{who}/{inner}"),
            None => who.into(),
        });
        self
    }
}

impl From<Point> for Proposal {
    fn from(point: Point) -> Self {
        Proposal {
            point,
            from: None,
            by: None,
        }
    }
}

/// What was seen of a trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// Which trial.
    pub trial: TrialId,
    /// What was tried.
    pub point: Point,
    /// Who proposed it, as the proposal had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// How it went.
    pub outcome: Outcome,
}

/// How a trial went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It ran to its end, and gave these metrics.
    Done(Named<f64>),
    /// It did not, for this reason.
    Failed(Error),
}

impl Observation {
    /// What was seen of a proposal.
    pub fn of(trial: TrialId, proposal: &Proposal, outcome: Outcome) -> Self {
        Observation {
            trial,
            point: proposal.point.clone(),
            by: proposal.by.clone(),
            outcome,
        }
    }
}
