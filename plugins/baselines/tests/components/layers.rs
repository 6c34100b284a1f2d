//! Layers against their equations, written out node by node.

use plugin_api::plugin::Plugin;
use plugin_api::prelude::*;
use plugin_api::role::LayerObj;
use plugin_api::testing::{Alone, graph};
use plugin_api::{Json, serde_json::json};

use crate::{close, numbers, params, plugin, rows};

/// A square with a tail, and a node by itself.
const NODES: usize = 6;
const EDGES: [(usize, usize); 5] = [(0, 1), (1, 2), (2, 3), (3, 0), (3, 4)];

fn layer(name: &str, json: Json) -> LayerObj {
    plugin().layer(name, &params(json)).unwrap()
}

fn inputs(features: i64) -> Shapes {
    Shapes::new()
        .with("x", vec![axis("nodes", None), axis("features", features)])
        .with("graph", vec![axis("nodes", None)])
}

/// Weights as the layer declares them, of this kind; all random, so that nothing hides behind a zero.
fn weights(layer: &LayerObj, features: i64, kind: Kind) -> Tensors {
    let specs = layer.weights(&inputs(features)).unwrap();
    specs
        .iter()
        .map(|spec| {
            (
                spec.name.clone(),
                random::normal(&spec.size(), stream(5, &spec.name)).to_kind(kind),
            )
        })
        .collect()
}

fn batch(features: i64, kind: Kind) -> Batch {
    let x = random::normal(&[NODES as i64, features], 9).to_kind(kind);
    Batch::new()
        .with("x", x)
        .with("graph", graph(NODES, &EDGES))
}

fn run(layer: &LayerObj, w: &Tensors, x: &Batch) -> Tensor {
    layer.forward(w, x, &Alone::eval()).unwrap()["x"].shallow_clone()
}

/// A node and those that it is joined to.
fn around(i: usize) -> Vec<usize> {
    let joined = |j: &usize| *j == i || EDGES.contains(&(i, *j)) || EDGES.contains(&(*j, i));
    (0..NODES).filter(joined).collect()
}

#[test]
fn give_what_they_declare() {
    pleach_worker::host(); // it makes the layer within one of them
    let check = |name, json, out| {
        let layer = layer(name, json);
        let shapes = layer.shapes(&inputs(8)).unwrap();
        assert_eq!(show(&shapes["x"]), format!("[nodes, {out}]"), "{name}");
        for kind in [Kind::Float, Kind::Double] {
            let y = run(&layer, &weights(&layer, 8, kind), &batch(8, kind));
            assert_eq!(
                (y.size(), y.kind()),
                (vec![NODES as i64, out], kind),
                "{name}"
            );
        }
    };
    check("linear", json!({}), 8);
    check("linear", json!({ "out": 5, "bias": false }), 5);
    check("activation", json!({}), 8);
    check("dropout", json!({}), 8);
    check("gcn", json!({}), 8);
    check("gcn", json!({ "out": 3 }), 3);
    check("gat", json!({}), 8);
    check("gat", json!({ "out": 6, "heads": 3 }), 6);
    check("sage", json!({}), 8);
    check("sage", json!({ "out": 3 }), 3);
    check("gin", json!({ "train-eps": true }), 8);
    check("appnp", json!({}), 8);
}

#[test]
fn graph_layers_need_a_graph() {
    let without = Shapes::new().with("x", vec![axis("batch", None), axis("features", 4)]);
    pleach_worker::host(); // it makes the layer within one of them
    for name in ["gcn", "gat", "sage", "gin", "appnp"] {
        assert_eq!(
            layer(name, json!({}))
                .shapes(&without)
                .unwrap_err()
                .to_string(),
            format!("`baselines/{name}`: nothing comes in at port `graph`\n  found     `x`")
        );
    }
}

