//! Search without a host.

use std::cell::RefCell;
use std::rc::Rc;

use plugin_api::plugin::Plugin;
use plugin_api::prelude::*;
use plugin_api::serde_json::json;
use plugin_api::testing::Scripted;

use crate::{params, plugin};

/// A host that notes the seeds that it is asked to sample with.
fn noting(seeds: &Rc<RefCell<Vec<u64>>>) -> Scripted {
    let seeds = Rc::clone(seeds);
    Scripted::default().sampling(move |decisions, n, seed| {
        seeds.borrow_mut().push(seed);
        let point = || {
            decisions
                .iter()
                .map(|decision| (decision.name.as_str(), Decided::Option(0)))
                .collect()
        };
        Ok((0..n).map(|_| point()).collect())
    })
}

#[test]
fn random_search_draws_anew_at_each_ask_and_the_same_when_replayed() {
    let mut random = plugin().strategy("random", &params(json!({}))).unwrap();
    let mut study = |seed| {
        let seeds = Rc::default();
        let host = noting(&seeds);
        random
            .begin(&Setting {
                decisions: vec![Decision::options("width", [1, 2])],
                goals: vec![],
                seed,
            })
            .unwrap();
        for n in [3, 1, 2] {
            let proposals = random.ask(n, &host).unwrap();
            assert_eq!(proposals.len() as i64, n);
            assert!(
                proposals
                    .iter()
                    .all(|proposal| proposal.point.contains("width") && proposal.from.is_none())
            );
        }
        seeds.take()
    };
    let (first, again, other) = (study(1), study(1), study(2));
    assert_eq!(first, again);
    let distinct: std::collections::BTreeSet<u64> = first.into_iter().chain(other).collect();
    assert_eq!(distinct.len(), 6);
}

#[test]
fn asking_before_the_search_began_is_refused() {
    let mut random = plugin().strategy("random", &params(json!({}))).unwrap();
    assert_eq!(
        random.ask(1, &Scripted::default()).unwrap_err().to_string(),
        "`baselines/random`: asked before the search began"
    );
}

/// A host that samples points that are numbered, and scores them by a list.
fn scoring(scores: &[Option<f64>]) -> Scripted {
    let scores = scores.to_vec();
    let number = |i| Point::new().with("number", Decided::Integer(i));
    Scripted::default()
        .sampling(move |_, n, _| Ok((0..n).map(number).collect()))
        .scoring(move |scorer, points| {
            assert_eq!(*scorer, Recipe::new("baselines/grad-norm").with("size", 7));
            assert_eq!(points.len(), scores.len());
            Ok(scores.clone())
        })
}

#[test]
fn prescreening_proposes_the_best_of_many() {
    pleach_worker::host();
    let check = |n, of: i64, scores: &[Option<f64>], best: &[i64]| {
        let given = params(
            json!({ "inner": "baselines/random", "scorer": { "use": "baselines/grad-norm", "size": 7 }, "of": of }),
        );
        let mut prescreen = plugin().strategy("prescreen", &given).unwrap();
        prescreen
            .begin(&Setting {
                decisions: vec![],
                goals: vec![],
                seed: 1,
            })
            .unwrap();
        let proposals = prescreen.ask(n, &scoring(scores)).unwrap();
        let numbers = proposals
            .iter()
            .map(|proposal| proposal.point["number"].clone());
        assert_eq!(
            numbers.collect::<Vec<_>>(),
            best.iter()
                .map(|i| Decided::Integer(*i))
                .collect::<Vec<_>>()
        );
    };
    check(1, 3, &[Some(1.0), Some(3.0), Some(2.0)], &[1]);
    check(
        2,
        2,
        &[Some(1.0), Some(3.0), Some(-2.0), Some(2.0)],
        &[1, 3],
    );
    // Of equals the earlier; what has no score comes last, behind the worst.
    check(
        3,
        2,
        &[
            None,
            Some(5.0),
            Some(f64::NEG_INFINITY),
            Some(5.0),
            None,
            Some(f64::NAN),
        ],
        &[1, 3, 2],
    );
    check(2, 1, &[None, None], &[0, 1]);
}
