//! What is found: how many weights stay, which, and that they are what they were.

use plugin_api::prelude::*;
use plugin_api::serde_json::json;

use crate::{
    count, find, fit, five_steps, handed_on, numbers, perceptron, same, session, small,
    standing_still,
};

const PRUNABLE: [&str; 3] = ["first.weight", "second.weight", "third.weight"];

#[test]
fn densities_are_those_of_the_paper() {
    // LeNet-300-100 at a fifth a round, a tenth of the last layer.
    let mut session = perceptron([784, 300, 100, 10], 0);
    let train = json!({ "use": "baselines/backprop", "steps": 1 });
    let rates = json!([{ "weights": "third.*", "rate": 0.1 }]);
    let report = find(
        &mut session,
        json!({ "rounds": 16, "rates": rates, "train": train }),
    )
    .unwrap();
    let table = &report.tables["rounds"];
    assert_eq!(&table.columns[..3], ["round", "alive", "fraction"]);
    let mut tensors =
        [(235_200.0, 0.2), (30_000.0, 0.2), (1_000.0, 0.1_f64)].map(|(n, rate)| (n, n, rate));
    for (k, row) in table.rows.iter().enumerate() {
        // The row of a round is of the network that was trained in it: after k rounds of pruning.
        let alive: f64 = tensors.iter().map(|(_, alive, _)| alive).sum();
        assert_eq!(row[1], alive, "{k}");
        for (n, alive, rate) in &mut tensors {
            let formula = *n * (1.0 - *rate).powf(k as f64);
            assert!(
                (*alive - formula).abs() <= 0.5 / *rate,
                "{k}: {alive} {formula}"
            );
            *alive -= (*rate * *alive).round();
        }
        let percent = |k| [100.0, 80.04, 64.06, 51.28][k];
        if k < 4 {
            assert!((100.0 * row[2] - percent(k)).abs() < 0.005, "{k}: {row:?}");
        }
    }
    for (k, percent) in [(7, 21.07), (9, 13.52), (15, 3.58)] {
        let found = 100.0 * table.rows[k][2];
        assert!((found - percent).abs() < 0.005, "{k}: {found}");
    }
    let of_tensors = &report.tables["tensors"];
    assert_eq!(of_tensors.labels, PRUNABLE);
    for (row, (n, alive, _)) in of_tensors.rows.iter().zip(tensors) {
        assert_eq!(*row, [n, alive]);
    }
}

#[test]
fn what_is_alive_is_what_it_was_to_the_bit_and_the_rest_is_zero() {
    let mut session = with_norm(3);
    let before = session.snapshot("all").unwrap();
    let report = find(&mut session, json!({ "rounds": 3, "rate": 0.3 })).unwrap();
    let (masks, after) = (session.masks().unwrap(), session.snapshot("all").unwrap());
    assert_eq!(
        masks.names().collect::<Vec<_>>(),
        ["first.weight", "last.weight"]
    );
    let kept = before.iter().map(|(path, began)| match masks.get(path) {
        Some(mask) => (path, began.f_mul(mask).unwrap()),
        None => (path, began.shallow_clone()),
    });
    // Running statistics among them.
    assert!(after.contains("norm.mean") && after.contains("norm.var"));
    same(&after, &kept.collect());
    assert_eq!(session.steps(), 0);
    // The training did move the statistics, or this shows nothing.
    let losses: Vec<f64> = report.tables["rounds"]
        .rows
        .iter()
        .map(|row| row[3])
        .collect();
    assert!(
        losses.windows(2).all(|pair| pair[0] != pair[1]),
        "{losses:?}"
    );
}

/// A network with a norm between its layers.
fn with_norm(seed: u64) -> pleach_worker::NetSession {
    let noise = crate::Noise {
        features: 10,
        classes: 4,
        rows: 20,
    };
    let arch = Arch::new(noise.ports().unwrap().inputs)
        .layer("first", crate::linear(12), &[("x", "in.x")])
        .layer("norm", "baselines/batch-norm", &[("x", "first.x")])
        .layer("relu", "baselines/activation", &[("x", "norm.x")])
        .layer("last", crate::linear(4), &[("x", "relu.x")])
        .output("y", "last.x");
    session(noise, arch, seed)
}