#[test]
fn linear_is_a_sum_over_inputs() {
    let linear = layer("linear", json!({ "out": 2 }));
    let w = Tensors::new()
        .with(
            "weight",
            Tensor::from_slice(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).view([2, 3]),
        )
        .with("bias", Tensor::from_slice(&[0.5, -0.5]));
    let x = Batch::new().with("x", Tensor::from_slice(&[1.0, 0.0, -1.0]).view([1, 3]));
    close(
        &numbers(&run(&linear, &w, &x)),
        &[1.0 - 3.0 + 0.5, 4.0 - 6.0 - 0.5],
    );
    let names = |json| {
        layer("linear", json)
            .weights(&inputs(3))
            .unwrap()
            .into_iter()
            .map(|spec| spec.name)
            .collect::<Vec<_>>()
    };
    assert_eq!(names(json!({})), ["weight", "bias"]);
    assert_eq!(names(json!({ "bias": false })), ["weight"]);
}

#[test]
fn activations_are_their_formulas() {
    let check = |kind: &str, f: fn(f64) -> f64| {
        let at = [-2.0, -0.5, 0.25, 1.0, 3.0];
        let y = run(
            &layer("activation", json!({ "kind": kind })),
            &Tensors::new(),
            &Batch::new().with("x", Tensor::from_slice(&at)),
        );
        close(&numbers(&y), &at.map(f));
    };
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    check("relu", |x| if x > 0.0 { x } else { 0.0 });
    check("leaky-relu", |x| if x > 0.0 { x } else { 0.01 * x });
    check("elu", |x| if x > 0.0 { x } else { x.exp_m1() });
    check("tanh", |x| (x.exp() - (-x).exp()) / (x.exp() + (-x).exp()));
    check("sigmoid", sigmoid);
    check("silu", |x| x / (1.0 + (-x).exp()));
    // The distribution function of a standard normal number, by Simpson's rule.
    check("gelu", |x| {
        let density = |t: f64| (-t * t / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
        let (n, h) = (2000, x / 2000.0);
        let inner: f64 = (1..n)
            .map(|i| if i % 2 == 1 { 4.0 } else { 2.0 } * density(f64::from(i) * h))
            .sum();
        x * (0.5 + (density(0.0) + inner + density(x)) * h / 3.0)
    });
}

#[test]
fn dropout_keeps_means_in_training_and_everything_in_evaluation() {
    let dropout = layer("dropout", json!({ "rate": 0.3 }));
    for kind in [Kind::Float, Kind::Double] {
        let x = Batch::new().with("x", Tensor::ones([200, 200], (kind, Device::Cpu)));
        assert_eq!(run(&dropout, &Tensors::new(), &x), x["x"]);
        let trained = |seed| {
            dropout
                .forward(&Tensors::new(), &x, &Alone::train(seed))
                .unwrap()["x"]
                .shallow_clone()
        };
        let y = trained(1);
        assert_eq!(y.kind(), kind);
        let kept = y.ne(0.0);
        let fraction = kept
            .to_kind(Kind::Double)
            .mean(Kind::Double)
            .double_value(&[]);
        // Five standard errors.
        assert!(
            (fraction - 0.7).abs() < 5.0 * (0.3 * 0.7 / 40_000.0_f64).sqrt(),
            "{fraction}"
        );
        assert!(
            (y.masked_select(&kept) * 0.7 - 1.0)
                .abs()
                .max()
                .double_value(&[])
                < 1e-6
        );
        assert_eq!(trained(1), y);
        assert_ne!(trained(2), y);
    }
}

#[test]
fn dropout_leaves_zeros_of_sparse_features_out() {
    pleach_worker::host(); // it makes graphs
    let dropout = layer("dropout", json!({ "rate": 0.25 }));
    let dense = (&*random::uniform(&[60, 50], 0) - 0.5).relu();
    let x = Batch::new().with("x", Graph::sparse(&dense).unwrap());
    let as_dense = |given: &Batch| {
        let eye = Tensor::eye(50, (Kind::Float, Device::Cpu));
        given.product("x", &eye).unwrap()
    };
    let none = Tensors::new();
    let kept = dropout.forward(&none, &x, &Alone::eval()).unwrap();
    assert_eq!(as_dense(&kept), dense);
    let given = as_dense(&dropout.forward(&none, &x, &Alone::train(1)).unwrap());
    let there = given.ne(0.0);
    let of_all = there.sum(Kind::Double) / dense.ne(0.0).sum(Kind::Double);
    // Five standard errors of some 1,500 numbers.
    assert!((of_all.double_value(&[]) - 0.75).abs() < 0.06, "{of_all:?}");
    let off = (given.masked_select(&there) * 0.75 - dense.masked_select(&there)).abs();
    assert!(off.max().double_value(&[]) < 1e-6);
}

#[test]
fn gcn_is_its_sum_over_neighbours() {
    let gcn = layer("gcn", json!({ "out": 3 }));
    let (w, x) = (weights(&gcn, 4, Kind::Double), batch(4, Kind::Double));
    let (h, bias) = (rows(&x["x"].matmul(&w["weight"])), numbers(&w["bias"]));
    let mut expected = vec![];
    for i in 0..NODES {
        for f in 0..3 {
            let degree = |j: usize| around(j).len() as f64;
            let sum: f64 = around(i)
                .into_iter()
                .map(|j| h[j][f] / (degree(i) * degree(j)).sqrt())
                .sum();
            expected.push(sum + bias[f]);
        }
    }
    close(&numbers(&run(&gcn, &w, &x)), &expected);
}

#[test]
fn gat_is_its_average_over_neighbours() {
    let (heads, of_head) = (2, 3);
    let gat = layer("gat", json!({ "out": 6, "heads": 2 }));
    let (w, x) = (weights(&gat, 4, Kind::Double), batch(4, Kind::Double));
    let (h, bias) = (rows(&x["x"].matmul(&w["weight"])), numbers(&w["bias"]));
    let (source, target) = (rows(&w["source"]), rows(&w["target"]));
    let mut expected = vec![];
    for i in 0..NODES {
        for head in 0..heads {
            let part = |j: usize| &h[j][head * of_head..][..of_head];
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            let score = |j: usize| {
                let e = dot(part(j), &source[head]) + dot(part(i), &target[head]);
                if e > 0.0 { e } else { 0.2 * e }
            };
            let total: f64 = around(i).into_iter().map(|j| score(j).exp()).sum();
            for f in 0..of_head {
                let sum: f64 = around(i)
                    .into_iter()
                    .map(|j| score(j).exp() / total * part(j)[f])
                    .sum();
                expected.push(sum + bias[head * of_head + f]);
            }
        }
    }
    close(&numbers(&run(&gat, &w, &x)), &expected);
}

#[test]
fn dropout_of_attention_keeps_the_means() {
    let plain = layer("gat", json!({ "out": 6, "heads": 2 }));
    let dropping = layer("gat", json!({ "out": 6, "heads": 2, "dropout": 0.4 }));
    let (w, x) = (weights(&plain, 4, Kind::Double), batch(4, Kind::Double));
    let expected = run(&plain, &w, &x);
    assert_eq!(run(&dropping, &w, &x), expected, "in evaluation");
    let trained = |seed| {
        let given = dropping.forward(&w, &x, &Alone::train(seed)).unwrap();
        given["x"].shallow_clone()
    };
    assert_eq!(trained(0), trained(0));
    let drawn: Vec<Tensor> = (0..2000).map(trained).collect();
    let drawn = Tensor::stack(&drawn, 0);
    let off = drawn.mean_dim([0_i64].as_slice(), false, Kind::Double) - expected;
    let error = drawn.std_dim([0_i64].as_slice(), true, false) / 2000_f64.sqrt();
    let errors = (off.abs() / error).max().double_value(&[]);
    assert!(errors < 5.0, "off by {errors} standard errors");
}

#[test]
fn sage_takes_sparse_features_as_dense_ones() {
    pleach_worker::host(); // it makes graphs
    let sage = layer("sage", json!({ "out": 3 }));
    let w = weights(&sage, 4, Kind::Double);
    let dense = batch(4, Kind::Double);
    let x = dense["x"].relu();
    let dense = dense.with("x", &x);
    let sparse = dense.clone().with("x", Graph::sparse(&x).unwrap());
    close(
        &numbers(&run(&sage, &w, &sparse)),
        &numbers(&run(&sage, &w, &dense)),
    );
}

#[test]
fn a_group_without_rows_is_zeros() {
    pleach_worker::host(); // it makes graphs
    let rows = Tensor::from_slice(&[1.0, -2.0, 3.0, -4.0, -5.0, -6.0]).view([3, 2]);
    let inputs = Batch::new()
        .with("x", rows)
        .with("groups", Graph::members(&[2, 0, 1]).unwrap());
    let check = |kind: &str, expected: [f64; 6]| {
        let pool = layer("graph-pool", json!({ "kind": kind }));
        close(&numbers(&run(&pool, &Tensors::new(), &inputs)), &expected);
    };
    check("sum", [4.0, -6.0, 0.0, 0.0, -5.0, -6.0]);
    check("mean", [2.0, -3.0, 0.0, 0.0, -5.0, -6.0]);
    check("max", [3.0, -2.0, 0.0, 0.0, -5.0, -6.0]);
    let shapes = Shapes::new()
        .with("x", vec![axis("nodes", None), axis("features", 2)])
        .with("groups", vec![axis("graphs", None)]);
    let pool = layer("graph-pool", json!({}));
    let promised = pool.shapes(&shapes).unwrap();
    assert_eq!(show(&promised["x"]), "[graphs, 2]");
}

#[test]
fn multiplications_of_a_node_are_counted() {
    pleach_worker::host(); // it makes the layer within one of them
    let macs = |name, json| -> f64 {
        let costs = layer(name, json).cost(&inputs(4)).unwrap();
        let of = |cost: &Cost| {
            let lengths = cost.axes.iter().filter_map(|axis| axis.size);
            cost.coefficient * lengths.product::<i64>() as f64
        };
        costs.iter().map(of).sum()
    };
    assert_eq!(macs("sage", json!({ "out": 3 })), 2.0 * 4.0 * 3.0);
    let inner = json!({ "use": "baselines/linear", "out": 5 });
    assert_eq!(macs("gin", json!({ "inner": inner })), 4.0 * 5.0);
}

#[test]
fn gat_stays_finite_where_scores_are_large() {
    let gat = layer("gat", json!({}));
    let w = weights(&gat, 8, Kind::Float);
    let x = batch(8, Kind::Float);
    let x = Batch::new()
        .with("x", &x["x"] * 1e3)
        .with("graph", x.graph("graph").unwrap().clone());
    assert!(bool::try_from(run(&gat, &w, &x).isfinite().all()).unwrap());
}

#[test]
fn gradients_are_differences() {
    for (name, json) in [
        ("linear", json!({})),
        ("gcn", json!({})),
        ("gat", json!({ "heads": 2 })),
        ("activation", json!({ "kind": "gelu" })),
    ] {
        let layer = layer(name, json);
        let leaves = weights(&layer, 4, Kind::Double)
            .with("x", &batch(4, Kind::Double)["x"])
            .map(|_, t| t.set_requires_grad(true));
        // A sum with unequal factors: the plain sum of a softmax has no gradient.
        let value = |leaves: &Tensors| {
            let y = run(
                &layer,
                leaves,
                &Batch::new()
                    .with("x", &leaves["x"])
                    .with("graph", graph(NODES, &EDGES)),
            );
            (&y * Tensor::arange(y.numel() as i64, (Kind::Double, Device::Cpu))
                .cos()
                .view_as(&y))
            .sum(Kind::Double)
        };
        let gradients = gradients_of(&value(&leaves), &leaves, false).unwrap();
        for (path, gradient) in gradients.iter() {
            for (i, expected) in numbers(gradient).into_iter().enumerate() {
                let moved = |by: f64| {
                    let moved = leaves.map(|_, t| t.detach().copy());
                    let _ = moved[path]
                        .view(-1)
                        .get(i as i64)
                        .f_add_scalar_(by)
                        .unwrap();
                    value(&moved).double_value(&[])
                };
                let difference = (moved(1e-6) - moved(-1e-6)) / 2e-6;
                assert!(
                    (difference - expected).abs() < 1e-6 * expected.abs().max(1.0),
                    "{name} {path} {i}: {difference} {expected}"
                );
            }
        }
    }
}

#[test]
fn a_layer_that_is_begun_differs_in_how_its_weights_begin_alone() {
    pleach_worker::host(); // it makes the inner layer
    let init = json!({ "use": "baselines/constant", "value": 0.5 });
    let begun = |weights: &str| {
        let given = json!({ "inner": "baselines/linear", "init": &init, "weights": weights });
        layer("begun", given)
    };
    let inits = |weights: &str| {
        let specs = begun(weights).weights(&inputs(3)).unwrap();
        let inits = specs
            .into_iter()
            .map(|spec| (spec.name, Json::from(spec.init)));
        inits.collect::<Vec<_>>()
    };
    let check = |weights: &str, expected: [&Json; 2]| {
        let named = ["weight".to_string(), "bias".to_string()];
        let expected = expected.map(Clone::clone);
        assert_eq!(
            inits(weights),
            named.into_iter().zip(expected).collect::<Vec<_>>()
        );
    };
    let own = ["baselines/glorot", "baselines/zeros"].map(|init| json!({ "use": init }));
    check("model", [&init, &init]);
    check("weight", [&init, &own[1]]);
    check("#prunable", [&init, &own[1]]);
    check("other", [&own[0], &own[1]]);

    let (linear, begun) = (layer("linear", json!({})), begun("model"));
    let w = weights(&begun, 3, Kind::Double);
    let x = batch(3, Kind::Double);
    assert_eq!(run(&begun, &w, &x), run(&linear, &w, &x));
    assert_eq!(
        begun.shapes(&inputs(3)).unwrap(),
        linear.shapes(&inputs(3)).unwrap()
    );
}

#[test]
fn a_convolution_is_a_sum_over_windows() {
    let conv = layer(
        "conv",
        json!({ "out": 2, "kernel": 2, "stride": 2, "padding": 1 }),
    );
    let inputs = Shapes::new().with(
        "x",
        vec![axis("batch", None), axis("channels", 2), axis("length", 5)],
    );
    assert_eq!(show(&conv.shapes(&inputs).unwrap()["x"]), "[batch, 2, 3]");
    let specs = conv.weights(&inputs).unwrap();
    assert_eq!((specs[0].size(), specs[1].size()), (vec![2, 2, 2], vec![2]));
    let w = Tensors::new()
        .with(
            "weight",
            random::normal(&[2, 2, 2], 1).to_kind(Kind::Double),
        )
        .with("bias", Tensor::from_slice(&[0.5, -0.5]));
    let x = random::normal(&[3, 2, 5], 2).to_kind(Kind::Double);
    let y = run(&conv, &w, &Batch::new().with("x", &x));
    let mut expected = vec![];
    for (sample, out, window) in triples(3, 2, 3) {
        let mut sum = w["bias"].double_value(&[out]);
        for (channel, d) in (0..2).flat_map(|c| (0..2).map(move |d| (c, d))) {
            let at = 2 * window + d - 1;
            if (0..5).contains(&at) {
                sum += w["weight"].double_value(&[out, channel, d])
                    * x.double_value(&[sample, channel, at]);
            }
        }
        expected.push(sum);
    }
    close(&numbers(&y), &expected);
    let macs = conv.cost(&inputs).unwrap();
    let numbers: i64 = macs[0].axes.iter().filter_map(|a| a.size).product();
    assert_eq!(numbers, 2 * 3 * 2 * 2);

    let short = Shapes::new().with(
        "x",
        vec![axis("batch", None), axis("channels", 2), axis("length", 1)],
    );
    let error = layer("conv", json!({ "kernel": 4, "padding": 0 })).shapes(&short);
    assert_eq!(
        error.unwrap_err().to_string(),
        "`baselines/conv`: the window is longer than what it slides over\n  found     4 along `length`\n  expected  at most 1"
    );
}

#[test]
fn recurrent_layers_are_their_equations() {
    let inputs = Shapes::new().with(
        "x",
        vec![
            axis("batch", None),
            axis("steps", None),
            axis("features", 3),
        ],
    );
    let x = random::normal(&[2, 5, 3], 1).to_kind(Kind::Double);
    for name in ["rnn", "gru", "lstm"] {
        let layer = layer(name, json!({ "out": 4 }));
        let specs = layer.weights(&inputs).unwrap();
        let w: Tensors = specs
            .iter()
            .map(|spec| {
                let numbers = random::normal(&spec.size(), stream(5, &spec.name));
                (spec.name.clone(), numbers.to_kind(Kind::Double))
            })
            .collect();
        let zeros = || Tensor::zeros([2, 4], (Kind::Double, Device::Cpu));
        let (mut h, mut c, mut states) = (zeros(), zeros(), vec![]);
        for t in 0..5 {
            let fresh = x.select(1, t).matmul(&w["input"].tr()) + &w["input-bias"];
            let again = h.matmul(&w["recurrent"].tr()) + &w["recurrent-bias"];
            let gate = |of: &Tensor, i: i64| of.narrow(1, 4 * i, 4);
            let both = |i: i64| gate(&fresh, i) + gate(&again, i);
            h = match name {
                "rnn" => both(0).tanh(),
                "gru" => {
                    let (r, z) = (both(0).sigmoid(), both(1).sigmoid());
                    let n = (gate(&fresh, 2) + r * gate(&again, 2)).tanh();
                    (1.0 - &z) * n + z * h
                }
                _ => {
                    c = both(1).sigmoid() * c + both(0).sigmoid() * both(2).tanh();
                    both(3).sigmoid() * c.tanh()
                }
            };
            states.push(h.copy());
        }
        let given = layer
            .forward(&w, &Batch::new().with("x", &x), &Alone::eval())
            .unwrap();
        close(&numbers(&given["x"]), &numbers(&Tensor::stack(&states, 1)));
        close(&numbers(&given["state"]), &numbers(&h));
    }
}

#[test]
fn padded_sequences_are_what_each_is_alone() {
    let inputs = Shapes::new()
        .with(
            "x",
            vec![
                axis("batch", None),
                axis("steps", None),
                axis("features", 3),
            ],
        )
        .with("lengths", vec![axis("batch", None)]);
    let lengths = [4, 1, 6, 0, 2];
    let x = random::normal(&[5, 6, 3], 1).to_kind(Kind::Double);
    for name in ["rnn", "gru", "lstm"] {
        let layer = layer(name, json!({ "out": 4 }));
        let specs = layer.weights(&inputs).unwrap();
        let w: Tensors = specs
            .iter()
            .map(|spec| {
                let numbers = random::normal(&spec.size(), stream(5, &spec.name));
                let numbers = numbers.to_kind(Kind::Double).set_requires_grad(true);
                (spec.name.clone(), numbers)
            })
            .collect();
        let run = |x: &Tensor, lengths: &[i64]| {
            let batch = Batch::new()
                .with("x", x)
                .with("lengths", Tensor::from_slice(lengths));
            layer.forward(&w, &batch, &Alone::eval()).unwrap()
        };
        let slopes = |y: &Batch| {
            let loss = y["x"].square().sum(Kind::Double) + y["state"].sum(Kind::Double);
            gradients_of(&loss, &w, false).unwrap()
        };
        let together = run(&x, &lengths);
        let mut sums = w.map(|_, w| w.zeros_like());
        for (i, length) in (0..).zip(lengths) {
            if length == 0 {
                assert!(numbers(&together["state"].get(i)).iter().all(|x| *x == 0.0));
                continue;
            }
            let alone = run(&x.narrow(0, i, 1).narrow(1, 0, length), &[length]);
            let (y, state) = (together["x"].get(i), together["state"].get(i));
            close(&numbers(&y.narrow(0, 0, length)), &numbers(&alone["x"]));
            close(&numbers(&state), &numbers(&alone["state"]));
            assert!(
                numbers(&y.narrow(0, length, 6 - length))
                    .iter()
                    .all(|x| *x == 0.0)
            );
            let slopes = slopes(&alone);
            sums = sums.map(|name, sum| sum + &slopes[name]);
        }
        for (name, slope) in slopes(&together).iter() {
            close(&numbers(slope), &numbers(&sums[name]));
        }
        let wrong = Batch::new()
            .with("x", &x)
            .with("lengths", Tensor::from_slice(&[4_i64, 1, 7, 0, 2]));
        assert_eq!(
            layer
                .forward(&w, &wrong, &Alone::eval())
                .err()
                .unwrap()
                .to_string(),
            format!(
                "`baselines/{name}`: these are no lengths of sequences\n  found     Int64 [5]\n  expected  int64 [5], numbers from 0 to 6"
            )
        );
    }
}

#[test]
fn pooling_takes_what_is_in_a_window() {
    let x = random::normal(&[2, 3, 7], 2).to_kind(Kind::Double);
    let inputs = Shapes::new().with(
        "x",
        vec![axis("batch", None), axis("channels", 3), axis("length", 7)],
    );
    let mean = |window: &[f64]| window.iter().sum::<f64>() / window.len() as f64;
    let max = |window: &[f64]| window.iter().copied().fold(f64::MIN, f64::max);
    for kind in ["mean", "max"] {
        let of: fn(&[f64]) -> f64 = if kind == "mean" { mean } else { max };
        let check = |json: Json, kernel: i64, stride: i64, padding: i64, out: i64| {
            let mut params = params(json);
            params.insert("kind".into(), kind.into());
            let pool = plugin().layer("pool", &params).unwrap();
            let expected = format!("[batch, 3, {out}]");
            assert_eq!(show(&pool.shapes(&inputs).unwrap()["x"]), expected);
            let y = run(&pool, &Tensors::new(), &Batch::new().with("x", &x));
            let windows = triples(2, 3, out).map(|(sample, channel, window)| {
                let from = window * stride - padding;
                let there = (from..from + kernel).filter(|at| (0..7).contains(at));
                let there: Vec<f64> = there
                    .map(|at| x.double_value(&[sample, channel, at]))
                    .collect();
                of(&there)
            });
            close(&numbers(&y), &windows.collect::<Vec<_>>());
        };
        check(json!({}), 7, 7, 0, 1);
        check(json!({ "kernel": 2 }), 2, 2, 0, 3);
        check(
            json!({ "kernel": 3, "stride": 1, "padding": 1 }),
            3,
            1,
            1,
            7,
        );
    }
    let wide = layer("pool", json!({ "kernel": 2, "padding": 2 })).shapes(&inputs);
    assert_eq!(
        wide.unwrap_err().to_string(),
        "`baselines/pool`: windows would lie beside what they slide over\n  found     a padding of 2\n  expected  at most 1"
    );
}

/// All triples below these numbers, the last running fastest.
fn triples(a: i64, b: i64, c: i64) -> impl Iterator<Item = (i64, i64, i64)> {
    (0..a).flat_map(move |i| (0..b).flat_map(move |j| (0..c).map(move |k| (i, j, k))))
}

#[test]
fn normalisation_over_the_batch_moves_its_statistics_in_training_alone() {
    let norm = layer("batch-norm", json!({ "momentum": 0.5, "eps": 1e-12 }));
    let inputs = Shapes::new().with("x", vec![axis("batch", None), axis("channels", 2)]);
    let specs = norm.weights(&inputs).unwrap();
    let names: Vec<&str> = specs.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["weight", "bias", "mean", "var"]);
    let w = Tensors::new()
        .with("weight", Tensor::from_slice(&[2.0, 1.0]))
        .with("bias", Tensor::from_slice(&[1.0, 0.0]))
        .with("mean", Tensor::from_slice(&[0.0, 1.0]))
        .with("var", Tensor::from_slice(&[1.0, 4.0]));
    let x = Tensor::from_slice(&[1.0, 2.0, 3.0, 4.0]).view([2, 2]);
    let x = Batch::new().with("x", x);
    close(&numbers(&run(&norm, &w, &x)), &[3.0, 0.5, 7.0, 1.5]);
    let pass = Alone::train(0);
    let y = norm.forward(&w, &x, &pass).unwrap();
    close(&numbers(y.tensor("x").unwrap()), &[-1.0, -1.0, 3.0, 1.0]);
    // Half way to the means 2 and 3, and to the unbiased variances 2 and 2.
    let kept = pass.kept();
    close(&numbers(&kept["mean"]), &[1.0, 2.0]);
    close(&numbers(&kept["var"]), &[1.5, 3.0]);
    close(&numbers(&w["mean"]), &[0.0, 1.0]);
}

