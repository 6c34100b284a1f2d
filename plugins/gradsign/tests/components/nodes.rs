//! Nodes of a graph are samples too: the loss of each, in a pass over the whole graph.

use std::rc::Rc;

use pleach_worker::host;
use plugin_api::gradients_of;
use plugin_api::host::Services;
use plugin_api::prelude::*;
use plugin_api::serde_json::json;

use crate::{recipe, score, session};

/// The definition, node by node, from the outputs for all nodes.
#[test]
fn the_signs_are_those_of_each_node_alone() {
    let graph = recipe("baselines/digits-graph", json!({ "train_per_class": 2 }));
    let task = Rc::new(host().task(&graph).unwrap());
    let ports = task.ports().unwrap();
    let gcn = Recipe::new("baselines/gcn").with("out", 10);
    let arch = Arch::new(ports.inputs)
        .layer("only", gcn, &[("x", "in.x"), ("graph", "in.graph")])
        .output("y", "only.x");
    let mut session = session(arch, &task, 3);

    let batch = session.batch("train", &At::ALL).unwrap().unwrap();
    let nodes = Vec::<i64>::try_from(batch.tensor("split").unwrap()).unwrap();
    assert_eq!(nodes.len(), 20);
    let weights = session.weights("#prunable").unwrap();
    let mut sum: Option<Tensor> = None;
    for node in nodes {
        let seen = session.forward(&batch, &Ask::train().dry()).unwrap();
        let likely = seen.outputs.tensor("y").unwrap().log_softmax(-1, None);
        let label = batch.tensor("y").unwrap().int64_value(&[node]);
        let loss = -likely.get(node).get(label);
        let gradients = gradients_of(&loss, &weights, false).unwrap();
        let signs = gradients.values().next().unwrap().sign();
        sum = Some(sum.map_or(signs.shallow_clone(), |sum| sum + &signs));
    }
    let expected = sum.unwrap().abs().sum(Kind::Double).double_value(&[]);
    assert_eq!(
        score(&mut session, json!({ "samples": 0 })).unwrap(),
        expected
    );

    // Of the nodes that count some are drawn, the same each time.
    let of = |session: &mut _, samples: i64| score(session, json!({ "samples": samples })).unwrap();
    let five = of(&mut session, 5);
    assert!(five > 0.0 && five < expected, "{five}");
    assert_eq!(of(&mut session, 5), five);
    assert_eq!(of(&mut session, 20), expected);
}
