//! Propagation against its equations, written out node by node, and what follows from them.

use std::collections::BTreeMap;

use plugin_api::prelude::*;
use plugin_api::role::LayerObj;
use plugin_api::testing::{Alone, graph};
use plugin_api::{Json, serde_json::json};

use crate::layer;

/// A square with a tail, a pair, and a node by itself.
const NODES: usize = 8;
const EDGES: [(usize, usize); 6] = [(0, 1), (1, 2), (2, 3), (3, 0), (3, 4), (5, 6)];

fn made(json: Json) -> Result<LayerObj> {
    layer("dgmlp/propagation", json)
}

fn run(json: Json, x: &Tensor) -> Tensor {
    over(&graph(NODES, &EDGES), json, x)
}

fn over(graph: &Graph, json: Json, x: &Tensor) -> Tensor {
    let batch = Batch::new().with("x", x).with("graph", graph.clone());
    made(json)
        .unwrap()
        .forward(&Tensors::new(), &batch, &Alone::eval())
        .unwrap()["x"]
        .shallow_clone()
}

fn features(kind: Kind) -> Tensor {
    random::normal(&[NODES as i64, 3], 4).to_kind(kind)
}

fn rows(t: &Tensor) -> Vec<Vec<f64>> {
    Vec::<Vec<f64>>::try_from(t.detach()).expect("a matrix")
}

#[track_caller]
fn close(found: &Tensor, expected: &[Vec<f64>], tolerance: f64) {
    for (found, expected) in rows(found).iter().flatten().zip(expected.iter().flatten()) {
        assert!((found - expected).abs() <= tolerance, "{found} {expected}");
    }
}

/// Steps 1 to 5 by plain sums.
fn by_hand(x: &[Vec<f64>], hops: usize, symmetric: bool) -> Vec<Vec<f64>> {
    let joined = |i: usize, j: usize| i == j || EDGES.contains(&(i, j)) || EDGES.contains(&(j, i));
    let degree = |i: usize| (0..NODES).filter(|j| joined(i, *j)).count() as f64; // its self-loop counts
    let component = [0, 0, 0, 0, 0, 1, 1, 2];
    let sum = |terms: Vec<(f64, &Vec<f64>)>| -> Vec<f64> {
        (0..3)
            .map(|f| terms.iter().map(|(c, row)| c * row[f]).sum())
            .collect()
    };
    let mut hop = vec![x.to_vec()];
    for k in 0..hops {
        let next = |i| {
            sum((0..NODES)
                .filter(|j| joined(i, *j))
                .map(|j| ((degree(i) * degree(j)).powf(-0.5), &hop[k][j]))
                .collect())
        };
        hop.push((0..NODES).map(next).collect());
    }
    let cosine = |a: &[f64], b: &[f64]| {
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        dot(a, b) / ((dot(a, a).sqrt() + 1e-10) * (dot(b, b).sqrt() + 1e-10))
    };
    (0..NODES)
        .map(|i| {
            let members: Vec<usize> = (0..NODES)
                .filter(|j| component[*j] == component[i])
                .collect();
            let edges = EDGES.iter().filter(|(a, _)| members.contains(a)).count() as f64;
            let whole = 2.0 * edges + members.len() as f64;
            let share = |j: usize| {
                if symmetric {
                    (degree(i) * degree(j)).sqrt() / whole
                } else {
                    degree(j) / whole
                }
            };
            let limit = sum(members.iter().map(|j| (share(*j), &x[*j])).collect());
            let scores: Vec<f64> = hop
                .iter()
                .map(|hop| (cosine(&x[i], &hop[i]) * (1.0 - cosine(&limit, &hop[i]))).exp())
                .collect();
            sum(scores
                .iter()
                .zip(&hop)
                .map(|(score, hop)| (score / scores.iter().sum::<f64>(), &hop[i]))
                .collect())
        })
        .collect()
}

#[test]
fn is_its_equations() {
    let x = features(Kind::Double);
    for hops in [0, 1, 2, 7] {
        close(
            &run(json!({ "hops": hops }), &x),
            &by_hand(&rows(&x), hops, false),
            1e-10,
        );
        close(
            &run(json!({ "hops": hops, "limit": "symmetric" }), &x),
            &by_hand(&rows(&x), hops, true),
            1e-10,
        );
    }
}