#[test]
fn sums_and_sequences_of_inputs_keep_their_units() {
    let with = |units: &str, size| Axis {
        units: Some(units.into()),
        ..axis("features", size)
    };
    let of = |a: Axis, b: Axis| {
        let shape = |a| vec![axis("batch", None), a];
        Shapes::new().with("0", shape(a)).with("1", shape(b))
    };
    let add = layer("add", json!({}));
    let sum = add.shapes(&of(with("a", 3), with("b", 3))).unwrap();
    assert_eq!(sum["x"][1].units.as_deref(), Some("a"));
    let error = add.shapes(&of(with("a", 3), with("b", 2))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`baselines/add`: input `1` cannot be added\n  found     [batch, 2]\n  expected  [batch, 3]"
    );
    let concat = layer("concat", json!({}));
    let both = concat.shapes(&of(with("a", 3), with("b", 2))).unwrap();
    let units: Vec<_> = both["x"][1]
        .leaves()
        .iter()
        .map(|a| a.units.clone())
        .collect();
    assert_eq!(
        (both["x"][1].size, units),
        (Some(5), vec![Some("a".into()), Some("b".into())])
    );
    let x = |size: i64| Tensor::ones([2, size], (Kind::Double, Device::Cpu));
    let inputs = Batch::new().with("0", x(3)).with("1", x(2) * 2.0);
    let y = run(&concat, &Tensors::new(), &inputs);
    close(
        &numbers(&y),
        &[1.0, 1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 1.0, 2.0, 2.0],
    );
    let inputs = Batch::new().with("0", x(2)).with("1", x(2) * 2.0);
    close(&numbers(&run(&add, &Tensors::new(), &inputs)), &[3.0; 4]);

    let flatten = layer("flatten", json!({}));
    let image = vec![axis("batch", None), with("a", 3), axis("length", 2)];
    let flat = flatten.shapes(&Shapes::new().with("x", image)).unwrap();
    assert_eq!(
        (flat["x"][1].size, flat["x"][1].leaves().len()),
        (Some(6), 2)
    );
}
