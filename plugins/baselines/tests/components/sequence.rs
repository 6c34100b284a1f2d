//! Layers as one, the layer that changes nothing, and the one that gives zeros.

use std::rc::Rc;

use pleach_worker::{NetSession, host};
use plugin_api::host::Services;
use plugin_api::plugin::Plugin;
use plugin_api::prelude::*;
use plugin_api::role::LayerObj;
use plugin_api::serde_json::json;
use plugin_api::testing::Alone;

use crate::{close, numbers, params, plugin};

fn layer(name: &str, json: plugin_api::Json) -> LayerObj {
    host(); // it makes the layers within
    plugin().layer(name, &params(json)).unwrap()
}

fn shapes(size: &[i64]) -> Shapes {
    let names = ["batch", "channels", "height", "width"];
    let axes = names.iter().zip(size).map(|(name, n)| axis(name, *n));
    Shapes::new().with("x", axes.collect())
}

fn random_weights(layer: &LayerObj, inputs: &Shapes) -> Tensors {
    let specs = layer.weights(inputs).unwrap().into_iter();
    let random = |spec: WeightSpec| {
        let t = random::uniform(&spec.size(), stream(3, &spec.name)).to_kind(Kind::Double);
        (spec.name, t)
    };
    specs.map(random).collect()
}

#[test]
fn a_sequence_is_its_layers_one_after_the_other() {
    let inputs = shapes(&[4, 3, 6, 6]);
    let recipes = [
        json!({ "use": "baselines/activation" }),
        json!({ "use": "baselines/conv", "out": 5, "bias": false }),
        json!({ "use": "baselines/batch-norm" }),
        json!({ "use": "baselines/pool", "kernel": 2 }),
    ];
    let sequence = layer("sequence", json!({ "layers": recipes }));
    let w = random_weights(&sequence, &inputs);
    let names: Vec<&str> = w.names().collect();
    let expected = ["1.weight", "2.weight", "2.bias", "2.mean", "2.var"];
    assert_eq!(names, expected);
    for train in [false, true] {
        let pass = || {
            if train {
                Alone::train(1)
            } else {
                Alone::eval()
            }
        };
        let x = random::normal(&[4, 3, 6, 6], 1).to_kind(Kind::Double);
        let (whole, mut step) = (pass(), Batch::new().with("x", x));
        let y = sequence.forward(&w, &step, &whole).unwrap();
        let (mut shapes, mut kept) = (inputs.clone(), Tensors::new());
        for (i, recipe) in recipes.iter().enumerate() {
            let mut given = params(recipe.clone());
            let name = given.shift_remove("use").unwrap();
            let name = name.as_str().unwrap().strip_prefix("baselines/").unwrap();
            let alone = plugin().layer(name, &given).unwrap();
            let pass = pass();
            step = alone
                .forward(&w.under(&format!("{i}.")), &step, &pass)
                .unwrap();
            shapes = alone.shapes(&shapes).unwrap();
            let own = pass.kept().into_iter();
            kept.extend(own.map(|(name, t)| (format!("{i}.{name}"), t)));
        }
        assert_eq!(numbers(&y["x"]), numbers(&step["x"]));
        let promised = sequence.shapes(&inputs).unwrap();
        assert_eq!(show(&promised["x"]), show(&shapes["x"]));
        let statistics = whole.kept();
        assert_eq!(
            statistics.names().collect::<Vec<_>>(),
            kept.names().collect::<Vec<_>>()
        );
        for (name, t) in statistics.iter() {
            assert_eq!(numbers(t), numbers(&kept[name]), "{name}");
        }
    }
}

#[test]
fn a_sequence_of_none_is_refused() {
    let empty = layer("sequence", json!({ "layers": [] }));
    assert_eq!(
        empty
            .shapes(&shapes(&[2, 3, 4, 4]))
            .unwrap_err()
            .to_string(),
        "`baselines/sequence`: there is no layer to run\n  help: `baselines/identity` is the layer that changes nothing"
    );
}

/// Units between the layers of a sequence, and of one within it, are cut as if their layers stood alone.
#[test]
fn units_within_a_sequence_are_cut_as_they_are_masked() {
    let linear = |out: i64| json!({ "use": "baselines/linear", "out": out });
    let inner = json!({ "use": "baselines/sequence", "layers": [linear(5), "baselines/batch-norm", linear(6)] });
    let layers = json!([
        linear(7),
        "baselines/activation",
        inner,
        "baselines/activation",
        linear(8)
    ]);
    let task = Rc::new(host().task(&"baselines/digits".into()).unwrap());
    let arch = Arch::new(task.ports().unwrap().inputs)
        .layer(
            "block",
            Recipe::new("baselines/sequence").with("layers", layers),
            &[("x", "in.x")],
        )
        .layer(
            "output",
            Recipe::new("baselines/linear").with("out", 10),
            &[("x", "block.x")],
        )
        .output("y", "output.x");
    let session = || NetSession::new(arch.clone(), Rc::clone(&task), 1, Device::Cpu).unwrap();
    for (units, n) in [
        ("block.0.out", 7),
        ("block.2.0.out", 5),
        ("block.2.2.out", 6),
        ("block.4.out", 8),
    ] {
        let keep = [0, 2, 3];
        let [mut cut, mut masked] = [session(), session()];
        cut.cut(units, &keep)
            .unwrap_or_else(|e| panic!("{units}: {e}"));
        let alive = Tensor::zeros([n], (Kind::Float, Device::Cpu));
        let alive = alive.index_fill(0, &Tensor::from_slice(&keep), 1);
        masked.mask(&Tensors::new().with(units, alive)).unwrap();
        let outputs = |session: &NetSession| {
            let batch = session.batch("val", &At::ALL).unwrap().unwrap();
            let seen = session.forward(&batch, &Ask::eval()).unwrap();
            numbers(&seen.outputs["y"])
        };
        let (one, other) = (outputs(&cut), outputs(&masked));
        assert_eq!(one.len(), other.len());
        for (a, b) in one.iter().zip(&other) {
            assert!((a - b).abs() < 1e-5, "{units}: {a} and {b}");
        }
        let parameters = |session: &NetSession| -> usize {
            session
                .weights("model")
                .unwrap()
                .values()
                .map(|t| t.numel())
                .sum()
        };
        assert!(parameters(&cut) < parameters(&masked), "{units}");
    }
}

#[test]
fn identity_hands_on_and_zero_gives_zeros_with_a_gradient() {
    let x = random::normal(&[2, 3], 4)
        .to_kind(Kind::Double)
        .set_requires_grad(true);
    for (name, factor) in [("identity", 1.0), ("zero", 0.0)] {
        let layer = layer(name, json!({}));
        let inputs = Batch::new().with("x", x.shallow_clone());
        let y = layer
            .forward(&Tensors::new(), &inputs, &Alone::train(0))
            .unwrap();
        let y = y.tensor("x").unwrap();
        close(&numbers(y), &numbers(&(&x * factor)));
        let dx = Tensor::run_backward(&[y.sum(Kind::Double)], &[&x], false, false).remove(0);
        close(&numbers(&dx), &[factor; 6]);
        let shape = shapes(&[2, 3]);
        assert_eq!(layer.shapes(&shape).unwrap()["x"], shape["x"]);
        assert!(layer.weights(&shape).unwrap().is_empty());
    }
}
