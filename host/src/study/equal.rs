//! Trials of points that were tried before.

use std::collections::HashMap;

use plugin_api_data::{Error, Proposal, TrialId};

use crate::error::Context;
use crate::experiment::Equal;
use crate::journal::Results;
use crate::protocol::Done;

/// Which trials of a search are equal to an earlier one, as far as it is to be treated otherwise than others.
pub(super) struct Twins {
    rule: Equal,
    /// The first trial of each point, by what it depends on.
    first: HashMap<String, u64>,
    /// For each trial the first that is equal to it, or itself; nothing where all are evaluated.
    origin: Vec<u64>,
}

impl Twins {
    pub(super) fn new(rule: Equal) -> Self {
        Twins {
            rule,
            first: HashMap::new(),
            origin: vec![],
        }
    }

    /// Looks at the next proposals. A trial that inherits is equal to one that inherits from the same.
    pub(super) fn extend(&mut self, proposals: &[Proposal], inherits: bool) -> Result<(), Error> {
        if self.rule == Equal::Evaluate {
            return Ok(());
        }
        for proposal in proposals {
            let own = self.origin.len() as u64;
            let from = proposal.from.filter(|_| inherits);
            let from = from.map(|from| self.origin(from.0));
            let depends = serde_json::to_string(&(&proposal.point, from))
                .context(|| format!("trial t{own} has no point that can be written"))?;
            self.origin.push(*self.first.entry(depends).or_insert(own));
        }
        Ok(())
    }

    /// The earlier trial in whose place this one stands.
    pub(super) fn of(&self, trial: u64) -> Option<u64> {
        Some(self.origin(trial)).filter(|origin| *origin != trial)
    }

    /// The trial that was begun for this one.
    pub(super) fn origin(&self, trial: u64) -> u64 {
        let known = usize::try_from(trial).ok();
        let origin = known.and_then(|trial| self.origin.get(trial));
        origin.copied().unwrap_or(trial)
    }

    /// How a trial ends whose twin ended so.
    pub(super) fn result(&self, twin: u64, results: &Results) -> Result<Done, Error> {
        match self.rule {
            Equal::Evaluate | Equal::Reuse => results[&twin].clone(),
            Equal::Forbid => Err(Error::new(format!(
                "its point was tried before, as {}",
                TrialId(twin)
            ))
            .help("`equal = \"reuse\"` takes the earlier result, `baselines/deduplicate` proposes no point twice")),
        }
    }
}
