//! The weights that a hypernet makes.

use plugin_api::plugin::Plugin;
use plugin_api::prelude::*;
use plugin_api::role::HypernetObj;
use plugin_api::testing::close;
use plugin_api::{Json, serde_json::json};

use crate::{nowhere, params, plugin, reference};

fn hypernet(name: &str, json: Json) -> HypernetObj {
    plugin().hypernet(name, &params(json)).unwrap()
}

fn targets() -> Vec<WeightSpec> {
    vec![
        WeightSpec::new("input.weight", &[("in", 50), ("out", 40)], ""),
        WeightSpec::new("input.bias", &[("out", 40)], ""),
        // As PyTorch's files have it.
        WeightSpec::new("output.weight", &[("out", 100), ("in", 8)], ""),
    ]
}

/// Own weights, as their initializers make them.
fn own(specs: &[WeightSpec], seed: u64) -> Tensors {
    let made = |spec: &WeightSpec| {
        let (_, name) = spec.init.split().unwrap();
        plugin()
            .initializer(name, &spec.init.params)
            .unwrap()
            .init(spec, &nowhere(), stream(seed, &spec.name))
            .unwrap()
    };
    specs
        .iter()
        .map(|spec| (spec.name.clone(), made(spec)))
        .collect()
}

#[test]
fn begin_with_the_variance_that_their_layer_wants() {
    for name in ["mlp", "chunked"] {
        let hypernet = hypernet(name, json!({}));
        let specs = hypernet.weights(&targets()).unwrap();
        let seeds = 100;
        let mut power = [0.0; 3];
        for seed in 0..seeds {
            let made = hypernet
                .generate(&own(&specs, seed), &Batch::new(), &targets())
                .unwrap();
            for (i, target) in targets().iter().enumerate() {
                let weight = &made[&target.name];
                assert_eq!(weight.size(), target.size());
                power[i] += weight.square().mean(Kind::Double).double_value(&[]) / seeds as f64;
            }
        }
        for (power, fan_in) in power.into_iter().zip([50.0, 40.0, 8.0]) {
            assert!(
                (power * fan_in - 1.0).abs() < 0.1,
                "{name}: {}",
                power * fan_in
            );
        }
    }
}

#[test]
fn depend_on_all_own_weights() {
    for (name, given) in [
        ("mlp", json!({ "embedding": 3, "hidden": 5 })),
        (
            "chunked",
            json!({ "embedding": 3, "hidden": 5, "chunk": 7 }),
        ),
    ] {
        let hypernet = hypernet(name, given);
        let specs = hypernet.weights(&targets()).unwrap();
        let w = own(&specs, 1).map(|_, t| t.set_requires_grad(true));
        let made = hypernet.generate(&w, &Batch::new(), &targets()).unwrap();
        let sum = made.values().fold(Tensor::from(0.0), |sum, t| {
            sum + t.square().sum(Kind::Float)
        });
        for (own, gradient) in gradients_of(&sum, &w, false).unwrap() {
            // An element without gradient would be one that nothing reads.
            assert!(
                gradient.abs().min().double_value(&[]) > 0.0,
                "{name}: {own}"
            );
        }
    }
}

#[test]
fn come_in_chunks_as_from_pytorch() {
    let chunked = hypernet(
        "chunked",
        json!({ "chunk": 5, "embedding": 3, "hidden": 6 }),
    );
    let target = [
        WeightSpec::new("layer.weight", &[("out", 4), ("in", 3)], ""),
        WeightSpec::new("layer.bias", &[("out", 4)], ""),
    ];
    let of_torch = reference("hypernets");
    let (own, expected) = (of_torch.under("own."), of_torch.under("made."));
    for spec in chunked.weights(&target).unwrap() {
        assert_eq!(own[&spec.name].size(), spec.size(), "{}", spec.name);
    }
    let made = chunked.generate(&own, &Batch::new(), &target).unwrap();
    for (path, expected) in expected.iter() {
        close(&made[path], expected);
    }
}