/// `tests/reference/dgmlp.py` wrote the file, and describes it. Several components, and more features than a block has.
#[test]
fn smooths_as_pytorch_geometric_does() {
    pleach_worker::host(); // it makes graphs
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/reference/propagation.safetensors"
    );
    let tensors: BTreeMap<_, _> = Tensor::read_safetensors(file)
        .unwrap()
        .into_iter()
        .collect();
    let (x, edges) = (&tensors["x"], &tensors["edges"]);
    let graph = Graph::new(x.size()[0], &edges.get(0), &edges.get(1), None).unwrap();
    for (expected, params) in [
        ("last", json!({ "hops": 5, "weights": "last" })),
        ("mean", json!({ "hops": 5, "weights": "mean" })),
        ("reference", json!({ "hops": 5 })),
        ("symmetric", json!({ "hops": 5, "limit": "symmetric" })),
    ] {
        close(&over(&graph, params, x), &rows(&tensors[expected]), 1e-9);
    }
}

#[test]
fn has_twenty_hops_by_default_and_works_in_single_precision() {
    let x = features(Kind::Float);
    let y = run(json!({}), &x);
    assert_eq!(y.kind(), Kind::Float);
    close(
        &y,
        &by_hand(&rows(&x.to_kind(Kind::Double)), 20, false),
        1e-5,
    );
}

#[test]
fn leaves_a_node_by_itself_as_it_is() {
    let x = features(Kind::Double);
    close(
        &run(json!({}), &x).narrow(0, 7, 1),
        &rows(&x.narrow(0, 7, 1)),
        1e-12,
    );
}

#[test]
fn weighs_all_hops_alike_where_a_node_has_no_features() {
    // Its cosines are 0, not NaN: z_0 is the plain mean of its hops. Node 5 is nothing, its neighbour 6 is not.
    let x = features(Kind::Double);
    let _ = x.get(5).zero_();
    let y = run(json!({ "hops": 1 }), &x);
    // S joins the pair by 1/2, so x^1 of node 5 is half of node 6.
    close(
        &y.narrow(0, 5, 1),
        &rows(&(x.narrow(0, 6, 1) * 0.25)),
        1e-12,
    );
    assert!(bool::try_from(run(json!({}), &Tensor::zeros_like(&x)).eq(0.0).all()).unwrap());
}

#[test]
fn gradients_are_differences() {
    let x = features(Kind::Double).set_requires_grad(true);
    let value = |x: &Tensor| {
        (run(json!({ "hops": 3 }), x)
            * Tensor::arange(24, (Kind::Double, Device::Cpu))
                .cos()
                .view([8, 3]))
        .sum(Kind::Double)
    };
    let leaves = Tensors::new().with("x", &x);
    let gradient =
        Vec::<f64>::try_from(gradients_of(&value(&x), &leaves, false).unwrap()["x"].flatten(0, -1))
            .unwrap();
    for (i, expected) in gradient.into_iter().enumerate() {
        let moved = |by: f64| {
            let moved = x.detach().copy();
            let _ = moved.view(-1).get(i as i64).f_add_scalar_(by).unwrap();
            value(&moved).double_value(&[])
        };
        let difference = (moved(1e-6) - moved(-1e-6)) / 2e-6;
        assert!(
            (difference - expected).abs() < 1e-6 * expected.abs().max(1.0),
            "{i}: {difference} {expected}"
        );
    }
}

#[test]
fn refuses_what_it_cannot_do() {
    let check =
        |json, expected: &str| assert_eq!(made(json).err().expect("refused").to_string(), expected);
    check(
        json!({ "hops": -1 }),
        "`dgmlp/propagation`: parameter `hops` is out of range\n  found     -1\n  expected  0 <= hops <= 100",
    );
    check(
        json!({ "limit": "none" }),
        "`dgmlp/propagation`: parameter `limit`: unknown variant `none`, expected `reference` or `symmetric`",
    );
    let inputs = Shapes::new().with("x", vec![axis("nodes", None), axis("features", 3)]);
    assert_eq!(
        made(json!({}))
            .unwrap()
            .shapes(&inputs)
            .unwrap_err()
            .to_string(),
        "`dgmlp/propagation`: nothing comes in at port `graph`\n  found     `x`"
    );
}