#[test]
fn rounds_are_stages() {
    let given = |rounds: i64| json!({ "rounds": rounds, "rate": 0.25, "rates": [{ "weights": "third.*", "rate": 0.1 }] });
    let mut at_once = small(5);
    let report = find(&mut at_once, given(3)).unwrap();
    let (mut stage, mut rows) = (small(5), vec![]);
    for _ in 0..3 {
        let report = find(&mut stage, given(1)).unwrap();
        rows.push(report.tables["rounds"].rows[0][1..].to_vec());
        let mut next = small(5);
        handed_on(&stage, &mut next);
        stage = next;
    }
    same(
        &at_once.snapshot("everything").unwrap().under("mask:"),
        &stage.snapshot("masks").unwrap().under("mask:"),
    );
    same(
        &at_once.snapshot("all").unwrap(),
        &stage.snapshot("all").unwrap(),
    );
    let of_rounds = report.tables["rounds"].rows.iter();
    assert_eq!(
        of_rounds.map(|row| row[1..].to_vec()).collect::<Vec<_>>(),
        rows
    );
}

#[test]
fn the_first_round_trains_the_dense_network_on_the_same_data() {
    let (mut found, mut dense) = (small(2), small(2));
    let report = find(&mut found, json!({ "rounds": 2 })).unwrap();
    let alone = fit(&mut dense, "baselines/backprop", backprop()).unwrap();
    let table = &report.tables["rounds"];
    let at = |name: &str| table.columns.iter().position(|c| c == name).expect(name);
    for metric in ["loss", "best", "best-at"] {
        let found = table.rows[0][at(&format!("train.{metric}"))];
        assert_eq!(found, alone.metrics[metric], "{metric}");
    }
    let val = dense.evaluate("val", &Ask::eval()).unwrap()["loss"];
    assert_eq!(table.rows[0][at("val.loss")], val);
    assert!(
        !table.columns.contains(&"test.loss".into()),
        "noise has no such split"
    );
}

/// Parameters of five steps.
fn backprop() -> plugin_api::Json {
    let mut given = five_steps();
    given.as_object_mut().unwrap().remove("use");
    given
}

#[test]
fn the_smallest_of_what_was_trained_go() {
    let (mut found, mut dense) = (small(7), small(7));
    find(&mut found, json!({ "rounds": 1, "rate": 0.4 })).unwrap();
    fit(&mut dense, "baselines/backprop", backprop()).unwrap();
    for path in PRUNABLE {
        let trained = numbers(&dense.weights(path).unwrap()[path]);
        let mut sizes: Vec<f64> = trained.iter().map(|w| w.abs()).collect();
        sizes.sort_by(f64::total_cmp);
        let gone = (0.4 * sizes.len() as f64).round() as usize;
        let least = sizes[gone];
        let expected: Vec<f64> = trained
            .iter()
            .map(|w| f64::from(w.abs() >= least))
            .collect();
        assert_eq!(numbers(&found.masks().unwrap()[path]), expected, "{path}");
    }
}

#[test]
fn all_tensors_together_by_scope() {
    let (mut found, dense) = (small(7), small(7));
    let rates = json!([{ "weights": "third.*", "rate": 0.0 }]);
    let given = json!({ "rounds": 2, "rate": 0.3, "rates": rates, "scope": "global", "train": standing_still() });
    find(&mut found, given).unwrap();
    let weights = dense.snapshot("first.weight,second.weight").unwrap();
    let mut sizes: Vec<f64> = weights
        .values()
        .flat_map(|t| numbers(t))
        .map(f64::abs)
        .collect();
    sizes.sort_by(f64::total_cmp);
    let all = sizes.len() as f64; // 80 + 48
    let left = all - (0.3 * all).round();
    let gone = (all - (left - (0.3 * left).round())) as usize;
    let masks = found.masks().unwrap();
    assert!(!masks.contains("third.weight"), "at a rate of 0");
    for (path, weight) in weights.iter() {
        let expected: Vec<f64> = numbers(weight)
            .iter()
            .map(|w| f64::from(w.abs() >= sizes[gone]))
            .collect();
        assert_eq!(numbers(&masks[path]), expected, "{path}");
    }
}

