//! A strategy that trains networks of its own, guided by predictors that trainers of two plugin files make.

use plugin_api::host::Services;
use plugin_api::prelude::*;
use plugin_api::serde_json::json;
use plugin_api::{Goal, TrialId};

use crate::support::{Noise, host, on, rows};

/// Six choices among three, of which the third is worth something.
fn decisions() -> Vec<Decision> {
    let decision = |i| Decision::options(&format!("choice-{i}"), [0, 1, 2]);
    (0..6).map(decision).collect()
}

fn value(point: &Point) -> f64 {
    let thirds = point.values().filter(|d| **d == Decided::Option(2));
    thirds.count() as f64
}

fn mean(points: &[Point]) -> f64 {
    points.iter().map(value).sum::<f64>() / points.len() as f64
}

/// What is generated, once forty random points are known.
fn generated(guides: &[&str], pull: f64, seed: u64) -> Vec<Point> {
    let recipe = Recipe::new("wrappers/generate")
        .with("guides", json!(guides))
        .with("pull", pull);
    let mut strategy = host().strategy(&recipe).unwrap();
    let host = on(Noise {
        inputs: rows(1),
        out: 1,
    });
    let goal = Goal {
        metric: "value".into(),
        higher_is_better: true,
    };
    strategy
        .begin(&Setting {
            decisions: decisions(),
            goals: vec![goal],
            seed,
        })
        .unwrap();
    let first = strategy.ask(40, &host).unwrap();
    let seen = first.iter().enumerate().map(|(i, proposal)| {
        let metrics = Named::new().with("value", value(&proposal.point));
        Observation::of(TrialId(i as u64), proposal, Outcome::Done(metrics))
    });
    strategy.tell(&seen.collect::<Vec<_>>(), &host).unwrap();
    let made = strategy.ask(20, &host).unwrap();
    made.into_iter().map(|proposal| proposal.point).collect()
}

#[test]
fn predictors_of_two_files_guide_what_is_generated() {
    let (own, other) = ("wrappers/noisy", "baselines/kernel-ridge");
    for seed in 0..6 {
        let of = |guides: &[&str]| mean(&generated(guides, 0.2, seed));
        let (free, by_own, by_other) = (of(&[]), of(&[own]), of(&[other]));
        let by_both = of(&[own, other]);
        // Without guides they are as good as random points: a third of six choices.
        assert!((free - 2.0).abs() < 0.7, "{seed}: {free}");
        for guided in [by_own, by_other] {
            assert!(guided > free + 0.8, "{seed}: {guided}, unguided {free}");
        }
        assert!(by_both > free + 1.8, "{seed}: {by_both}, unguided {free}");
    }
}

#[test]
fn guides_add_up_and_a_search_can_be_replayed() {
    let guide = "baselines/kernel-ridge";
    let once = generated(&[guide], 0.2, 0);
    assert_eq!(generated(&[guide, guide], 0.1, 0), once);
    assert_eq!(generated(&[guide], 0.2, 0), once);
    assert_ne!(generated(&[guide], 0.1, 0), once);
}
