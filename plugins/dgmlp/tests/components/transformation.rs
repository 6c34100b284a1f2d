//! Transformations against the same written out layer by layer, and against plain graph convolution.

use plugin_api::prelude::*;
use plugin_api::serde_json::json;
use plugin_api::testing::{Alone, close, graph};
use plugin_api::{Json, Tensors};

use crate::layer;

const NODES: i64 = 6;
const EDGES: [(usize, usize); 5] = [(0, 1), (1, 2), (2, 3), (3, 0), (3, 4)];

/// Standard normal numbers, precise enough for two ways to be one.
fn normal(size: &[i64], seed: u64) -> Tensor {
    random::normal(size, seed).to_kind(Kind::Double)
}

fn features(width: i64) -> Tensor {
    normal(&[NODES, width], 8)
}

fn batch(x: &Tensor) -> Batch {
    Batch::new()
        .with("x", x)
        .with("graph", graph(NODES as usize, &EDGES))
}

/// Weights from 5 to 4 to 4 to 3.
fn weights() -> Tensors {
    let sizes = [(4, 5), (4, 4), (3, 4)];
    let mut weights = Tensors::new();
    for (l, (to, from)) in sizes.into_iter().enumerate() {
        let seed = l as u64;
        weights.put(format!("weight{l}"), normal(&[to, from], seed));
        weights.put(format!("bias{l}"), normal(&[to], 10 + seed));
    }
    weights
}

fn run(params: Json, weights: &Tensors, x: &Tensor) -> Tensor {
    let made = layer("dgmlp/transformation", params).unwrap();
    let y = made.forward(weights, &batch(x), &Alone::eval()).unwrap();
    y["x"].shallow_clone()
}

#[test]
fn what_goes_past_is_added() {
    let (x, w) = (features(5), weights());
    let affine =
        |h: &Tensor, l: i64| h.matmul(&w[&format!("weight{l}")].tr()) + &w[&format!("bias{l}")];
    let first = affine(&x, 0).relu();
    let f = affine(&first, 1).relu();
    for (past, hidden) in [
        ("none", f.shallow_clone()),
        ("residual", &f + &first),
        ("dense", &f + &first),
    ] {
        let params = json!({ "out": 3, "depth": 3, "width": 4, "past": past });
        close(&run(params, &w, &x), &affine(&hidden, 2));
    }
}

/// With the weights of one transformation repeated, the sum of all before grows as it is written.
#[test]
fn dense_ways_add_all_before() {
    let x = features(4);
    let mut w = Tensors::new();
    for l in 0..4 {
        w.put(format!("weight{l}"), normal(&[4, 4], l));
    }
    let through = |h: &Tensor, l: i64| h.matmul(&w[&format!("weight{l}")].tr());
    let h1 = through(&x, 0).relu();
    let h2 = through(&h1, 1).relu() + &h1;
    let h3 = through(&h2, 2).relu() + &h1 + &h2;
    let params = json!({ "out": 4, "depth": 4, "width": 4, "past": "dense", "bias": false });
    close(&run(params, &w, &x), &through(&h3, 3));
}

#[test]
fn with_hops_it_is_graph_convolution() {
    let x = features(5);
    let w = weights();
    let one = Tensors::new().with("weight0", w["weight0"].shallow_clone());
    let found = run(json!({ "out": 4, "hops": 1, "bias": false }), &one, &x);
    let gcn = layer("baselines/gcn", json!({ "out": 4 })).unwrap();
    let plain = Tensors::new()
        .with("weight", w["weight0"].tr())
        .with("bias", Tensor::zeros([4], (Kind::Double, Device::Cpu)));
    let expected = gcn.forward(&plain, &batch(&x), &Alone::eval()).unwrap();
    close(&found, &expected["x"]);

    // Two hops are one after the other: first smooth, then convolve.
    let smooth = layer("dgmlp/propagation", json!({ "hops": 1, "weights": "last" })).unwrap();
    let smoothed = smooth
        .forward(&Tensors::new(), &batch(&x), &Alone::eval())
        .unwrap();
    let expected = gcn
        .forward(&plain, &batch(&smoothed["x"]), &Alone::eval())
        .unwrap();
    let found = run(json!({ "out": 4, "hops": 2, "bias": false }), &one, &x);
    close(&found, &expected["x"]);
}

#[test]
fn norms_are_those_of_each_node() {
    let (x, w) = (features(5), weights());
    let h = x.matmul(&w["weight0"].tr()) + &w["bias0"];
    let mean = h.mean_dim([-1].as_slice(), true, Kind::Double);
    let variance = (&h - &mean)
        .square()
        .mean_dim([-1].as_slice(), true, Kind::Double);
    let normed: Tensor = (&h - &mean) / (variance + 1e-5).sqrt();
    let w2 = Tensors::new()
        .with("weight0", w["weight0"].shallow_clone())
        .with("bias0", w["bias0"].shallow_clone())
        .with("weight1", w["weight1"].shallow_clone())
        .with("bias1", w["bias1"].shallow_clone());
    let expected = normed.relu().matmul(&w["weight1"].tr()) + &w["bias1"];
    let params = json!({ "out": 4, "depth": 2, "width": 4, "norm": true });
    close(&run(params, &w2, &x), &expected);
}

#[test]
fn depths_that_make_no_sense_are_refused() {
    for params in [
        json!({ "depth": 0 }),
        json!({ "dropout": 1.0 }),
        json!({ "hops": -1 }),
    ] {
        assert!(
            layer("dgmlp/transformation", params.clone()).is_err(),
            "{params}"
        );
    }
    let made = layer("dgmlp/transformation", json!({ "hops": 1 })).unwrap();
    let no_graph = Shapes::new().with("x", vec![axis("nodes", None), axis("features", 5)]);
    assert!(made.shapes(&no_graph).is_err());
}
