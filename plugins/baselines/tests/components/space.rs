//! Supernets, with a graph and without.

use plugin_api::plugin::Plugin;
use plugin_api::prelude::*;
use plugin_api::{Json, NodeKind, serde_json::json};

use crate::{params, plugin};

fn supernet(json: Json, ports: &Ports) -> Result<Arch> {
    Ok(plugin()
        .space("gnn", &params(json))
        .unwrap()
        .supernet(ports)?
        .expect("it has one"))
}

fn ports(task: &str) -> Ports {
    plugin()
        .task(task, &params(json!({})))
        .unwrap()
        .ports()
        .unwrap()
}

#[test]
fn have_a_mix_for_each_slot_and_a_graph_where_there_is_one() {
    for (task, graph) in [("digits", false), ("digits-graph", true)] {
        let arch = supernet(json!({ "layers": ["baselines/gcn", { "use": "baselines/gat", "heads": 2 }], "depth": 3 }), &ports(task)).unwrap();
        let nodes: Vec<&str> = arch.nodes.iter().map(|node| node.name.as_str()).collect();
        let slots = (0..3)
            .flat_map(|k| ["slot", "activation", "dropout"].map(|node| format!("{node}-{k}")));
        assert_eq!(
            nodes,
            ["input".to_string()]
                .into_iter()
                .chain(slots)
                .chain(["output".to_string()])
                .collect::<Vec<_>>()
        );
        // A chain: each node takes what the one before gives.
        for (before, node) in arch.nodes.iter().zip(&arch.nodes[1..]) {
            assert_eq!(node.inputs["x"].0, format!("{}.x", before.name));
        }
        for node in &arch.nodes {
            let mix = matches!(&node.kind, NodeKind::Mix(mix) if mix.options.len() == 2);
            assert_eq!(node.inputs.contains("graph"), mix && graph, "{}", node.name);
            assert_eq!(mix, node.name.starts_with("slot"));
        }
        assert_eq!(arch.outputs["y"].0, "output.x");
        let decisions: Vec<&str> = arch
            .decisions
            .iter()
            .map(|decision| decision.name.as_str())
            .collect();
        assert_eq!(
            decisions,
            [
                "width",
                "activation",
                "dropout",
                "layer-0",
                "layer-1",
                "layer-2"
            ]
        );
    }
}

#[test]
fn survive_being_written_and_read() {
    let arch = supernet(
        json!({ "layers": ["baselines/gcn"] }),
        &ports("digits-graph"),
    )
    .unwrap();
    let text = plugin_api::serde_json::to_string(&arch).unwrap();
    assert_eq!(
        plugin_api::serde_json::from_str::<Arch>(&text).unwrap(),
        arch
    );
    assert!(
        text.contains(r#"{"use":"baselines/linear","out":{"decide":"width"}}"#),
        "{text}"
    );
    assert!(
        text.contains(r#"{"use":"baselines/linear","out":10}"#),
        "{text}"
    );
}

#[test]
fn leave_something_to_choose() {
    let refused = |json, ports: &Ports| supernet(json, ports).unwrap_err().to_string();
    assert_eq!(
        refused(json!({ "layers": [] }), &ports("digits")),
        "`baselines/gnn`: parameter `layers` leaves nothing to choose from\n  expected  one or more"
    );
    let mut two = ports("digits");
    two.outputs
        .put("z", vec![axis("batch", None), axis("classes", 2)]);
    assert_eq!(
        refused(json!({ "layers": ["baselines/linear"] }), &two),
        "`baselines/gnn`: the space makes networks of one output\n  found     y, z"
    );
}
