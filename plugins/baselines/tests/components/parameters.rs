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

/// A file and a folder that are there, in place of those of examples. What is in them is read with the first batch.
const THERE: [(&str, &str); 2] = [
    (
        "file",
        concat!(env!("CARGO_MANIFEST_DIR"), "/data/cora.npz"),
    ),
    ("folder", "."),
];

/// What is required, as the examples of the parameters say.
fn required(schema: &Json) -> Params {
    let names = schema["required"].as_array().into_iter().flatten();
    let names = names.map(|name| name.as_str().unwrap());
    let value = |name: &str| {
        let there = THERE.iter().find(|(there, _)| *there == name);
        let example = &schema["properties"][name]["examples"][0];
        there.map_or_else(|| example.clone(), |(_, path)| json!(path))
    };
    names.map(|name| (name.to_string(), value(name))).collect()
}

#[test]
fn all_components_are_documented_and_made_from_defaults_and_examples() {
    let card = plugin().card().unwrap();
    assert_eq!(card.components.len(), 103);
    pleach_worker::host(); // some of them take components, which a host makes
    for component in card.components {
        let given = required(&component.schema);
        made(&component.role, &component.name, &given).unwrap_or_else(|e| panic!("{e}"));
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