#[test]
fn of_equal_weights_the_later_go() {
    let mut session = small(1);
    let ones = session.weights("model").unwrap().map(|_, t| t.ones_like());
    session.set(&ones).unwrap();
    find(
        &mut session,
        json!({ "rounds": 2, "rate": 0.3, "train": standing_still() }),
    )
    .unwrap();
    // 24 - 7 = 17, 17 - 5 = 12.
    let mask = numbers(&session.masks().unwrap()["third.weight"]);
    assert_eq!(mask, [vec![1.0; 12], vec![0.0; 12]].concat());
}

#[test]
fn the_reset_may_come_at_the_end_alone() {
    let (mut found, mut by_hand) = (small(4), small(4));
    let before = by_hand.snapshot("all").unwrap();
    find(
        &mut found,
        json!({ "rounds": 2, "rate": 0.5, "reset": "at-end" }),
    )
    .unwrap();
    let mut kept = 1.0;
    for _ in 0..2 {
        fit(&mut by_hand, "baselines/backprop", backprop()).unwrap();
        kept *= 0.5;
        let sizes = by_hand.weights("#prunable").unwrap().map(|_, w| w.abs());
        by_hand.prune(&sizes, &Keep::Each(kept)).unwrap();
    }
    by_hand.restore(&before).unwrap();
    same(&found.masks().unwrap(), &by_hand.masks().unwrap());
    same(
        &found.snapshot("all").unwrap(),
        &by_hand.snapshot("all").unwrap(),
    );

    let mut each = small(4);
    find(&mut each, json!({ "rounds": 2, "rate": 0.5 })).unwrap();
    let differs = |path: &str| !each.masks().unwrap()[path].equal(&found.masks().unwrap()[path]);
    assert!(
        PRUNABLE.into_iter().any(differs),
        "both resets find one ticket"
    );
}

#[test]
fn weights_may_be_rewound_to_a_later_step() {
    let (mut found, mut later) = (small(4), small(4));
    let rewind = json!({ "use": "baselines/backprop", "steps": 3, "batch": 20, "best": false });
    find(&mut found, json!({ "rounds": 2, "rewind": rewind })).unwrap();
    let three = json!({ "steps": 3, "batch": 20, "best": false });
    fit(&mut later, "baselines/backprop", three).unwrap();
    later.mask(&found.masks().unwrap()).unwrap();
    same(
        &found.snapshot("all").unwrap(),
        &later.snapshot("all").unwrap(),
    );
    assert_eq!(found.steps(), 3);
}

#[test]
fn the_dead_stay_dead_under_adam_with_decay() {
    let mut session = small(6);
    find(&mut session, json!({ "rounds": 2, "rate": 0.36 })).unwrap();
    let adam = json!({ "use": "baselines/adam", "rate": 0.01, "decay": 0.1 });
    let given =
        json!({ "steps": 100, "batch": 20, "best": false, "every": 50, "transforms": [adam] });
    let before = session.snapshot("#prunable").unwrap();
    fit(&mut session, "baselines/backprop", given).unwrap();
    for (path, mask) in session.masks().unwrap().iter() {
        let weight = &session.weights(path).unwrap()[path];
        let dead = weight.masked_select(&mask.eq(0.0));
        assert!(dead.numel() > 0 && count(&dead.abs()) == 0.0, "{path}");
        assert!(!weight.equal(&before[path]), "`{path}` was not trained");
    }
}
