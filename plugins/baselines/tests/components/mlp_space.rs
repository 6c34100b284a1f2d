//! Perceptrons of open depth: what is asked where, and what stands there then.

use std::rc::Rc;

use pleach_worker::{NetSession, PlainHost, host};
use plugin_api::host::Services;
use plugin_api::plugin::Plugin;
use plugin_api::prelude::*;
use plugin_api::role::SpaceObj;
use plugin_api::{Json, serde_json::json};

use crate::{params, plugin};

fn space(json: Json) -> SpaceObj {
    host(); // it makes the layer for `norm`
    plugin().space("mlp-space", &params(json)).unwrap()
}

fn digits() -> PlainHost {
    let task = host().task(&"baselines/digits".into()).unwrap();
    PlainHost::new(Rc::new(task), Device::Cpu)
}

fn ports() -> Ports {
    plugin()
        .task("digits", &params(json!({})))
        .unwrap()
        .ports()
        .unwrap()
}

fn point(decided: &[(&str, usize)]) -> Point {
    let each = decided.iter();
    each.map(|(name, i)| (*name, Decided::Option(*i))).collect()
}

#[test]
fn widths_are_asked_as_deep_as_the_network_is() {
    let space = space(json!({ "depths": [1, 3, 2], "widths": [8, 16] }));
    let decisions = space.decisions(&ports()).unwrap();
    let names: Vec<&str> = decisions.iter().map(|d| d.name.as_str()).collect();
    let shared = ["depth", "activation", "dropout"];
    assert_eq!(
        names,
        [&shared[..], &["width-0", "width-1", "width-2"]].concat()
    );
    for (i, depth) in [1, 3, 2].into_iter().enumerate() {
        let point = point(&[("depth", i)]);
        let widths = decisions[3..].iter().filter(|d| d.is_active(&point));
        assert_eq!(widths.count(), depth);
    }
}

#[test]
fn a_point_stands_for_a_chain_of_its_depth_and_widths() {
    let space = space(json!({
        "depths": [1, 3], "widths": [8, 16], "dropouts": [0.0, 0.5],
        "activations": ["relu", "tanh"], "norm": "baselines/layer-norm",
    }));
    let host = digits();
    let check = |decided: &[(&str, usize)], widths: &[usize]| {
        let arch = space.arch(&ports(), &point(decided), &host).unwrap();
        let nodes: Vec<&str> = arch.nodes.iter().map(|node| node.name.as_str()).collect();
        let layers = ["linear", "norm", "activation", "dropout"];
        let expected = (0..widths.len()).flat_map(|k| layers.map(|layer| format!("{layer}-{k}")));
        let expected: Vec<String> = expected.chain(["output".to_string()]).collect();
        assert_eq!(nodes, expected);
        for (before, node) in arch.nodes.iter().zip(&arch.nodes[1..]) {
            assert_eq!(node.inputs["x"].0, format!("{}.x", before.name));
        }
        // Each linear layer has weights and biases, each norm two numbers a unit.
        let all = [&[64], widths, &[10]].concat();
        let linear: usize = all.windows(2).map(|pair| (pair[0] + 1) * pair[1]).sum();
        let norms: usize = widths.iter().map(|width| 2 * width).sum();
        let session = host.on_task(arch, 0).unwrap();
        assert_eq!(parameters(&session), linear + norms);
    };
    let shared = [("activation", 1), ("dropout", 1)];
    let one = [("depth", 0), ("width-0", 1)];
    check(&[&shared[..], &one].concat(), &[16]);
    let three = [("depth", 1), ("width-0", 1), ("width-1", 0), ("width-2", 1)];
    check(&[&shared[..], &three].concat(), &[16, 8, 16]);
}

fn parameters(session: &NetSession) -> usize {
    session
        .weights("model")
        .unwrap()
        .values()
        .map(|t| t.numel())
        .sum()
}

#[test]
fn images_are_flattened() {
    let mut ports = ports();
    let sides = [
        ("batch", None),
        ("channels", Some(1)),
        ("height", Some(4)),
        ("width", Some(4)),
    ];
    let sides = sides.map(|(name, size)| axis(name, size)).to_vec();
    ports.inputs.put("x", sides);
    let arch = space(json!({})).supernet(&ports).unwrap().unwrap();
    assert_eq!(arch.nodes[0].name, "flatten");
    assert_eq!(arch.nodes[1].inputs["x"].0, "flatten.x");
}

#[test]
fn bad_parameters_are_refused() {
    let refused = |json| {
        let made = plugin().space("mlp-space", &params(json));
        let error = match made {
            Ok(space) => space.supernet(&ports()).unwrap_err(),
            Err(error) => error,
        };
        error.to_string()
    };
    for (json, expected) in [
        (
            json!({ "depths": [] }),
            "`baselines/mlp-space`: parameter `depths` leaves nothing to choose from\n  expected  one or more",
        ),
        (
            json!({ "widths": [] }),
            "`baselines/mlp-space`: parameter `widths` leaves nothing to choose from\n  expected  one or more",
        ),
        (
            json!({ "depths": [0] }),
            "`baselines/mlp-space`: parameter `depths` is out of range\n  found     0\n  expected  1 <= depths <= 64",
        ),
        (
            json!({ "dropouts": [1.0] }),
            "`baselines/mlp-space`: parameter `dropouts` is out of range\n  found     1\n  expected  0 <= dropouts < 1",
        ),
    ] {
        assert_eq!(refused(json), expected);
    }
}
