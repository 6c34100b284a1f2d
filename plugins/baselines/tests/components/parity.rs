//! Layers against PyTorch and PyTorch Geometric: outputs, what is kept in buffers, and gradients, from the files that
//! `tests/reference/layers.py` has written, and which it describes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use pleach_worker::Script;
use plugin_api::plugin::Plugin;
use plugin_api::prelude::*;
use plugin_api::role::LayerObj;
use plugin_api::serde_json;
use plugin_api::testing::Alone;
use plugin_api::{Json, Params};

use crate::{params, plugin};

/// Layers that hand on what they are given, draw at random, or that PyTorch does not have.
const WITHOUT_REFERENCE: [&str; 10] = [
    "add",
    "begun",
    "concat",
    "dropout",
    "flatten",
    "identity",
    "kernel-machine",
    "pairs",
    "sequence",
    "zero",
];

/// A layer, what comes in, and what must come out.
struct Reference {
    name: String,
    layer: String,
    params: Params,
    /// Whether it holds in training, in evaluation, or in both.
    train: Vec<bool>,
    tensors: BTreeMap<String, Tensor>,
}

/// All that there are.
fn references() -> impl Iterator<Item = Reference> {
    pleach_worker::host(); // it makes graphs, and the layers within layers
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference");
    let paths = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    let paths = paths.filter(|path| path.extension().is_some_and(|e| e == "safetensors"));
    paths.filter_map(|path| Reference::read(&path))
}

impl Reference {
    /// What a file holds, if that is a layer.
    fn read(path: &Path) -> Option<Self> {
        // `tch` reads the tensors alone: what is said of them stands in a header of JSON behind its length.
        let bytes = fs::read(path).unwrap();
        let (length, rest) = bytes.split_first_chunk().unwrap();
        let header = &rest[..u64::from_le_bytes(*length) as usize];
        let header: Json = serde_json::from_slice(header).unwrap();
        let said = header["__metadata__"]["layer"].as_str()?;
        let said: Json = serde_json::from_str(said).unwrap();
        Some(Reference {
            name: path.file_stem().unwrap().display().to_string(),
            layer: said["name"].as_str().unwrap().into(),
            params: params(said["params"].clone()),
            train: match said["pass"].as_str() {
                None => vec![false, true],
                Some(pass) => vec![pass == "train"],
            },
            tensors: Tensor::read_safetensors(path)
                .unwrap()
                .into_iter()
                .collect(),
        })
    }

    /// The tensors whose names begin so, under the rest of their names; numbers are of this kind.
    fn under(&self, prefix: &str, kind: Kind) -> Tensors {
        let of_kind = |t: &Tensor| match t.is_floating_point() {
            true => t.to_kind(kind),
            false => t.shallow_clone(),
        };
        let tensors = self.tensors.iter();
        let tensors = tensors.filter_map(|(name, t)| Some((name.strip_prefix(prefix)?, t)));
        tensors.map(|(name, t)| (name, of_kind(t))).collect()
    }

    fn graphs(&self) -> Vec<(String, Graph)> {
        let nodes = self.tensors["input.x"].size()[0];
        let of_ends = |ends: &Tensor| Graph::new(nodes, &ends.get(0), &ends.get(1), None);
        let of_sizes = |sizes: &Tensor| Graph::members(&Vec::<i64>::try_from(sizes).unwrap());
        let read = |prefix: &str, make: &dyn Fn(&Tensor) -> Result<Graph>| {
            let found = self.under(prefix, Kind::Double).into_iter();
            let made = found.map(|(port, t)| (port, make(&t).unwrap()));
            made.collect::<Vec<_>>()
        };
        [read("edges.", &of_ends), read("members.", &of_sizes)].concat()
    }

