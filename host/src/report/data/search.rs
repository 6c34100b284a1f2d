//! A search: its trials, and what became of the proposals of each strategy.

use plugin_api_data::{Arch, Decision, Goal, Json, Named, NodeKind};
use serde::Serialize;

use crate::experiment;
use crate::journal::Entry;
use crate::study::{is_better, value};
use crate::trials::shown;

/// A search so far.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Search {
    /// Who proposes.
    pub strategy: String,
    /// What is searched.
    pub space: String,
    /// The trials that were better than all before, and what they are worth.
    pub best_so_far: Vec<(u64, f64)>,
    /// The strategies that proposed, the most diligent first.
    pub credit: Vec<Credit>,
    /// Why trials failed, the commonest reason first.
    pub failures: Vec<Failure>,
    /// All trials.
    pub trials: Vec<Trial>,
}

/// What became of the proposals of a strategy.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Credit {
    /// The strategy, by the name that the one which asks it gives it.
    pub by: String,
    /// How many points it proposed.
    pub proposed: usize,
    /// How many of them failed.
    pub failed: usize,
    /// How many were better than all of the search before.
    pub improved: usize,
    /// Its own trials that were better than all of its own before, and what they are worth.
    pub best_so_far: Vec<(u64, f64)>,
}

/// A reason, and the trials that failed for it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Failure {
    /// The error.
    pub reason: String,
    /// The trials.
    pub trials: Vec<u64>,
}

/// A trial.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trial {
    /// Its number.
    pub number: u64,
    /// Who proposed it.
    pub by: String,
    /// The earlier trial whose weights it may inherit.
    pub from: Option<u64>,
    /// What it is worth; nothing where it failed or has not ended.
    pub value: Option<f64>,
    /// What was decided, as one would write it.
    pub point: Named<Json>,
    /// The layers of its network, in the order in which they run.
    pub layers: Vec<String>,
    /// How long it took.
    pub seconds: Option<f64>,
    /// Why it failed.
    pub failure: Option<String>,
}

impl Search {
    pub(super) fn of(
        search: &experiment::Search,
        entries: &[Entry],
        (goal, decisions): (&Goal, &[Decision]),
    ) -> Self {
        let strategy = &search.strategy.component;
        let trials: Vec<Trial> = entries
            .iter()
            .map(|entry| Trial::of(entry, strategy, (goal, decisions)))
            .collect();
        Search {
            strategy: strategy.clone(),
            space: search.space.component.clone(),
            best_so_far: best_so_far(trials.iter(), goal),
            credit: credit(&trials, goal),
            failures: failures(&trials),
            trials,
        }
    }
}

impl Trial {
    fn of(entry: &Entry, strategy: &str, (goal, decisions): (&Goal, &[Decision])) -> Self {
        let worth = entry.result.as_ref().map(|result| value(result, goal));
        let (value, failure) = match worth {
            None => (None, None),
            Some(Ok(value)) => (Some(value), None),
            Some(Err(why)) => (None, Some(why.to_string())),
        };
        let proposal = entry.proposal.as_ref();
        let by = proposal.and_then(|proposal| proposal.by.clone());
        let done = entry
            .result
            .as_ref()
            .and_then(|result| result.as_ref().ok());
        Trial {
            number: entry.number,
            by: by.unwrap_or_else(|| strategy.into()),
            from: proposal.and_then(|proposal| Some(proposal.from?.0)),
            value,
            point: proposal.map_or_else(Named::new, |proposal| {
                let point = &proposal.point;
                point.map(|name, decided| shown(decisions, name, decided))
            }),
            layers: done.map(|done| layers(&done.arch)).unwrap_or_default(),
            seconds: entry.timing.map(|timing| timing.seconds),
            failure,
        }
    }
}

