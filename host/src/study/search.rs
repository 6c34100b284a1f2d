//! The search loop.
//!
//! Point `n` is asked after exactly the results `0..=n - ahead` were told, in the order of the trials. How many run at
//! once changes when they end, and nothing else; so one job and eight give the same study. Resuming is the same loop
//! again: what it asks is compared with the journal, and what the journal knows is not run.

use std::collections::{BTreeMap, VecDeque};

use plugin_api_data::{Arch, Error, Goal, Named, Observation, Outcome, Proposal, TrialId};

use super::strategy::Strategy;
use super::{Event, Halt, Study};
use crate::experiment::Search;
use crate::journal::{Journal, Key, Results};
use crate::protocol::{Change, Done, Subject, Work};

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
            self.pool.batch = usize::try_from(search.batch).unwrap_or(usize::MAX);
            let mut strategy =
                Strategy::new(self.launch, name, search, seed, self.experiment.limits);
            let mut changes = Changes::of(stage, search, &self.journal)?;
            let (mut asked, mut told): (Vec<Proposal>, u64) = (vec![], 0);
            // How many of those asked for are at work.
            let mut begun = 0;
            loop {
                let until = told.saturating_add(search.ahead).min(search.budget);
                // In parts, where the search changes before a trial among them.
                while (asked.len() as u64) < until {
                    let first = asked.len() as u64;
                    self.change(name, &mut strategy, &mut changes, first)?;
                    let wanted = changes.next().unwrap_or(until).min(until) - first;
                    let proposals = strategy.ask(wanted)?;
                    let is_all = proposals.len() as u64 == wanted;
                    asked.extend(proposals);
                    if !is_all {
                        break;
                    }
                }
                let Some(proposal) = asked.get(told as usize) else {
                    break;
                };
                if !results.contains_key(&told) {
                    let first = Key {
                        stage,
                        number: begun as u64,
                        seed,
                    };
                    self.journal.propose(first, &asked[begun..])?;
                    let inherits = strategy.inherits();
                    for (number, proposal) in (first.number..).zip(&asked[begun..]) {
                        if !results.contains_key(&number) {
                            let work = self.trial(name, search, number, proposal, inherits);
                            self.pool.submit(number, work);
                        }
                    }
                    begun = asked.len();
                }
                while !results.contains_key(&told) {
                    let ended = self.pool.next_all()?;
                    let keyed = ended.iter().map(|ended| {
                        let number = ended.number;
                        (
                            Key {
                                stage,
                                number,
                                seed,
                            },
                            ended,
                        )
                    });
                    self.record(&keyed.collect::<Vec<_>>())?;
                    for ended in ended {
                        self.run.forget_checkpoint(&ended.name)?;
                        self.tell_watcher(&ended);
                        results.insert(ended.number, ended.result);
                    }
                }
                let outcome = match value(&results[&told], &self.goal) {
                    Ok(value) => Outcome::Done(Named::from_iter([(&self.goal.metric, value)])),
                    Err(error) => Outcome::Failed(error),
                };
                strategy.tell(Observation::of(TrialId(told), proposal, outcome));
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

    /// What a trial of a search does.
    fn trial(
        &self,
        name: &str,
        search: &Search,
        number: u64,
        proposal: &Proposal,
        inherits: bool,
    ) -> Work {
        let trial = |number| format!("{name}-{}", TrialId(number));
        let weights = |trial: &str| inherits.then(|| self.run.weights(trial));
        let own = trial(number);
        Work {
            subject: Subject::Proposal(search.space.clone(), proposal.clone()),
            steps: search.each.clone(),
            seed: self.experiment.seed,
            evaluate: vec!["val".into()],
            save: weights(&own),
            limits: self.experiment.limits,
            bench: vec![],
            parent: proposal.from.and_then(|from| weights(&trial(from.0))),
            checkpoint: self.checkpoint(&own),
            export: None,
            predict: None,
            name: own,
        }
    }
}

/// What is to change of a search, and when.
struct Changes {
    stage: usize,
    /// The trials before which the search changes, by the experiment or as it did before.
    known: VecDeque<(u64, Change)>,
    /// How many trials were proposed before: what a person wants now comes after them.
    proposed: u64,
}

impl Changes {
    fn of(stage: usize, search: &Search, journal: &Journal) -> Result<Self, Error> {
        let mixes = search.mix.iter().map(|mix| (mix.at, mix.change.clone()));
        let wanted = journal.wanted(stage)?.into_iter();
        let settled = wanted.filter_map(|wanted| Some((wanted.outcome?.ok()?, wanted.change)));
        let mut known: Vec<(u64, Change)> = mixes.chain(settled).collect();
        // Stable: what the experiment says comes before what was wanted for the same trial.
        known.sort_by_key(|(number, _)| *number);
        Ok(Changes {
            stage,
            known: known.into(),
            proposed: journal.proposed(stage)?,
        })
    }

    /// The trial before which the search changes next.
    fn next(&self) -> Option<u64> {
        self.known.front().map(|(number, _)| *number)
    }
}

impl Study<'_> {
    /// Changes a search before it asks for this trial: as is known, and as is wanted since.
    fn change(
        &mut self,
        name: &str,
        strategy: &mut Strategy,
        changes: &mut Changes,
        first: u64,
    ) -> Result<(), Halt> {
        while let Some((_, change)) = changes.known.pop_front_if(|(number, _)| *number <= first) {
            strategy.change(&change)??;
        }
        if first < changes.proposed {
            return Ok(());
        }
        for wanted in self.journal.wanted(changes.stage)? {
            if wanted.outcome.is_some() {
                continue;
            }
            let outcome = strategy.change(&wanted.change)?.map(|()| first);
            self.journal.settle(wanted.id, &outcome)?;
            (self.watch)(Event::Changed {
                name,
                change: &wanted.change,
                outcome: &outcome,
            });
        }
        Ok(())
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
