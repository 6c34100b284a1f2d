//! The search loop.
//!
//! Point `n` is asked after exactly the results `0..=n - ahead` were told, in the order of the trials. How many run at
//! once changes when they end, and nothing else; so one job and eight give the same study. Resuming is the same loop
//! again: what it asks is compared with the journal, and what the journal knows is not run.

use std::collections::{BTreeMap, VecDeque};
use std::mem;

use plugin_api_data::{Arch, Error, Goal, Named, Observation, Outcome, Proposal, TrialId};

use super::equal::Twins;
use super::history::History;
use super::pool::Ended;
use super::strategy::Strategy;
use super::{Event, Halt, Study};
use crate::error::nearest;
use crate::experiment::{Budget, Equal, Search};
use crate::journal::{Journal, Key, Results, Timing};
use crate::protocol::{Change, Done, Subject, Work};

/// How many rows of each curve the journal keeps of a trial.
const ROWS: usize = 32;

impl Study<'_> {
    /// Runs a search, and hands on the architecture of its best trial.
    pub(super) fn search(
        &mut self,
        stage: usize,
        name: &str,
        search: &Search,
    ) -> Result<Arch, Halt> {
        let seed = self.experiment.seed;
        let key = |number| Key {
            stage,
            number,
            seed,
        };
        let mut results = self.journal.results(stage)?;
        (self.watch)(Event::Stage {
            name,
            works: search.budget.trials,
            done: results.len() as u64,
        });
        // A search that is complete need not be replayed.
        if (results.len() as u64) < search.budget.trials {
            self.set_jobs(search.ahead);
            self.pool.batch = usize::try_from(search.batch).unwrap_or(usize::MAX);
            let history = History::new(self.run.folder())?;
            let mut strategy = Strategy::new(
                self.launch,
                name,
                search,
                seed,
                self.experiment.limits,
                history,
            );
            let mut changes = Changes::of(stage, search, &self.journal)?;
            if results.is_empty() {
                self.rehearse(name, search, &changes)?;
            }
            // Those that were asked for and not told yet: what is told stands in the journal.
            let mut open: VecDeque<Proposal> = VecDeque::new();
            let (mut asked, mut told) = (0, 0_u64);
            let mut twins = Twins::new(search.equal);
            let mut spent = Spent::default();
            let mut best_so_far = None;
            // How many were proposed to the journal: all that were told, and those at work.
            let mut begun = 0;
            loop {
                let until = match spent.is_all(&search.budget) {
                    true => asked,
                    false => told.saturating_add(search.ahead).min(search.budget.trials),
                };
                // In parts, where the search changes before a trial among them.
                while asked < until {
                    self.change(name, &mut strategy, &mut changes, asked)?;
                    let wanted = changes.next().unwrap_or(until).min(until) - asked;
                    let proposals = strategy.ask(wanted)?;
                    let is_all = proposals.len() as u64 == wanted;
                    if asked == 0 {
                        self.run.keep_decisions(name, strategy.decisions())?;
                    }
                    twins.extend(&proposals, strategy.inherits())?;
                    asked += proposals.len() as u64;
                    open.extend(proposals);
                    if !is_all {
                        break;
                    }
                }
                if open.is_empty() {
                    break;
                }
                if !results.contains_key(&told) {
                    let waiting = &open.make_contiguous()[(begun - told) as usize..];
                    self.journal.propose(key(begun), waiting)?;
                    let inherits = strategy.inherits();
                    for (number, proposal) in (begun..).zip(waiting) {
                        if !results.contains_key(&number) && twins.of(number).is_none() {
                            let parent = proposal.from.map(|from| twins.origin(from.0));
                            let parent = parent.filter(|_| inherits);
                            let work = self.trial((name, search), number, proposal, parent);
                            let save = inherits.then(|| self.run.weights(&work.name));
                            self.pool.submit(number, Work { save, ..work });
                        }
                    }
                    begun = asked;
                } else if begun == told {
                    // It was done before the run was stopped; what is asked now must be the same.
                    self.journal
                        .propose(key(told), &open.make_contiguous()[..1])?;
                    begun += 1;
                }
                if let Some(twin) = twins.of(told).filter(|_| !results.contains_key(&told)) {
                    let ended = Ended {
                        number: told,
                        name: format!("{name}-{}", TrialId(told)),
                        result: twins.result(twin, &results),
                        timing: Timing::NONE,
                    };
                    self.record(&[(key(told), &ended)])?;
                    self.tell_watcher(&ended);
                    results.insert(told, ended.result);
                }
                while !results.contains_key(&told) {
                    let mut ended = self.pool.next_all()?;
                    for done in ended.iter_mut().flat_map(|ended| &mut ended.result) {
                        thin(done);
                    }
                    let keyed = ended.iter().map(|ended| (key(ended.number), ended));
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
                let proposal = open.pop_front().expect("it was asked for");
                strategy.tell(Observation::of(TrialId(told), &proposal, outcome));
                // What is reused cost nothing.
                if twins.of(told).is_none() {
                    spent.add(&results[&told], &search.budget)?;
                }
                // Only a trial that is reused is looked at again.
                if search.equal != Equal::Reuse {
                    best_so_far = outdo(&mut results, best_so_far, told, &self.goal);
                }
                told += 1;
            }
        }
        // What was kept to be inherited.
        self.run.forget_trials(name)?;
        match best(&results, &self.goal) {
            Some((_, _, done)) => Ok(done.arch.clone()),
            None => Err(all_failed(name, &self.journal.results(stage)?, &self.goal).into()),
        }
    }

    /// What a trial of a search does.
    fn trial(
        &self,
        (name, search): (&str, &Search),
        number: u64,
        proposal: &Proposal,
        parent: Option<u64>,
    ) -> Work {
        let trial = |number| format!("{name}-{}", TrialId(number));
        let subject = Subject::Proposal(search.space.clone(), proposal.clone());
        let own = trial(number);
        Work {
            steps: search.each.clone(),
            evaluate: vec!["val".into()],
            parent: parent.map(|parent| self.run.weights(&trial(parent))),
            checkpoint: self.checkpoint(&own),
            ..Work::new(own, subject, self.experiment.seed, self.experiment.limits)
        }
    }
}

