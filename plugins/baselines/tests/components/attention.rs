//! What attention does beyond what PyTorch can be held to: with nothing to see, dropped out, and refused.

use plugin_api::plugin::Plugin;
use plugin_api::prelude::*;
use plugin_api::role::LayerObj;
use plugin_api::testing::{Alone, close};
use plugin_api::{Json, serde_json::json};

use crate::{numbers, params, plugin};

const FEATURES: i64 = 4;

fn layer(name: &str, json: Json) -> LayerObj {
    plugin().layer(name, &params(json)).unwrap()
}

fn shapes(features: i64) -> Shapes {
    let x = [
        ("batch", None),
        ("steps", Some(3)),
        ("features", Some(features)),
    ];
    Shapes::new().with("x", x.map(|(name, size)| axis(name, size)).to_vec())
}

/// Random weights as the layer declares them.
fn weights(layer: &LayerObj) -> Tensors {
    let specs = layer.weights(&shapes(FEATURES)).unwrap();
    let random = |spec: &WeightSpec| {
        let numbers = random::normal(&spec.size(), stream(5, &spec.name));
        (spec.name.clone(), numbers.to_kind(Kind::Double))
    };
    specs.iter().map(random).collect()
}

fn inputs() -> Batch {
    let x = random::normal(&[2, 3, FEATURES], 1);
    Batch::new().with("x", x.to_kind(Kind::Double))
}

fn run(layer: &LayerObj, w: &Tensors, x: &Batch, pass: &Alone) -> Tensor {
    layer.forward(w, x, pass).unwrap()["x"].shallow_clone()
}

#[test]
fn a_sequence_without_steps_sees_nothing() {
    let attention = layer("multi-head-attention", json!({ "heads": 2 }));
    let w = weights(&attention);
    let x = inputs().with("lengths", Tensor::from_slice(&[0_i64, 3]));
    let bias = w["output-bias"].expand([3, FEATURES], false);
    close(&run(&attention, &w, &x, &Alone::eval()).get(0), &bias);
    // With gradients the scores are kept, which is another way to the same.
    let learned = w.map(|_, t| t.copy().set_requires_grad(true));
    let y = run(&attention, &learned, &x, &Alone::eval());
    close(&y.get(0).detach(), &bias);
    let gradients = gradients_of(&y.square().sum(Kind::Double), &learned, false).unwrap();
    for (name, gradient) in gradients.iter() {
        assert!(numbers(gradient).iter().all(|x| x.is_finite()), "{name}");
    }
}

/// The mean over many seeds is what evaluation gives, as far as the layer is linear in what is dropped.
#[track_caller]
fn holds_means(layer: &LayerObj, w: &Tensors) {
    let x = inputs();
    let whole = run(layer, w, &x, &Alone::eval());
    let seeds = 4000;
    let trained = (0..seeds).map(|seed| run(layer, w, &x, &Alone::train(seed)));
    let trained = Tensor::stack(&trained.collect::<Vec<_>>(), 0);
    let error = trained.std_dim(0, true, false) / (seeds as f64).sqrt();
    assert!(error.min().double_value(&[]) > 0.0, "some number stays");
    let off = (trained.mean_dim(0, false, None) - whole).abs() / error;
    // Of two dozen numbers.
    assert!(off.max().double_value(&[]) < 5.0, "{off}");
    assert_eq!(
        run(layer, w, &x, &Alone::train(1)),
        run(layer, w, &x, &Alone::train(1))
    );
}

#[test]
fn dropout_keeps_the_means_of_attention() {
    let attention = layer(
        "multi-head-attention",
        json!({ "heads": 2, "dropout": 0.3 }),
    );
    holds_means(&attention, &weights(&attention));
}

#[test]
fn dropout_keeps_the_means_of_both_parts_of_a_block() {
    let given = json!({ "heads": 2, "dropout": 0.3, "norm-first": true });
    let block = layer("transformer-block", given);
    let without = |zero: &str| {
        let other = |name: &str, t: &Tensor| match name.starts_with(zero) {
            true => t.zeros_like(),
            false => t.shallow_clone(),
        };
        weights(&block).map(other)
    };
    holds_means(&block, &without("linear2"));
    holds_means(&block, &without("attention.output"));
}

#[test]
fn inputs_that_do_not_fit_are_refused() {
    let attention = layer("multi-head-attention", json!({}));
    let block = layer("transformer-block", json!({}));
    let six = shapes(6);
    let two = Shapes::new().with("x", vec![axis("batch", None), axis("features", 4)]);
    for (name, layer) in [
        ("multi-head-attention", &attention),
        ("transformer-block", &block),
    ] {
        assert_eq!(
            layer.shapes(&six).unwrap_err().to_string(),
            format!(
                "`baselines/{name}`: 6 features cannot be split among 4 heads\n  expected  a multiple of `heads`\n  help: set `heads` or the width"
            )
        );
        assert_eq!(
            layer.shapes(&two).unwrap_err().to_string(),
            format!(
                "`baselines/{name}`: attention is paid to steps of sequences\n  found     [batch, 4]\n  expected  [batch, steps, in]"
            )
        );
    }
    let lengths = |lengths: &[i64]| {
        let x = inputs().with("lengths", Tensor::from_slice(lengths));
        let given = attention.forward(&weights(&attention), &x, &Alone::eval());
        given.err().unwrap().to_string()
    };
    assert_eq!(
        lengths(&[1, 2, 3]),
        "`baselines/multi-head-attention`: these are no lengths of sequences\n  found     Int64 [3]\n  expected  int64 [2], numbers from 0 to 3"
    );
    assert_eq!(
        lengths(&[1, 4]),
        "`baselines/multi-head-attention`: these are no lengths of sequences\n  found     Int64 [2]\n  expected  int64 [2], numbers from 0 to 3"
    );
}

#[test]
fn multiplications_are_counted() {
    let macs = |layer: &LayerObj, shapes: &Shapes| -> i64 {
        let costs = layer.cost(shapes).unwrap();
        let of = |cost: &Cost| {
            let lengths = cost.axes.iter().filter_map(|axis| axis.size);
            cost.coefficient as i64 * lengths.product::<i64>()
        };
        costs.iter().map(of).sum()
    };
    let attention = layer("multi-head-attention", json!({ "heads": 2, "out": 6 }));
    let (steps, keys) = (3, 5);
    let key = vec![axis("batch", None), axis("keys", keys), axis("features", 2)];
    let across = shapes(4).with("key", key.clone()).with("value", key);
    let maps = steps * 4 * 6 + 2 * (keys * 2 * 6) + steps * 6 * 6;
    assert_eq!(macs(&attention, &across), maps + 2 * (steps * keys * 6));

    let block = layer("transformer-block", json!({ "hidden": 7 }));
    let attended = 4 * (steps * 4 * 4) + 2 * (steps * steps * 4);
    assert_eq!(macs(&block, &shapes(4)), attended + 2 * (steps * 4 * 7));
}