    /// Runs the layer, and holds all that comes of it to the file.
    fn check(&self, train: bool, kind: Kind) {
        let layer = plugin().layer(&self.layer, &self.params).unwrap();
        let leaf = |_: &str, t: &Tensor| match t.is_floating_point() {
            true => t.copy().set_requires_grad(true),
            false => t.shallow_clone(),
        };
        let x = self.under("input.", kind).map(leaf);
        let w = self.under("weight.", kind).map(leaf);
        let mut inputs: Batch = x.clone().into_iter().collect();
        for (port, graph) in self.graphs() {
            inputs.put(port, graph);
        }

        let shapes = inputs.iter().map(|(port, value)| (port, shape(value)));
        let shapes: Shapes = shapes.collect();
        let specs = layer.weights(&shapes).unwrap();
        let declared = specs.iter().map(|spec| (spec.name.clone(), spec.size()));
        let there = w.iter().map(|(name, t)| (name.to_string(), t.size()));
        assert_eq!(
            declared.collect::<BTreeMap<_, _>>(),
            there.collect::<BTreeMap<_, _>>(),
            "{}",
            self.name
        );
        let promised = layer.shapes(&shapes).unwrap();

        let run = || {
            let pass = if train {
                Alone::train(0)
            } else {
                Alone::eval()
            };
            let given = layer.forward(&w, &inputs, &pass).unwrap();
            let given = promised.names().map(|port| (port, &given[port]));
            (given.collect::<Tensors>(), pass.kept())
        };
        let (given, kept) = run();
        self.hold("output.", &given);
        self.hold("kept.", &kept);
        // Where nobody asks for gradients, layers may compute in another way.
        self.hold("output.", &tch::no_grad(run).0);
        for (port, shape) in promised.iter() {
            let size = given[port].size().into_iter().map(|n| axis("", n));
            assert!(fits(&size.collect::<Vec<_>>(), shape), "{}", self.name);
        }

        self.check_export(&layer, &shapes, &inputs, (train, kind));

        let factor = |y: &Tensor| Tensor::arange(y.numel() as i64, (y.kind(), y.device())).cos();
        let loss: Tensor = given
            .values()
            .map(|y| (y.flatten(0, -1) * factor(y)).sum(kind))
            .sum();
        let weights = w.iter().map(|(name, t)| (format!("weight.{name}"), t));
        let leaves = x.iter().map(|(name, t)| (name.to_string(), t));
        let leaves = leaves.chain(weights).filter(|(name, _)| {
            let gradient = format!("gradient.{name}");
            self.tensors.contains_key(&gradient)
        });
        let leaves: Tensors = leaves.map(|(name, t)| (name, t.clone())).collect();
        let gradients = gradients_of(&loss, &leaves, false).unwrap();
        self.hold("gradient.", &gradients);
    }

    /// Holds what the layer exports to the file.
    fn check_export(
        &self,
        layer: &LayerObj,
        shapes: &Shapes,
        inputs: &Batch,
        (train, kind): (bool, Kind),
    ) {
        let source = layer.export(Source::PYTORCH, shapes).unwrap();
        let source = source.unwrap_or_else(|| panic!("{} exports nothing", self.name));
        let (specs, promised) = (
            layer.weights(shapes).unwrap(),
            layer.shapes(shapes).unwrap(),
        );
        // Copies: buffers are moved in place.
        let mut weights = self.under("weight.", kind).map(|_, t| t.copy());
        let script = Script::compile(&source, &specs, &weights, inputs, &promised)
            .unwrap_or_else(|e| panic!("{}: {e}\n{}", self.name, source.forward));
        let given = tch::no_grad(|| script.run(inputs, train).unwrap());
        self.hold("output.", &given);
        let moved = self.under("kept.", kind);
        let others = specs.iter().filter(|spec| !moved.contains(&spec.name));
        for spec in others {
            weights.remove(&spec.name);
        }
        self.hold("kept.", &weights);
    }

    /// Holds tensors to those of the file whose names begin so: the same names, and numbers as near as their kind allows.
    fn hold(&self, prefix: &str, found: &Tensors) {
        let expected = self.under(prefix, Kind::Double);
        let names = |tensors: &Tensors| tensors.names().map(String::from).collect::<BTreeSet<_>>();
        assert_eq!(names(found), names(&expected), "{} {prefix}", self.name);
        for (name, found) in found.iter() {
            let tolerance = if found.kind() == Kind::Double {
                1e-10
            } else {
                1e-5
            };
            let (found, expected) = (found.to_kind(Kind::Double), &expected[name]);
            assert_eq!(
                found.size(),
                expected.size(),
                "{} {prefix}{name}",
                self.name
            );
            let off = (&found - expected).abs() / expected.abs().clamp_min(1.0);
            let off = off.max().double_value(&[]);
            assert!(
                off <= tolerance,
                "{} {prefix}{name} is off by {off}",
                self.name
            );
        }
    }
}

/// As a network would know it: how many samples, nodes or groups there are is known at run time only.
pub(crate) fn shape(value: &Value) -> Shape {
    match value {
        Value::Graph(_) => vec![axis("nodes", None)],
        Value::Tensor(t) => {
            let sizes = t.size().into_iter().enumerate();
            let axes = sizes.map(|(i, n)| axis(&format!("axis{i}"), (i > 0).then_some(n)));
            axes.collect()
        }
    }
}

#[test]
fn layers_compute_what_pytorch_does() {
    let mut held = BTreeSet::new();
    for reference in references() {
        for &train in &reference.train {
            for kind in [Kind::Double, Kind::Float] {
                reference.check(train, kind);
            }
        }
        held.insert(reference.layer);
    }
    let layers = plugin().card().unwrap().components.into_iter();
    let layers = layers.filter(|card| card.role == "layer");
    let wanted = layers
        .map(|card| card.name)
        .filter(|name| !WITHOUT_REFERENCE.contains(&name.as_str()));
    assert_eq!(held, wanted.collect());
}
