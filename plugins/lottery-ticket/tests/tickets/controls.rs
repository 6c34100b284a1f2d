//! Controls are what they claim.

use plugin_api::prelude::*;
use plugin_api::serde_json::json;

use crate::{count, find, fit, numbers, perceptron, same, small};

#[test]
fn other_weights_of_the_same_distribution_under_the_same_masks() {
    let mut session = perceptron([100, 100, 50, 10], 1);
    find(&mut session, json!({ "rounds": 1, "rate": 0.3 })).unwrap();
    let (ticket, masks) = (session.snapshot("all").unwrap(), session.masks().unwrap());
    let report = fit(&mut session, "lottery-ticket/reinitialised", json!({})).unwrap();
    same(&session.masks().unwrap(), &masks);
    let alive: f64 = masks.values().map(|mask| count(mask)).sum();
    assert_eq!(report.metrics["alive"], alive);
    for (path, weight) in session.weights("#prunable").unwrap().iter() {
        let alive = masks[path].to_kind(Kind::Bool);
        let (now, then) = (
            weight.detach().masked_select(&alive),
            ticket[path].masked_select(&alive),
        );
        assert_eq!(
            count(&now.eq_tensor(&then).to_kind(Kind::Double)),
            0.0,
            "{path}"
        );
        assert_eq!(
            count(&weight.masked_select(&alive.logical_not()).abs()),
            0.0
        );
        // Glorot's uniform numbers: as large as they may be, and no larger.
        let [out, into] = weight.size()[..] else {
            panic!("a matrix")
        };
        let bound = (6.0 / (into + out) as f64).sqrt();
        let largest = now.abs().max().double_value(&[]);
        assert!(
            largest <= bound && largest > 0.95 * bound,
            "{path}: {largest} {bound}"
        );
        let deviation = now.std(true).double_value(&[]) / (bound / 3.0_f64.sqrt());
        assert!((deviation - 1.0).abs() < 0.1, "{path}: {deviation}");
    }
    assert_eq!(
        count(&session.weights("first.bias").unwrap()["first.bias"].abs()),
        0.0
    );
}

#[test]
fn a_mask_of_chance_has_the_counts_of_the_ticket_and_the_weights_of_the_beginning() {
    let mut session = perceptron([60, 50, 40, 10], 2);
    let began = session.snapshot("all").unwrap();
    find(&mut session, json!({ "rounds": 2, "rate": 0.5 })).unwrap();
    let ticket = session.masks().unwrap();
    fit(&mut session, "lottery-ticket/shuffled", json!({})).unwrap();
    let masks = session.masks().unwrap();
    for (path, mask) in masks.iter() {
        assert_eq!(count(mask), count(&ticket[path]), "{path}");
        let began = began[path].f_mul(mask).unwrap();
        assert!(session.weights(path).unwrap()[path].equal(&began), "{path}");
        // A quarter is alive in each, so a sixteenth in both, to within five deviations of the hypergeometric distribution.
        let n = mask.numel() as f64;
        let both = count(&mask.f_mul(&ticket[path]).unwrap());
        let deviation = (n / 16.0 * 9.0 / 16.0).sqrt();
        assert!(
            (both - n / 16.0).abs() < 5.0 * deviation,
            "{path}: {both} of {n}"
        );
    }
    for path in ["first.bias", "second.bias", "third.bias"] {
        assert!(session.weights(path).unwrap()[path].equal(&began[path]));
    }
}

#[test]
fn controls_follow_from_the_seed() {
    let control = |component: &str, seed: u64| {
        let mut session = small(seed);
        find(&mut session, json!({ "rounds": 2, "rate": 0.4 })).unwrap();
        fit(&mut session, component, json!({})).unwrap();
        let taken = session.snapshot("all,masks").unwrap();
        taken.values().flat_map(|t| numbers(t)).collect::<Vec<_>>()
    };
    for component in ["lottery-ticket/reinitialised", "lottery-ticket/shuffled"] {
        assert_eq!(control(component, 1), control(component, 1));
        assert_ne!(control(component, 1), control(component, 2));
    }
}

#[test]
fn tensors_of_equal_masks_are_shuffled_apart() {
    let mut session = perceptron([20, 20, 20, 20], 0);
    let half = Tensor::from_slice(&[1.0_f32, 0.0])
        .repeat([200])
        .view([20, 20]);
    let masks = ["first.weight", "second.weight"].map(|path| (path, half.shallow_clone()));
    session.mask(&masks.into_iter().collect()).unwrap();
    fit(&mut session, "lottery-ticket/shuffled", json!({})).unwrap();
    let masks = session.masks().unwrap();
    assert_eq!(
        (
            count(&masks["first.weight"]),
            count(&masks["second.weight"])
        ),
        (200.0, 200.0)
    );
    assert!(!masks["first.weight"].equal(&masks["second.weight"]));
    assert!(!masks["first.weight"].equal(&half));
}

#[test]
fn what_is_no_ticket_is_not_shuffled() {
    let refused = |session: &mut pleach_worker::NetSession| {
        let error = fit(session, "lottery-ticket/shuffled", json!({}));
        error.unwrap_err().to_string()
    };
    assert_eq!(
        refused(&mut small(0)),
        "`lottery-ticket/shuffled`: nothing is masked that could be shuffled"
    );
    let mut trained = small(0);
    find(&mut trained, json!({ "rounds": 1 })).unwrap();
    fit(&mut trained, "baselines/backprop", json!({ "steps": 1 })).unwrap();
    assert_eq!(
        refused(&mut trained),
        "`lottery-ticket/shuffled`: `first.weight` is not what the network began with\n  expected  a ticket as `iterative` hands it on, without `rewind`, before it is trained"
    );
}
