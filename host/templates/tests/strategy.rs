//! The search on numbers, without networks.

use plugin_api::plugin::Plugin;
use plugin_api::prelude::*;
use plugin_api::serde_json::json;
use plugin_api::testing::Scripted;
use plugin_api::{Goal, TrialId};

use crate::{params, plugin};

/// A host that draws a number from 0 to 9 for each decision, from the seed.
fn numbers() -> Scripted {
    Scripted::default().sampling(|decisions, n, seed| {
        let point = |i: i64| {
            let decided = decisions.iter().map(|decision| {
                let number = stream(seed, &format!("{} {i}", decision.name)) % 10;
                (&decision.name, Decided::Option(number as usize))
            });
            decided.collect()
        };
        Ok((0..n).map(point).collect())
    })
}

/// The larger its numbers, the better a point.
fn value(point: &Point) -> f64 {
    let number = |decided: &Decided| match decided {
        Decided::Option(i) => *i as f64,
        other => panic!("{other:?}"),
    };
    point.values().map(number).sum()
}

/// The points of a search, in the order of their trials.
fn search(explore: f64, seed: u64) -> Vec<Point> {
    let given = params(json!({ "explore": explore }));
    let mut climb = plugin().strategy("climb", &given).unwrap();
    let decisions = ["a", "b", "c"].map(|name| Decision::options(name, 0..10));
    let goal = Goal {
        metric: "sum".into(),
        higher_is_better: true,
    };
    climb
        .begin(&Setting {
            decisions: decisions.into(),
            goals: vec![goal],
            seed,
        })
        .unwrap();
    let mut points = vec![];
    for trial in 0..60 {
        let proposals = climb.ask(1, &numbers()).unwrap();
        let point = proposals[0].point.clone();
        let metrics = Named::new().with("sum", value(&point));
        let seen = Observation::of(TrialId(trial), &proposals[0], Outcome::Done(metrics));
        climb.tell(&[seen], &numbers()).unwrap();
        points.push(point);
    }
    points
}

#[test]
fn takes_one_step_at_a_time_from_the_best() {
    let points = search(0.0, 1);
    for i in 1..points.len() {
        let best = points[..i]
            .iter()
            .rev()
            .max_by(|a, b| value(a).total_cmp(&value(b)));
        let best = best.unwrap();
        let moved = points[i]
            .iter()
            .filter(|(name, decided)| best[*name] != **decided);
        assert!(moved.count() <= 1, "{best:?} to {:?}", points[i]);
    }
    let found = points.iter().map(value).fold(0.0, f64::max);
    assert!(found > value(&points[0]), "it never got better");
}

#[test]
fn explores_as_often_as_it_is_told_to() {
    // With nothing but exploring, two or three decisions differ from the best most of the time.
    let points = search(1.0, 1);
    let far = |pair: &[Point]| {
        let moved = pair[1]
            .iter()
            .filter(|(name, decided)| pair[0][*name] != **decided);
        moved.count() > 1
    };
    assert!(points.windows(2).filter(|pair| far(pair)).count() > 45);
}

#[test]
fn is_replayed_by_its_seed() {
    assert_eq!(search(0.5, 1), search(0.5, 1));
    assert_ne!(search(0.5, 1), search(0.5, 2));
}
