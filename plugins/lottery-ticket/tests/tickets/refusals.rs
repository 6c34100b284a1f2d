//! What is refused, and how.

use plugin_api::host::Services;
use plugin_api::prelude::*;
use plugin_api::{Json, serde_json::json};

use crate::{find, small, standing_still};

/// Why no ticket is looked for with these parameters.
fn unmade(json: Json) -> String {
    let mut json = json;
    json["train"] = standing_still();
    let recipe = Recipe {
        component: "lottery-ticket/iterative".into(),
        params: json.as_object().expect("parameters").clone(),
    };
    let made = pleach_worker::host().trainer(&recipe);
    made.err().expect("refused").to_string()
}

/// Why none is found.
fn unfound(session: &mut pleach_worker::NetSession, json: Json) -> String {
    find(session, json).expect_err("refused").to_string()
}

#[test]
fn rates_and_rounds_out_of_range() {
    for rate in [0.0, 1.0, -0.2] {
        assert_eq!(
            unmade(json!({ "rate": rate })),
            format!(
                "`lottery-ticket/iterative`: parameter `rate` is out of range\n  found     {rate}\n  expected  0 < rate < 1"
            )
        );
    }
    assert_eq!(
        unmade(json!({ "rates": [{ "weights": "third.*", "rate": 1.0 }] })),
        "`lottery-ticket/iterative`: parameter `rates[0].rate`: 1 is out of range, expected 0 <= rate < 1"
    );
    assert_eq!(
        unmade(json!({ "rounds": 0 })),
        "`lottery-ticket/iterative`: parameter `rounds` is out of range\n  found     0\n  expected  1 <= rounds"
    );
}

#[test]
fn rates_of_weights_that_are_not_pruned_before_any_training() {
    let mut session = small(0);
    assert_eq!(
        unfound(
            &mut session,
            json!({ "rates": [{ "weights": "first.bias", "rate": 0.1 }] })
        ),
        "`lottery-ticket/iterative`: `first.bias` names nothing that is pruned\n  expected  a selector of these: first.weight, second.weight, third.weight"
    );
    assert_eq!(session.chains().unwrap(), [""; 0], "nothing was trained");
}

#[test]
fn a_layer_of_which_nothing_would_be_left() {
    // 24 weights, of which round(0.5) would be left, in the end none.
    let mut session = small(0);
    let given = json!({ "rounds": 2, "rate": 0.1, "rates": [{ "weights": "third.*", "rate": 0.99 }], "train": standing_still() });
    assert_eq!(
        unfound(&mut session, given),
        "`lottery-ticket/iterative`: nothing is left of `third.weight`\n  found     0.99 to go of 24 alive\n  expected  a weight or more that the layer passes on\n  help: lower its rate, prune by `scope = \"layer\"`, or keep it whole: rate = 0"
    );
    // A layer that is small beside the others.
    let mut session = small(0);
    let third = session
        .weights("third.weight")
        .unwrap()
        .map(|_, w| w * 1e-3);
    session.set(&third).unwrap();
    let given = json!({ "rate": 0.3, "scope": "global", "train": standing_still() });
    assert!(unfound(&mut session, given).contains("nothing is left of `third.weight`"));
    // One that has died before.
    let mut session = small(0);
    let none = session
        .weights("second.weight")
        .unwrap()
        .map(|_, w| w.zeros_like());
    session.mask(&none).unwrap();
    let given = json!({ "train": standing_still() });
    assert!(unfound(&mut session, given).contains("nothing is left of `second.weight`"));
}

#[test]
fn weights_that_are_no_numbers() {
    for wrong in [f64::NAN, f64::INFINITY] {
        let mut session = small(0);
        let weight = session.weights("second.weight").unwrap();
        session.set(&weight.map(|_, w| w.full_like(wrong))).unwrap();
        assert_eq!(
            unfound(&mut session, json!({ "rounds": 1 })).lines().next(),
            Some("`lottery-ticket/iterative`: some scores of `second.weight` are not finite")
        );
    }
}

#[test]
fn a_network_without_weights_to_prune() {
    let noise = crate::Noise {
        features: 4,
        classes: 4,
        rows: 5,
    };
    let arch = Arch::new(noise.ports().unwrap().inputs)
        .layer("same", "baselines/batch-norm", &[("x", "in.x")])
        .output("y", "same.x");
    let mut session = crate::session(noise, arch, 0);
    assert_eq!(
        unfound(&mut session, json!({})),
        "`lottery-ticket/iterative`: `baselines/magnitude` has ranked no weight"
    );
}

#[test]
fn masks_and_snapshots_that_do_not_fit() {
    let mut session = small(0);
    let mask = |path: &str, mask: Tensor| Tensors::new().with(path, mask);
    let kind = (Kind::Float, Device::Cpu);
    for (masks, why) in [
        (
            mask("fourth.weight", Tensor::ones([4, 6], kind)),
            "`fourth.weight`",
        ),
        (
            mask("third.weight", Tensor::ones([6, 4], kind)),
            "has another shape",
        ),
        (
            mask("third.weight", Tensor::full([4, 6], 0.5, kind)),
            "neither keeps nor prunes",
        ),
    ] {
        let error = session.mask(&masks).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    let start = session.snapshot("all").unwrap();
    let error = crate::perceptron([10, 9, 6, 4], 0)
        .restore(&start)
        .unwrap_err();
    assert!(error.to_string().contains("has another shape"), "{error}");
}
