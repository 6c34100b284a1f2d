//! What it refuses, and how it says so.

use plugin_api::Json;
use plugin_api::prelude::*;
use plugin_api::serde_json::json;

use crate::{One, chain, linear, relu, samples, score, session};

/// The error for these layers on this batch.
fn refused(layers: &[(&str, Recipe)], x: Tensor, y: Tensor, params: Json) -> String {
    let task = One::of(x, y);
    let mut session = session(chain(&task, layers), &task, 0);
    score(&mut session, params).unwrap_err().to_string()
}

fn net() -> Vec<(&'static str, Recipe)> {
    vec![("first", linear(6)), ("relu", relu()), ("last", linear(4))]
}

#[track_caller]
fn says(error: &str, begins: &str) {
    assert!(
        error.starts_with(&format!("`gradsign/gradsign`: {begins}")),
        "{error}"
    );
}

#[test]
fn samples_that_are_not_there() {
    let (x, y) = samples(5, 8, 1);
    let more = refused(&net(), x.shallow_clone(), y.shallow_clone(), json!({}));
    says(
        &more,
        "`train` has too few samples\n  found     5 at `x`\n  expected  128, as `samples` says\n  help: ",
    );
    let none = refused(
        &net(),
        x.narrow(0, 0, 0),
        y.narrow(0, 0, 0),
        json!({ "samples": 0 }),
    );
    says(
        &none,
        "`train` has too few samples\n  found     0 at `x`\n  expected  1,",
    );
    let fewer = refused(
        &net(),
        x.shallow_clone(),
        y.narrow(0, 0, 3),
        json!({ "samples": 0 }),
    );
    assert!(fewer.contains("has not one row for each sample"), "{fewer}");
    let split = refused(&net(), x, y, json!({ "samples": 5, "split": "dev" }));
    says(&split, "there is no split `dev`");
}

#[test]
fn samples_that_make_no_sense() {
    let (x, y) = samples(5, 8, 1);
    for wrong in [f64::NAN, f64::INFINITY] {
        let x = x.copy();
        let _ = x.get(2).get(3).fill_(wrong);
        let error = refused(&net(), x, y.shallow_clone(), json!({ "samples": 5 }));
        says(&error, "not all of `x` is finite\n  expected  ");
    }
    let labels = refused(
        &net(),
        x.shallow_clone(),
        &y + 1_i64,
        json!({ "samples": 5 }),
    );
    assert!(labels.contains("out of bounds"), "{labels}");
    let whole = refused(&net(), x.to_kind(Kind::Int64), y, json!({ "samples": 5 }));
    assert!(!whole.is_empty());
}

#[test]
fn networks_without_weights_that_count() {
    let (x, y) = samples(5, 4, 1);
    let error = refused(
        &[("relu", relu())],
        x.shallow_clone(),
        y.shallow_clone(),
        json!({ "samples": 5 }),
    );
    says(
        &error,
        "the network has no weights that count\n  found     none that `#prunable` selects\n",
    );
    // Other weights may count where somebody says so.
    let task = One::of(x, y);
    let norm = [("norm", Recipe::from("baselines/layer-norm"))];
    let mut session = session(chain(&task, &norm), &task, 0);
    assert!(score(&mut session, json!({ "samples": 5 })).is_err());
    assert!(score(&mut session, json!({ "samples": 5, "select": "model" })).unwrap() > 0.0);
}

#[test]
fn norms_that_see_one_value_of_each_channel() {
    let (x, y) = samples(5, 8, 1);
    let norm = Recipe::from("baselines/batch-norm");
    let inside =
        Recipe::new("baselines/sequence").with("layers", json!(["baselines/linear", norm]));
    for layers in [
        vec![
            ("first", linear(6)),
            ("norm", norm),
            ("relu", relu()),
            ("last", linear(4)),
        ],
        vec![("first", linear(6)), ("both", inside), ("last", linear(4))],
    ] {
        let error = refused(
            &layers,
            x.shallow_clone(),
            y.shallow_clone(),
            json!({ "samples": 5 }),
        );
        says(
            &error,
            "a norm over the batch sees one value of each channel, so that no gradient gets past it\n  found     [1, 6] at `",
        );
        let task = One::of(x.shallow_clone(), y.shallow_clone());
        let mut session = session(chain(&task, &layers), &task, 0);
        let score = score(&mut session, json!({ "samples": 5, "training": false }));
        assert!(score.unwrap() > 0.0);
    }
}

#[test]
fn gradients_that_are_no_numbers() {
    let (x, y) = samples(5, 8, 1);
    let task = One::of(x, y);
    let mut session = session(chain(&task, &[("last", linear(4))]), &task, 0);
    let bias = Tensor::full([4], f64::NAN, (Kind::Float, Device::Cpu));
    session
        .set(&Tensors::new().with("last.bias", bias))
        .unwrap();
    let error = score(&mut session, json!({ "samples": 5 }))
        .unwrap_err()
        .to_string();
    says(
        &error,
        "too many gradients are no numbers\n  found     100.0 % of them\n  expected  1 % at most",
    );
}