/// What the trials of a search have cost, of what its budget counts.
#[derive(Default)]
struct Spent(Named<f64>);

impl Spent {
    /// # Errors
    /// Where the first trial that succeeded reports nothing that the budget counts by that name.
    fn add(&mut self, result: &Result<Done, Error>, budget: &Budget) -> Result<(), Error> {
        let Ok(done) = result else {
            return Ok(());
        };
        if self.0.is_empty()
            && let Some(unknown) =
                { budget.costs.names() }.find(|cost| !done.metrics.contains(cost))
        {
            let there = || done.metrics.names();
            let error = Error::new(format!(
                "the budget counts `{unknown}`, which trials do not report"
            ));
            return Err(match nearest(unknown, there()) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => {
                    let all = there().collect::<Vec<_>>().join(", ");
                    error
                        .expected(format!("one of {all}"))
                        .help("correct `budget` in the experiment, and begin a new run")
                }
            });
        }
        for (metric, cost) in done.metrics.iter() {
            let so_far = self.0.get(metric).copied().unwrap_or_default();
            self.0.put(metric, so_far + cost);
        }
        Ok(())
    }

    /// Whether something is used up.
    fn is_all(&self, budget: &Budget) -> bool {
        let spent = |metric: &str| self.0.get(metric).copied().unwrap_or_default();
        { budget.costs.iter() }.any(|(metric, most)| spent(metric) >= *most)
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
    /// Makes all changes that are known on a strategy of their own: one that is refused is better known before the first
    /// trial than at the one before which it comes.
    fn rehearse(&self, name: &str, search: &Search, changes: &Changes) -> Result<(), Halt> {
        if changes.known.is_empty() {
            return Ok(());
        }
        let mut strategy = Strategy::new(
            self.launch,
            name,
            search,
            self.experiment.seed,
            self.experiment.limits,
            History::new(self.run.folder())?,
        );
        for (_, change) in &changes.known {
            strategy.change(change)?.map_err(|why| {
                Error::new(format!("the search `{name}` cannot change as `mix` says"))
                    .caused_by(why)
                    .help("correct `mix` in the experiment, and begin a new run")
            })?;
        }
        Ok(())
    }

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

/// Leaves of each curve that a trial reported its first row, its last and some between, evenly: nobody goes on from them, and
/// of thousands of trials they would be most of the journal.
fn thin(done: &mut Done) {
    let reports = done.reports.iter_mut();
    for (_, table) in reports.flat_map(|report| report.tables.iter_mut()) {
        let last = table.rows.len().saturating_sub(1);
        if table.labels.is_empty() && last >= ROWS {
            let kept = (0..ROWS).map(|i| mem::take(&mut table.rows[i * last / (ROWS - 1)]));
            table.rows = kept.collect();
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
        let better = is_better(next.1, best.1, goal);
        if better { next } else { best }
    })
}

/// Whether a value is better than another; of equals none is.
pub fn is_better(value: f64, than: f64, goal: &Goal) -> bool {
    match goal.higher_is_better {
        true => value > than,
        false => value < than,
    }
}

/// The best trial so far once this one was told. The loser is let go: nobody goes on with it, and the journal has it.
fn outdo(results: &mut Results, best: Option<u64>, told: u64, goal: &Goal) -> Option<u64> {
    let worth = |trial: u64| value(&results[&trial], goal).ok();
    let wins = match (best.and_then(worth), worth(told)) {
        (Some(best), Some(told)) => is_better(told, best, goal),
        (None, told) => told.is_some(),
        (Some(_), None) => false,
    };
    let (winner, loser) = match wins {
        true => (Some(told), best),
        false => (best, Some(told)),
    };
    loser.map(|loser| results.remove(&loser));
    winner
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

#[cfg(test)]
mod tests {
    use plugin_api_data::Report;

    use super::*;

    #[test]
    fn a_trial_keeps_the_ends_of_its_curves() {
        let curve = |rows: usize| (0..rows).map(|row| vec![row as f64]).collect::<Vec<_>>();
        let kept = |rows: usize| {
            let named = (0..rows).map(|row| (row.to_string(), vec![0.0]));
            let report = Report::default()
                .table("curve", &["epoch"], curve(rows))
                .labelled("parts", &["size"], named);
            let mut done = Done {
                arch: Arch::new(Named::new()),
                metrics: Named::new(),
                reports: vec![report],
                answers: None,
            };
            thin(&mut done);
            let tables = &done.reports[0].tables;
            assert_eq!(tables["parts"].rows.len(), rows);
            tables["curve"].rows.concat()
        };
        for rows in [0, 1, 2, 31, 32] {
            assert_eq!(kept(rows), curve(rows).concat(), "{rows}");
        }
        for rows in [33, 100, 5000] {
            let kept = kept(rows);
            assert_eq!(
                (kept.len(), kept[0], kept[31]),
                (32, 0.0, rows as f64 - 1.0)
            );
            let gaps: Vec<f64> = kept.windows(2).map(|pair| pair[1] - pair[0]).collect();
            let (least, most) = (
                gaps.iter().copied().fold(f64::MAX, f64::min),
                gaps.iter().copied().fold(0.0, f64::max),
            );
            assert!(least > 0.0 && most - least <= 1.0, "{rows}: {gaps:?}");
        }
    }
}
