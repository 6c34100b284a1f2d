//! What layers export against the layers themselves, where neither the kit nor the vectors of PyTorch lead: weighted graphs,
//! other parameters, layers that nothing but their inputs decides, and what is not exported.

use pleach_worker::Script;
use plugin_api::plugin::Plugin;
use plugin_api::prelude::*;
use plugin_api::role::LayerObj;
use plugin_api::serde_json::json;
use plugin_api::testing::Alone;
use plugin_api::{Json, random};

use crate::parity::shape;
use crate::{params, plugin};

fn layer(name: &str, json: Json) -> LayerObj {
    pleach_worker::host(); // it makes the layers within layers, and graphs
    plugin().layer(name, &params(json)).unwrap()
}

fn shapes(inputs: &Batch) -> Shapes {
    let shapes = inputs.iter().map(|(port, value)| (port, shape(value)));
    shapes.collect()
}

/// Numbers of this shape, float64.
fn numbers(size: &[i64], name: &str) -> Tensor {
    random::normal(size, stream(0, name)).to_kind(Kind::Double)
}

fn features(size: &[i64]) -> Batch {
    Batch::new().with("x", numbers(size, "x"))
}

/// Five nodes with weighted edges: one weighs nothing, one is there twice, one is a loop, and the last node has none.
fn weighted() -> Graph {
    let (sources, targets) = ([0, 1, 1, 2, 3, 3, 2], [1, 0, 2, 1, 3, 0, 1]);
    let weight = [0.5, 2.0, 0.0, 1.5, 3.0, 0.25, 1.0];
    let ends = [sources, targets].map(|ends| Tensor::from_slice::<i64>(&ends));
    Graph::new(5, &ends[0], &ends[1], Some(&Tensor::from_slice(&weight))).unwrap()
}

/// Holds what a layer exports to the layer, in evaluation.
fn check(name: &str, json: Json, inputs: &Batch) {
    let layer = layer(name, json.clone());
    let shapes = shapes(inputs);
    let specs = layer.weights(&shapes).unwrap();
    let weights = specs.iter().map(|spec| {
        let weight = numbers(&spec.size(), &spec.name);
        match spec.name.ends_with("var") {
            true => (&spec.name, weight.abs()),
            false => (&spec.name, weight),
        }
    });
    let weights: Tensors = weights.collect();
    let expected = layer.forward(&weights, inputs, &Alone::eval()).unwrap();

    let source = layer.export(Source::PYTORCH, &shapes).unwrap().unwrap();
    let promised = layer.shapes(&shapes).unwrap();
    let script = Script::compile(&source, &specs, &weights, inputs, &promised)
        .unwrap_or_else(|e| panic!("{name} {json}: {e}\n{}", source.forward));
    for (port, found) in script.run(inputs, false).unwrap().iter() {
        let expected = expected.tensor(port).unwrap();
        let near = found.size() == expected.size() && found.allclose(expected, 1e-10, 1e-10, false);
        assert!(
            near,
            "{name} {json}: `{port}`\n{}\nfound\n{}\nexpected\n{expected}",
            source.forward, &**found
        );
    }
}

#[test]
fn weights_of_edges_count() {
    pleach_worker::host();
    let graph = || features(&[5, 4]).with("graph", weighted());
    for (name, json) in [
        ("gcn", json!({ "out": 3 })),
        ("gat", json!({ "out": 6, "heads": 2, "dropout": 0.5 })),
        ("sage", json!({ "out": 3 })),
        ("gin", json!({ "eps": 0.5 })),
        ("gin", json!({ "train-eps": true })),
        ("appnp", json!({ "hops": 3 })),
    ] {
        check(name, json, &graph());
    }
    for kind in ["sum", "mean", "max"] {
        let groups = features(&[5, 4]).with("groups", weighted());
        check("graph-pool", json!({ "kind": kind }), &groups);
    }
}

