//! The strategy: what it asks its host for, and what it makes of the answers.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use pleach_worker::{PlainHost, host};
use plugin_api::host::Services;
use plugin_api::prelude::*;
use plugin_api::role::StrategyObj;
use plugin_api::serde_json::json;
use plugin_api::{Goal, Json, Setting, Tensor, TrialId};

use crate::{One, recipe, samples};

/// A host that notes what it is asked for; what a point scores is known.
struct Noting {
    plain: PlainHost,
    score: fn(&Point) -> Option<f64>,
    /// Mutations: of what, and what came of it.
    mutated: RefCell<Vec<(Point, Point)>>,
    scored: RefCell<Vec<Point>>,
}

impl Noting {
    fn scoring(score: fn(&Point) -> Option<f64>) -> Self {
        let (x, y) = samples(2, 2, 0);
        Noting {
            plain: PlainHost::new(Rc::clone(&One::of(x, y)), Device::Cpu),
            score,
            mutated: RefCell::default(),
            scored: RefCell::default(),
        }
    }
}

impl Host for Noting {
    fn mutate(&self, decisions: &[Decision], point: &Point, seed: u64) -> Result<Point> {
        let mutation = self.plain.mutate(decisions, point, seed)?;
        let noted = (point.clone(), mutation.clone());
        self.mutated.borrow_mut().push(noted);
        Ok(mutation)
    }

    fn score(&self, scorers: &[Recipe], points: &[Point]) -> Result<Vec<Vec<Option<f64>>>> {
        assert_eq!(*scorers, ["gradsign/gradsign".into()]);
        self.scored.borrow_mut().extend_from_slice(points);
        Ok(vec![points.iter().map(self.score).collect()])
    }

    fn resolve(&self, supernet: &Arch, point: &Point) -> Result<Arch> {
        self.plain.resolve(supernet, point)
    }

    fn sample(&self, decisions: &[Decision], n: i64, seed: u64) -> Result<Vec<Point>> {
        self.plain.sample(decisions, n, seed)
    }

    fn crossover(
        &self,
        decisions: &[Decision],
        one: &Point,
        other: &Point,
        seed: u64,
    ) -> Result<Point> {
        self.plain.crossover(decisions, one, other, seed)
    }

    fn encode(&self, decisions: &[Decision], points: &[Point]) -> Result<Tensor> {
        self.plain.encode(decisions, points)
    }

    fn decode(&self, decisions: &[Decision], rows: &Tensor) -> Result<Vec<Point>> {
        self.plain.decode(decisions, rows)
    }

    fn session(&self, arch: &Arch, on: On, seed: u64) -> Result<Box<dyn Session>> {
        self.plain.session(arch, on, seed)
    }
}

fn setting(seed: u64) -> Setting {
    let edge = |i| Decision::options(&format!("op{i}"), [0, 1, 2, 3, 4]);
    Setting {
        decisions: (0..6).map(edge).collect(),
        goals: vec![Goal {
            metric: "accuracy".into(),
            higher_is_better: true,
        }],
        seed,
    }
}

fn made(params: Json) -> StrategyObj {
    host()
        .strategy(&recipe("gradsign/assisted", params))
        .unwrap()
}

/// The sum of the options that were taken: many points are equal by it.
fn sum(point: &Point) -> f64 {
    let options = point.values().map(|decided| match decided {
        Decided::Option(i) => *i as f64,
        other => panic!("{other:?}"),
    });
    options.sum()
}

/// What a trial is worth has little to do with its score.
fn worth(point: &Point) -> f64 {
    (sum(point) * 7.0) % 11.0
}

fn told(strategy: &mut StrategyObj, trial: u64, proposal: &Proposal, host: &dyn Host) {
    let metrics = Named::new().with("accuracy", worth(&proposal.point));
    let seen = Observation::of(TrialId(trial), proposal, Outcome::Done(metrics));
    strategy.tell(&[seen], host).unwrap();
}

/// All that a search proposes, one after the other.
fn searched(strategy: &mut StrategyObj, seed: u64, trials: u64, host: &dyn Host) -> Vec<Point> {
    strategy.begin(&setting(seed)).unwrap();
    let trial = |trial| {
        let proposal = strategy.ask(1, host).unwrap().remove(0);
        told(strategy, trial, &proposal, host);
        proposal.point
    };
    (0..trials).map(trial).collect()
}

