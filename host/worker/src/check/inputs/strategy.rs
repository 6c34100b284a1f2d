//! A strategy, on decisions of each kind, told of trials that went well and of one that failed.

use std::cell::RefCell;
use std::rc::Rc;

use plugin_api::host::Services;
use plugin_api::role::{Strategy, StrategyObj};
use plugin_api::{
    Arch, Decision, Domain, Error, Goal, Host, Named, Observation, Outcome, Point, Proposal,
    Recipe, Result, Setting, Tensors, TrialId, stream,
};

use super::{Exercise, Output};
use crate::points;
use crate::registry::host;
use crate::search::SpaceHost;

pub(super) fn exercises(recipe: &Recipe, seed: u64) -> Result<Vec<Exercise>> {
    let strategy = Rc::new(RefCell::new(host().strategy(recipe)?));
    let options = vec![
        Decision::options("width", [8, 16, 32]),
        Decision::options("layer", ["a", "b"]),
    ];
    let of = |name: &str, domain| Decision {
        name: name.into(),
        domain,
    };
    let numbers = [
        of("depth", Domain::Integer(1, 4)),
        of("rate", Domain::Real(0.0, 0.5)),
    ];
    let mixed = options.iter().cloned().chain(numbers).collect();
    let mut settings = vec![
        ("options", options),
        ("options, whole and real numbers", mixed),
    ];
    let setting = |decisions: Vec<Decision>| Setting {
        decisions,
        goals: vec![Goal {
            metric: "accuracy".into(),
            higher_is_better: true,
        }],
        seed,
    };
    // A strategy may be for options alone, and says so.
    settings.retain(|(name, decisions)| {
        *name == "options" || history(&strategy, &setting(decisions.clone())).is_ok()
    });
    let exercise = |(name, decisions): (&str, Vec<Decision>)| {
        let (runner, told) = (Rc::clone(&strategy), setting(decisions.clone()));
        let call = move |_: &Tensors| Output::of_text(&history(&runner, &told)?);
        let (strategy, told) = (Rc::clone(&strategy), setting(decisions));
        let promise = move |_: &Output| {
            let proposals = history(&strategy, &told)?;
            if proposals.is_empty() {
                return Err(Error::new("the strategy proposes nothing").into());
            }
            for proposal in proposals {
                points::check(&told.decisions, &proposal.point)?;
            }
            Ok(())
        };
        Exercise {
            input: format!("a search over {name}: begin, ask, tell, ask"),
            lent: Tensors::new(),
            call: Box::new(call),
            promise: Box::new(promise),
        }
    };
    Ok(settings.into_iter().map(exercise).collect())
}

/// All that a strategy proposes in a short search, from its beginning.
fn history(strategy: &RefCell<StrategyObj>, setting: &Setting) -> Result<Vec<Proposal>> {
    let mut strategy = strategy.borrow_mut();
    strategy.begin(setting)?;
    let mut all = vec![];
    for _ in 0..3 {
        let proposals = strategy.ask(3, &Fleeting)?;
        let seen = proposals
            .iter()
            .enumerate()
            .map(|(i, proposal)| Observation {
                trial: TrialId((all.len() + i) as u64),
                point: proposal.point.clone(),
                outcome: match i {
                    1 => Outcome::Failed(Error::new("a trial that failed")),
                    _ => Outcome::Done(Named::new().with("accuracy", worth(&proposal.point))),
                },
            });
        strategy.tell(&seen.collect::<Vec<_>>(), &Fleeting)?;
        all.extend(proposals);
    }
    Ok(all)
}

/// A number that stands for what a point is worth.
fn worth(point: &Point) -> f64 {
    (stream(0, &format!("{point:?}")) >> 32) as f64 / f64::from(u32::MAX)
}

/// A host whose networks are never made.
struct Fleeting;

impl Host for Fleeting {
    fn resolve(&self, supernet: &Arch, point: &Point) -> Result<Arch> {
        SpaceHost.resolve(supernet, point)
    }

    fn sample(&self, decisions: &[Decision], n: i64, seed: u64) -> Result<Vec<Point>> {
        SpaceHost.sample(decisions, n, seed)
    }

    fn score(&self, _: &Recipe, points: &[Point]) -> Result<Vec<Option<f64>>> {
        Ok(points.iter().map(|point| Some(worth(point))).collect())
    }
}