/// The components of the nodes, in order; of a node that is a network, those within it.
fn layers(arch: &Arch) -> Vec<String> {
    let of = |kind: &NodeKind| match kind {
        NodeKind::Layer(recipe) => vec![recipe.component.clone()],
        NodeKind::Mix(mix) => vec![format!("one of {}", mix.options.len())],
        NodeKind::Network(network) => layers(network),
    };
    arch.nodes.iter().flat_map(|node| of(&node.kind)).collect()
}

fn best_so_far<'t>(trials: impl Iterator<Item = &'t Trial>, goal: &Goal) -> Vec<(u64, f64)> {
    let mut steps: Vec<(u64, f64)> = vec![];
    for trial in trials {
        let Some(value) = trial.value else { continue };
        let is_better = { steps.last() }.is_none_or(|(_, best)| is_better(value, *best, goal));
        if is_better {
            steps.push((trial.number, value));
        }
    }
    steps
}

fn credit(trials: &[Trial], goal: &Goal) -> Vec<Credit> {
    let mut names: Vec<&str> = vec![];
    for trial in trials {
        if !names.contains(&&*trial.by) {
            names.push(&trial.by);
        }
    }
    let improving = best_so_far(trials.iter(), goal);
    let improved = |trial: &&Trial| improving.iter().any(|(number, _)| *number == trial.number);
    let mut credit: Vec<Credit> = names
        .into_iter()
        .map(|by| {
            let own = || trials.iter().filter(|trial| trial.by == by);
            Credit {
                by: by.into(),
                proposed: own().count(),
                failed: own().filter(|trial| trial.failure.is_some()).count(),
                improved: own().filter(improved).count(),
                best_so_far: best_so_far(own(), goal),
            }
        })
        .collect();
    // Stable: of equals, who proposed first.
    credit.sort_by_key(|of| std::cmp::Reverse(of.proposed));
    credit
}

fn failures(trials: &[Trial]) -> Vec<Failure> {
    let mut failures: Vec<Failure> = vec![];
    for trial in trials {
        let Some(reason) = &trial.failure else {
            continue;
        };
        match failures.iter_mut().find(|of| of.reason == *reason) {
            Some(failure) => failure.trials.push(trial.number),
            None => failures.push(Failure {
                reason: reason.clone(),
                trials: vec![trial.number],
            }),
        }
    }
    failures.sort_by_key(|of| std::cmp::Reverse(of.trials.len()));
    failures
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(number: u64, by: &str, value: Option<f64>) -> Trial {
        Trial {
            number,
            by: by.into(),
            from: None,
            value,
            point: Named::new(),
            layers: vec![],
            seconds: None,
            failure: value.is_none().then(|| "out of luck".into()),
        }
    }

    #[test]
    fn who_improved_the_search_gets_the_credit() {
        let trials = [
            trial(0, "a", Some(0.5)),
            trial(1, "b", Some(0.4)),
            trial(2, "b", None),
            trial(3, "b", Some(0.6)),
            trial(4, "a", Some(0.6)),
        ];
        let goal = |higher_is_better| Goal {
            metric: "x".into(),
            higher_is_better,
        };
        let improved = |higher| {
            let credit = credit(&trials, &goal(higher));
            let of = credit
                .into_iter()
                .map(|c| (c.by, c.proposed, c.failed, c.improved));
            of.collect::<Vec<_>>()
        };
        assert_eq!(
            improved(true),
            [("b".into(), 3, 1, 1), ("a".into(), 2, 0, 1)]
        );
        assert_eq!(
            improved(false),
            [("b".into(), 3, 1, 1), ("a".into(), 2, 0, 1)]
        );
        // Of equals the earlier stays the best.
        assert_eq!(
            best_so_far(trials.iter(), &goal(true)),
            [(0, 0.5), (3, 0.6)]
        );
        assert_eq!(
            best_so_far(trials.iter(), &goal(false)),
            [(0, 0.5), (1, 0.4)]
        );
        assert_eq!(failures(&trials)[0].trials, [2]);
    }
}
