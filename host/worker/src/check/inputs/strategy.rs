//! A strategy, on decisions of each kind, told of trials that went well and of one that failed.

use std::cell::RefCell;
use std::rc::Rc;

use plugin_api::host::Services;
use plugin_api::role::{Strategy, StrategyObj};
use plugin_api::{
    Arch, Decision, Domain, Error, Goal, Host, Named, Observation, On, Outcome, Point, Proposal,
    Recipe, Result, Session, Setting, Tensor, Tensors, TrialId, stream,
};
use tch::Device;

use super::{Exercise, Output, session};
use crate::plain::PlainHost;
use crate::points;
use crate::registry::host;

pub(super) fn exercises(recipe: &Recipe, seed: u64) -> Result<Vec<Exercise>> {
    let strategy = Rc::new(RefCell::new(host().strategy(recipe)?));
    let options = vec![
        Decision::options("width", [8, 16, 32]),
        Decision::options("layer", ["a", "b"]),
    ];
    let others = [
        Decision::new("depth", Domain::Integer(1, 4)),
        Decision::new("rate", Domain::Real(0.0, 0.5)),
        Decision::new("units", Domain::Subset(3)),
        Decision::options("heads", [1, 2, 4]).when("layer", [1]),
    ];
    let mixed = options.iter().cloned().chain(others).collect();
    let mut settings = vec![
        ("options", options),
        ("options, numbers, subsets and conditions", mixed),
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
        Exercise::alone(
            &format!("a search over {name}: begin, ask, tell, ask"),
            call,
            promise,
        )
    };
    Ok(settings.into_iter().map(exercise).collect())
}

/// All that a strategy proposes in a short search, from its beginning.
fn history(strategy: &RefCell<StrategyObj>, setting: &Setting) -> Result<Vec<Proposal>> {
    let mut strategy = strategy.borrow_mut();
    strategy.begin(setting)?;
    let host = Fleeting(PlainHost::new(session::task()?, Device::Cpu));
    let mut all = vec![];
    for _ in 0..3 {
        let proposals = strategy.ask(3, &host)?;
        let seen = proposals.iter().enumerate().map(|(i, proposal)| {
            let outcome = match i {
                1 => Outcome::Failed(Error::new("a trial that failed")),
                _ => Outcome::Done(Named::new().with("accuracy", worth(&proposal.point))),
            };
            Observation::of(TrialId((all.len() + i) as u64), proposal, outcome)
        });
        strategy.tell(&seen.collect::<Vec<_>>(), &host)?;
        all.extend(proposals);
    }
    Ok(all)
}

/// A number that stands for what a point is worth.
fn worth(point: &Point) -> f64 {
    (stream(0, &format!("{point:?}")) >> 32) as f64 / f64::from(u32::MAX)
}

/// A host that makes up what points are worth.
struct Fleeting(PlainHost);

impl Host for Fleeting {
    fn resolve(&self, supernet: &Arch, point: &Point) -> Result<Arch> {
        self.0.resolve(supernet, point)
    }

    fn sample(&self, decisions: &[Decision], n: i64, seed: u64) -> Result<Vec<Point>> {
        self.0.sample(decisions, n, seed)
    }

    fn mutate(&self, decisions: &[Decision], point: &Point, seed: u64) -> Result<Point> {
        self.0.mutate(decisions, point, seed)
    }

    fn crossover(
        &self,
        decisions: &[Decision],
        one: &Point,
        other: &Point,
        seed: u64,
    ) -> Result<Point> {
        self.0.crossover(decisions, one, other, seed)
    }

    fn encode(&self, decisions: &[Decision], points: &[Point]) -> Result<Tensor> {
        self.0.encode(decisions, points)
    }

    fn decode(&self, decisions: &[Decision], rows: &Tensor) -> Result<Vec<Point>> {
        self.0.decode(decisions, rows)
    }

    fn session(&self, arch: &Arch, on: On, seed: u64) -> Result<Box<dyn Session>> {
        self.0.session(arch, on, seed)
    }

    fn score(&self, scorers: &[Recipe], points: &[Point]) -> Result<Vec<Vec<Option<f64>>>> {
        let scores = points.iter().map(|point| Some(worth(point)));
        Ok(vec![scores.collect(); scorers.len()])
    }
}
