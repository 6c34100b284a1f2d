//! The search loop.
//!
//! Point `n` is asked after exactly the results `0..=n - ahead` were told, in the order of the trials. How many run at
//! once changes when they end, and nothing else; so one job and eight give the same study. Resuming is the same loop
//! again: what it asks is compared with the journal, and what the journal knows is not run.

use std::collections::BTreeMap;

use plugin_api_data::{Arch, Error, Goal, Named, Observation, Outcome, TrialId};

use super::strategy::Strategy;
use super::{Event, Halt, Study};
use crate::experiment::Search;
use crate::journal::{Key, Results};
use crate::protocol::{Done, Subject, Work};

impl Study<'_> {
    /// Runs a search, and hands on the architecture of its best trial.
    pub(super) fn search(
        &mut self,
        stage: usize,
        name: &str,
        search: &Search,
    ) -> Result<Arch, Halt> {
        let seed = self.experiment.seed;
        let mut results = self.journal.results(stage)?;
        (self.watch)(Event::Stage {
            name,
            works: search.budget,
            done: results.len() as u64,
        });
        // A search that is complete need not be replayed.
        if (results.len() as u64) < search.budget {
            self.set_jobs(search.ahead);
            let mut strategy =
                Strategy::new(self.launch, name, search, seed, self.experiment.limits);
            let (mut asked, mut told): (Vec<_>, u64) = (vec![], 0);
            loop {
                let first = asked.len() as u64;
                let wanted = told.saturating_add(search.ahead).min(search.budget) - first;
                if wanted > 0 {
                    let proposals = strategy.ask(wanted)?;
                    self.journal.propose(
                        Key {
                            stage,
                            number: first,
                            seed,
                        },
                        &proposals,
                    )?;
                    let trial = |number| format!("{name}-{}", TrialId(number));
                    for (number, proposal) in (first..).zip(&proposals) {
                        if !results.contains_key(&number) {
                            let trial_name = trial(number);
                            let inherits = strategy.inherits();
                            let weights = |trial: &str| inherits.then(|| self.run.weights(trial));
                            let subject = Subject::Proposal(search.space.clone(), proposal.clone());
                            let evaluate = vec!["val".into()];
                            let work = Work {
                                subject,
                                steps: search.each.clone(),
                                seed,
                                evaluate,
                                save: weights(&trial_name),
                                limits: self.experiment.limits,
                                bench: vec![],
                                parent: proposal.from.and_then(|from| weights(&trial(from.0))),
                                checkpoint: self.checkpoint(&trial_name),
                                export: None,
                            };
                            self.pool.submit(number, trial_name, work);
                        }
                    }
                    asked.extend(proposals);
                }
                let Some(proposal) = asked.get(told as usize) else {
                    break;
                };
                while !results.contains_key(&told) {
                    let ended = self.pool.next()?;
                    self.record(
                        Key {
                            stage,
                            number: ended.number,
                            seed,
                        },
                        &ended,
                    )?;
                    self.run.forget_checkpoint(&ended.name)?;
                    self.tell_watcher(&ended);
                    results.insert(ended.number, ended.result);
                }
                let outcome = match value(&results[&told], &self.goal) {
                    Ok(value) => Outcome::Done(Named::from_iter([(&self.goal.metric, value)])),
                    Err(error) => Outcome::Failed(error),
                };
                strategy.tell(Observation::of(TrialId(told), proposal, outcome))?;
                told += 1;
            }
        }
        // What was kept to be inherited.
        self.run.forget_trials(name)?;
        match best(&results, &self.goal) {
            Some((_, _, done)) => Ok(done.arch.clone()),
            None => Err(all_failed(name, &results, &self.goal).into()),
        }
    }
}

/// What a trial is worth.
///
/// # Errors
/// Why it is worth nothing.
pub fn value(result: &Result<Done, Error>, goal: &Goal) -> Result<f64, Error> {
    let done = result.as_ref().map_err(Clone::clone)?;
    let metric = format!("val.{}", goal.metric);
    match done.metrics.get(&metric) {
        Some(value) if value.is_finite() => Ok(*value),
        Some(value) => Err(Error::new(format!("`{metric}` is {value}"))),
        None => Err(Error::new(format!("the evaluation gave no `{metric}`"))
            .found(done.metrics.names().collect::<Vec<_>>().join(", "))),
    }
}

/// The best trial: its number, what it is worth, and its result. Of equals the earlier one.
pub fn best<'a>(results: &'a Results, goal: &Goal) -> Option<(u64, f64, &'a Done)> {
    let worth = |result| value(result, goal).ok();
    let valued = results
        .iter()
        .filter_map(|(number, result)| Some((*number, worth(result)?, result.as_ref().ok()?)));
    valued.reduce(|best, next| {
        let better = if goal.higher_is_better {
            next.1 > best.1
        } else {
            next.1 < best.1
        };
        if better { next } else { best }
    })
}

/// The failure of a search without a winner, with each reason once.
fn all_failed(name: &str, results: &Results, goal: &Goal) -> Error {
    if results.is_empty() {
        return Error::new(format!(
            "the search `{name}` has no best trial: its strategy proposed nothing"
        ));
    }
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for error in results
        .values()
        .filter_map(|result| value(result, goal).err())
    {
        *reasons.entry(error.to_string()).or_default() += 1;
    }
    let list: Vec<String> = reasons
        .into_iter()
        .map(|(reason, times)| format!("{times} x {reason}"))
        .collect();
    Error::new(format!(
        "all {} trials of the search `{name}` failed",
        results.len()
    ))
    .found(list.join("\n"))
}