#[test]
fn parameters_count() {
    let two = || features(&[3, 4]).with("left-hand", numbers(&[3, 4], "left"));
    let image = [2, 4, 7, 6];
    let padded = || {
        let lengths = Tensor::from_slice::<i64>(&[0, 2, 5]);
        features(&[3, 5, 4]).with("lengths", lengths)
    };
    let pairs = Tensor::from_slice::<i64>(&[0, 1, 2, 2]).view([2, 2]);
    for (name, json, inputs) in [
        ("add", json!({}), two()),
        ("concat", json!({}), two()),
        ("concat", json!({ "axis": 0 }), two()),
        ("zero", json!({}), features(&[3, 4])),
        ("identity", json!({}), features(&[3, 4])),
        ("flatten", json!({}), features(&image)),
        ("dropout", json!({}), features(&[3, 4])),
        (
            "conv",
            json!({ "bias": false, "kernel": 5 }),
            features(&image),
        ),
        ("batch-norm", json!({ "eps": 0.1 }), features(&image)),
        ("pool", json!({}), features(&image)),
        ("pool", json!({ "kind": "max" }), features(&image)),
        ("pool", json!({ "kernel": 2 }), features(&image)),
        (
            "pool",
            json!({ "kernel": 3, "stride": 2, "padding": 1 }),
            features(&image),
        ),
        (
            "pool",
            json!({ "kernel": 2, "kind": "max" }),
            features(&image),
        ),
        ("pairs", json!({}), features(&[3, 4]).with("pairs", &pairs)),
        (
            "pairs",
            json!({ "kind": "inner" }),
            features(&[3, 4]).with("pairs", &pairs),
        ),
        ("rnn", json!({ "out": 3 }), padded()),
        ("gru", json!({ "out": 3 }), padded()),
        ("lstm", json!({ "out": 3 }), padded()),
        ("multi-head-attention", json!({ "dropout": 0.5 }), padded()),
        ("transformer-block", json!({}), padded()),
        (
            "transformer-block",
            json!({ "norm-first": true, "causal": true }),
            padded(),
        ),
    ] {
        check(name, json, &inputs);
    }
}

#[test]
fn layers_hand_on_what_others_within_export() {
    let gcn = json!({ "use": "baselines/gcn", "out": 3 });
    let relu = json!({ "use": "baselines/activation" });
    let inputs = || {
        features(&[5, 4]).with("graph", {
            pleach_worker::host();
            weighted()
        })
    };
    check("sequence", json!({ "layers": [gcn, relu, gcn] }), &inputs());
    let inner = json!({ "use": "baselines/sequence", "layers": [relu, gcn] });
    check("sequence", json!({ "layers": [inner, gcn] }), &inputs());
    let begun = json!({ "inner": gcn, "init": "baselines/zeros" });
    check("begun", begun, &inputs());
    let within =
        json!({ "use": "baselines/begun", "inner": "baselines/linear", "init": "baselines/zeros" });
    check("gin", json!({ "inner": within }), &inputs());
}

#[test]
fn what_cannot_be_written_is_not() {
    let machine = json!({ "use": "baselines/kernel-machine", "samples": 2, "out": 3 });
    let relu = json!({ "use": "baselines/activation" });
    let x = shapes(&features(&[3, 4]));
    let none = |name: &str, json: Json, to: &str| {
        let source = layer(name, json.clone()).export(to, &x).unwrap();
        assert_eq!(source, None, "{name} {json} to {to}");
    };
    none(
        "kernel-machine",
        json!({ "samples": 2, "out": 3 }),
        "pytorch",
    );
    none("sequence", json!({ "layers": [relu, machine] }), "pytorch");
    none(
        "begun",
        json!({ "inner": machine, "init": "baselines/zeros" }),
        "pytorch",
    );
    none("linear", json!({}), "another language");
    none("sequence", json!({ "layers": [relu] }), "another language");
}
