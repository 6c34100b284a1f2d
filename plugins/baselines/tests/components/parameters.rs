//! Bad parameters are refused, and the error says which, and what would be good.

use plugin_api::plugin::Plugin;
use plugin_api::prelude::*;
use plugin_api::{Json, Params, serde_json::json};

use crate::{params, plugin};

#[test]
fn are_refused_by_name() {
    let layer = |name, json: Json| {
        plugin()
            .layer(name, &params(json))
            .err()
            .expect("refused")
            .to_string()
    };
    let check = |name, json, expected: &str| assert_eq!(layer(name, json), expected);
    check(
        "dropout",
        json!({ "rate": 1.0 }),
        "`baselines/dropout`: parameter `rate` is out of range\n  found     1\n  expected  0 <= rate < 1",
    );
    check(
        "dropout",
        json!({ "rate": -0.1 }),
        "`baselines/dropout`: parameter `rate` is out of range\n  found     -0.1\n  expected  0 <= rate < 1",
    );
    check(
        "linear",
        json!({ "out": 0 }),
        "`baselines/linear`: parameter `out` is out of range\n  found     0\n  expected  1 <= out",
    );
    check(
        "linear",
        json!({ "width": 3 }),
        "`baselines/linear`: parameter `width`: unknown field `width`, expected `out` or `bias`",
    );
    check(
        "linear",
        json!({ "out": "wide" }),
        "`baselines/linear`: parameter `out`: invalid type: string \"wide\", expected i64",
    );
    check(
        "activation",
        json!({ "kind": "relue" }),
        "`baselines/activation`: parameter `kind`: unknown variant `relue`, expected one of `relu`, `leaky-relu`, `elu`, `gelu`, `silu`, `tanh`, `sigmoid`",
    );
}

#[test]
fn state_is_no_parameter() {
    let refused = plugin()
        .strategy("random", &params(json!({ "asked": 3 })))
        .err()
        .expect("refused")
        .to_string();
    assert!(refused.contains("unknown field `asked`"), "{refused}");
}

macro_rules! made {
    ($($role:ident $obj:ident $name:ident),* $(,)?) => {
        /// Makes a component of any role.
        fn made(role: &str, name: &str, params: &Params) -> Result<()> {
            match role {
                $(stringify!($name) => plugin().$name(name, params).map(drop),)*
                _ => bail!("no role `{role}`"),
            }
        }
    };
}
plugin_api::each_role!(made);

/// A file that is there: what is in it is read with the first batch.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/cora.npz");

#[test]
fn all_components_are_documented_and_made_from_their_defaults() {
    let card = plugin().card().unwrap();
    assert_eq!(card.components.len(), 98);
    pleach_worker::host(); // some of them take components, which a host makes
    for component in card.components {
        let given = match component.name.as_str() {
            // These have parameters without defaults.
            "gnn" => json!({ "layers": ["baselines/gcn"] }),
            "begun" => json!({ "inner": "baselines/linear", "init": "baselines/zeros" }),
            "cosine" | "warm-up" | "one-cycle" => json!({ "steps": 10 }),
            "step" => json!({ "step_size": 10 }),
            "kernel-machine" => json!({ "samples": 3, "out": 2 }),
            "table" => json!({ "file": FILE, "target": "y", "kind": "classes" }),
            "graph-nodes" => json!({ "data": "dblp" }),
            "arrays" | "graph-links" | "graphs" => json!({ "file": FILE }),
            "idx-images" => json!({ "data": "mnist" }),
            "cifar10" => json!({ "data": "tiles" }),
            "images" => json!({ "folder": "." }),
            "flip" | "crop" | "cutout" => {
                json!({ "task": { "use": "baselines/digits", "form": "image" } })
            }
            "sequence" => json!({ "layers": ["baselines/linear"] }),
            "tabular" => json!({ "file": "table.csv", "value": "accuracy" }),
            "tabular-space" => json!({ "file": "table.csv", "decisions": ["width"] }),
            "compare-strategies" => {
                let random = json!({ "name": "random", "strategy": "baselines/random" });
                json!({ "strategies": [random], "trials": 1, "seeds": 2 })
            }
            "portfolio" => {
                json!({ "strategies": [{ "name": "random", "strategy": "baselines/random" }] })
            }
            "switch" => json!({ "turns": [{ "name": "random", "strategy": "baselines/random" }] }),
            "multi-task" => json!({ "tasks": [{ "name": "a", "task": "baselines/digits" }] }),
            _ => json!({}),
        };
        made(&component.role, &component.name, &params(given)).unwrap_or_else(|e| panic!("{e}"));
        for (name, parameter) in component.schema["properties"]
            .as_object()
            .into_iter()
            .flatten()
        {
            assert!(
                parameter.get("description").is_some(),
                "{}: {name}",
                component.name
            );
        }
    }
}

#[test]
fn that_contradict_each_other_are_refused_where_they_meet() {
    let inputs = Shapes::new()
        .with("x", vec![axis("nodes", None), axis("features", 6)])
        .with("graph", vec![axis("nodes", None)]);
    let gat = plugin().layer("gat", &params(json!({}))).unwrap();
    assert_eq!(
        gat.weights(&inputs).unwrap_err().to_string(),
        "`baselines/gat`: 6 features cannot be split among 4 heads\n  expected  a multiple of `heads`\n  help: set `out` or `heads`"
    );
    let spec = WeightSpec::new("w", &[("in", 2)], "baselines/uniform");
    let uniform = plugin()
        .initializer("uniform", &params(json!({ "low": 1.0, "high": 0.5 })))
        .unwrap();
    assert_eq!(
        uniform
            .init(&spec, &crate::nowhere(), 0)
            .unwrap_err()
            .to_string(),
        "`baselines/uniform`: parameter `low` is above `high`\n  found     low = 1, high = 0.5"
    );
}