fn evolution() -> Json {
    json!({ "use": "baselines/evolution", "population": 4, "sample": 2 })
}

#[test]
fn a_child_is_the_best_of_ten_mutations_of_the_winner_of_the_tournament() {
    let host = Noting::scoring(|point| Some(sum(point)));
    let mut assisted = made(json!({ "inner": evolution() }));
    assisted.begin(&setting(3)).unwrap();
    let mut all: Vec<Point> = vec![];
    for trial in 0..20 {
        let proposal = assisted.ask(1, &host).unwrap().remove(0);
        let mutated = host.mutated.take();
        if trial < 4 {
            // Drawn at random, as by evolution alone.
            assert!(mutated.is_empty() && host.scored.borrow().is_empty());
        } else {
            assert_eq!(mutated.len(), 10);
            let (parent, _) = &mutated[0];
            assert!(all[all.len() - 4..].contains(parent), "a parent lives");
            assert!(mutated.iter().all(|(of, _)| of == parent));
            let best = mutated
                .iter()
                .map(|(_, child)| sum(child))
                .fold(f64::MIN, f64::max);
            let first = mutated
                .iter()
                .find(|(_, child)| sum(child) == best)
                .unwrap();
            assert_eq!(proposal.point, first.1);
        }
        told(&mut assisted, trial, &proposal, &host);
        all.push(proposal.point);
    }
    // Nothing is scored twice.
    let scored = host.scored.take();
    let distinct: BTreeSet<String> = scored.iter().map(|point| format!("{point:?}")).collect();
    assert_eq!(distinct.len(), scored.len());
    assert!(scored.len() > 50);
    // Begun anew it does the same.
    assert_eq!(searched(&mut assisted, 3, 20, &host), all);
}

#[test]
fn with_one_candidate_it_is_the_inner_strategy() {
    let plain = Noting::scoring(|_| panic!("there is nothing to choose"));
    let mut alone = host()
        .strategy(&recipe(
            "baselines/evolution",
            json!({ "population": 4, "sample": 2 }),
        ))
        .unwrap();
    let mut assisted = made(json!({ "inner": evolution(), "of": 1 }));
    for seed in 0..3 {
        let expected = searched(&mut alone, seed, 15, &plain);
        assert_eq!(searched(&mut assisted, seed, 15, &plain), expected);
    }
}

#[test]
fn proposals_are_replaced_by_the_best_of_their_mutations() {
    let host = Noting::scoring(|point| Some(-sum(point)));
    let mut random = pleach_worker::host()
        .strategy(&"baselines/random".into())
        .unwrap();
    let drawn = searched(&mut random, 5, 6, &host);
    let mut assisted = made(json!({ "inner": "baselines/random", "around": "proposals", "of": 7 }));
    let found = searched(&mut assisted, 5, 6, &host);
    let mutated = host.mutated.take();
    for ((drawn, found), mutated) in drawn.iter().zip(&found).zip(mutated.chunks(7)) {
        assert!(mutated.iter().all(|(of, _)| of == drawn));
        let best = mutated.iter().map(|(_, m)| sum(m)).fold(f64::MAX, f64::min);
        let first = mutated.iter().find(|(_, m)| sum(m) == best).unwrap();
        assert_eq!(*found, first.1);
    }
    assert_eq!(mutated.len(), 42);
}

/// What could not be scored is behind all others; where nothing was, the first mutation is taken.
#[test]
fn what_has_no_score_is_last() {
    let some = Noting::scoring(|point| (sum(point) % 2.0 == 0.0).then_some(f64::NEG_INFINITY));
    let none = Noting::scoring(|_| None);
    let mut assisted = made(json!({ "inner": "baselines/random", "around": "proposals" }));
    for host in [&some, &none] {
        for point in searched(&mut assisted, 1, 5, host) {
            let mut mutated = host.mutated.borrow_mut();
            let ten: Vec<(Point, Point)> = mutated.drain(..10).collect();
            let scored = ten.iter().find(|(_, m)| (host.score)(m).is_some());
            assert_eq!(point, scored.unwrap_or(&ten[0]).1);
        }
    }
}
