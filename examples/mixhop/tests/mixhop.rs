//! MixHop against its equation, with powers of the whole matrix.

use mixhop as _;
use plugin_api::plugin::{Plugin, linked};
use plugin_api::prelude::*;
use plugin_api::role::LayerObj;
use plugin_api::testing::{Alone, graph};
use plugin_api::{Json, serde_json::json};

plugin_api::testing::conformance!();

const NODES: i64 = 5;

fn mixhop(json: Json) -> LayerObj {
    let plugin = linked().into_iter().next().expect("the plugin is linked");
    plugin
        .layer(
            "mixhop",
            json.as_object().expect("parameters are an object"),
        )
        .unwrap()
}

fn inputs(features: i64) -> Shapes {
    Shapes::new()
        .with("x", vec![axis("nodes", None), axis("features", features)])
        .with("graph", vec![axis("nodes", None)])
}

#[test]
fn is_its_equation() {
    let layer = mixhop(json!({ "out": 8 }));
    let specs = layer.weights(&inputs(3)).unwrap();
    let w: Tensors = specs
        .iter()
        .map(|spec| {
            (
                spec.name.clone(),
                random::normal(&spec.size(), stream(1, &spec.name)).to_kind(Kind::Double),
            )
        })
        .collect();
    let x = random::normal(&[NODES, 3], 2).to_kind(Kind::Double);
    let edges = [(0, 1), (1, 2), (2, 3), (3, 0)]; // a square, and a node by itself
    let y = layer
        .forward(
            &w,
            &Batch::new().with("x", &x).with("graph", graph(5, &edges)),
            &Alone::eval(),
        )
        .unwrap();

    // Each node of the square has degree 3 with its self-loop.
    let a = Tensor::from_slice2(&[
        [1.0, 1.0, 0.0, 1.0, 0.0],
        [1.0, 1.0, 1.0, 0.0, 0.0],
        [0.0, 1.0, 1.0, 1.0, 0.0],
        [1.0, 0.0, 1.0, 1.0, 0.0],
        [0.0, 0.0, 0.0, 0.0, 3.0],
    ]) / 3.0;
    let parts = [
        x.matmul(&w["weight-0"]),
        a.matmul(&x).matmul(&w["weight-1"]),
        a.matmul(&a).matmul(&x).matmul(&w["weight-2"]),
    ];
    assert_eq!(parts.each_ref().map(|part| part.size()[1]), [3, 3, 2]);
    let expected = Tensor::cat(&parts, 1) + &w["bias"];
    assert!((&y["x"] - expected).abs().max().double_value(&[]) < 1e-12);
}

#[test]
fn keeps_the_width_where_none_is_given() {
    let check = |json, shown: &str| {
        assert_eq!(show(&mixhop(json).shapes(&inputs(64)).unwrap()["x"]), shown)
    };
    check(json!({}), "[nodes, 64]");
    check(json!({ "powers": 4, "out": 7 }), "[nodes, 7]");
    assert_eq!(
        mixhop(json!({ "out": 2 }))
            .weights(&inputs(64))
            .unwrap_err()
            .to_string(),
        "`mixhop/mixhop`: 2 features leave nothing for some of 3 powers\n  expected  a feature or more for each power, the zeroth among them\n  help: set `out` or `powers`"
    );
}
