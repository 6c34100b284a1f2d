//! A source as a file of Python: a class of `nn.Module` for each part.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use plugin_api::{Arch, Dtype, Group, Shapes, Source, WeightSpec, show};

/// What is told in such a file.
pub(super) struct Module<'a> {
    pub(super) source: &'a Source,
    /// The weights, by path.
    pub(super) specs: &'a [WeightSpec],
    /// What each node is, by path.
    pub(super) components: &'a HashMap<&'a str, &'a str>,
    /// The inputs that are graphs.
    pub(super) graphs: &'a BTreeSet<String>,
    pub(super) arch: &'a Arch,
    /// The file's name without its ending.
    pub(super) name: &'a str,
    /// Where it comes from, in a sentence.
    pub(super) about: &'a str,
}

impl fmt::Display for Module<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Module { name, about, .. } = self;
        writeln!(f, "\"\"\"{about}\n")?;
        self.ports(f, "Inputs", &self.arch.inputs)?;
        let outputs: Vec<&str> = self.arch.outputs.names().collect();
        match outputs[..] {
            [one] => writeln!(f, "Output: `{one}`, a tensor.\n")?,
            _ => writeln!(f, "Outputs: a dict of `{}`.\n", outputs.join("`, `"))?,
        }
        writeln!(
            f,
            "    from safetensors.torch import load_file

    network = Network()
    network.load_state_dict(load_file(\"{name}.safetensors\"))
    network.eval()
\"\"\"
"
        )?;
        f.write_str(match self.graphs.is_empty() {
            true => "import torch\nfrom torch import nn\n",
            false => GRAPH,
        })?;
        let weights = self.specs.iter().map(|spec| (spec.name.as_str(), spec));
        self.class(f, "", self.source, weights.collect())
    }
}

const GRAPH: &str = r#"from typing import NamedTuple, Optional

import torch
from torch import Tensor, nn


class Graph(NamedTuple):
    """A directed graph; an undirected one holds each edge in both directions."""

    nodes: int  # to which edges go
    sources: Tensor  # where each edge comes from: [edges], int64
    targets: Tensor  # where each edge goes to: [edges], int64
    weight: Optional[Tensor] = None  # of each edge: [edges]; 1 where it is left out
"#;

impl Module<'_> {
    fn ports(&self, f: &mut fmt::Formatter<'_>, what: &str, shapes: &Shapes) -> fmt::Result {
        writeln!(f, "{what}:")?;
        for (port, shape) in shapes.iter() {
            let kind = match self.graphs.contains(port) {
                true => "a graph".into(),
                false => show(shape),
            };
            writeln!(f, "    `{port}`: {kind}")?;
        }
        writeln!(f)
    }

    /// The class of a part, behind those of its own parts.
    fn class(
        &self,
        f: &mut fmt::Formatter<'_>,
        path: &str,
        source: &Source,
        weights: Vec<(&str, &WeightSpec)>,
    ) -> fmt::Result {
        let mut own = vec![];
        let parts = source.parts.names();
        let mut within: BTreeMap<&str, Vec<_>> = parts.map(|name| (name, vec![])).collect();
        for (name, spec) in weights {
            match name.split_once('.') {
                Some((part, name)) => within.entry(part).or_default().push((name, spec)),
                None => own.push((name, spec)),
            }
        }
        let below = |name: &str| match path {
            "" => name.to_string(),
            _ => format!("{path}.{name}"),
        };
        for (name, part) in source.parts.iter() {
            self.class(f, &below(name), part, within[name].clone())?;
        }

        writeln!(f, "\n\nclass {}(nn.Module):", self.class_name(path))?;
        if let Some(component) = self.components.get(path) {
            writeln!(f, "    \"\"\"`{component}`\"\"\"\n")?;
        }
        if !own.is_empty() || !within.is_empty() {
            writeln!(f, "    def __init__(self):\n        super().__init__()")?;
            registered(f, "self", &own)?;
            let parts = source.parts.names().map(|name| (name, Some(name)));
            let holders = within.keys().filter(|name| !source.parts.contains(name));
            for (name, part) in parts.chain(holders.map(|name| (*name, None))) {
                match part {
                    Some(part) => {
                        let class = self.class_name(&below(part));
                        put(f, "self", name, &format!("{class}()"))?;
                    }
                    None => holder(f, "self", name, &within[name])?,
                }
            }
            writeln!(f)?;
        }
        let arguments = source.inputs.iter().map(|port| Source::argument(port));
        let arguments: String = arguments.map(|name| format!(", {name}")).collect();
        let body = source.forward.replace('\n', "\n        ");
        let body = body.replace("\n        \n", "\n\n");
        writeln!(f, "    def forward(self{arguments}):\n        {body}")
    }

    /// `block.conv-1` is `Block_Conv_1`: as no two paths are alike, but for signs, no two classes are.
    fn class_name(&self, path: &str) -> String {
        if path.is_empty() {
            return "Network".into();
        }
        let word = |word: &str| {
            let mut letters = word.chars();
            let first = letters.next().map(|c| c.to_ascii_uppercase());
            first.into_iter().chain(letters).collect::<String>()
        };
        let words: Vec<String> = path.split('.').map(word).collect();
        let name = Source::argument(&words.join("_"));
        match name.as_str() {
            "Network" | "Graph" | "Tensor" | "Optional" | "NamedTuple" => format!("{name}_"),
            _ => name,
        }
    }
}

/// Attributes of a module that only holds weights.
fn holder(
    f: &mut fmt::Formatter<'_>,
    of: &str,
    name: &str,
    weights: &[(&str, &WeightSpec)],
) -> fmt::Result {
    put(f, of, name, "nn.Module()")?;
    let here = attribute(of, name);
    let (deeper, own): (Vec<_>, Vec<_>) = weights.iter().partition(|(name, _)| name.contains('.'));
    registered(f, &here, &own)?;
    let mut within: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for (name, spec) in deeper {
        if let Some((part, name)) = name.split_once('.') {
            within.entry(part).or_default().push((name, spec));
        }
    }
    within
        .iter()
        .try_for_each(|(name, weights)| holder(f, &here, name, weights))
}

/// Empty weights, to be loaded.
fn registered(
    f: &mut fmt::Formatter<'_>,
    of: &str,
    weights: &[(&str, &WeightSpec)],
) -> fmt::Result {
    for (name, spec) in weights {
        let size: Vec<String> = spec.size().iter().map(ToString::to_string).collect();
        let (size, dtype) = (size.join(", "), dtype(spec.dtype));
        let empty = format!("torch.empty([{size}]{dtype})");
        let learns = matches!(spec.dtype, Dtype::F32 | Dtype::F64);
        match (spec.group, learns) {
            (Group::Buffer, _) => {
                writeln!(f, "        {of}.register_buffer({name:?}, {empty})")?;
            }
            (_, true) => put(f, of, name, &format!("nn.Parameter({empty})"))?,
            (_, false) => {
                put(
                    f,
                    of,
                    name,
                    &format!("nn.Parameter({empty}, requires_grad=False)"),
                )?;
            }
        }
    }
    Ok(())
}

fn dtype(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::F32 => "",
        Dtype::F64 => ", dtype=torch.float64",
        Dtype::I64 => ", dtype=torch.int64",
        Dtype::Bool => ", dtype=torch.bool",
    }
}

/// A line that gives a module an attribute.
fn put(f: &mut fmt::Formatter<'_>, of: &str, name: &str, value: &str) -> fmt::Result {
    match Source::argument(name) == name {
        true => writeln!(f, "        {of}.{name} = {value}"),
        false => writeln!(f, "        setattr({of}, {name:?}, {value})"),
    }
}

fn attribute(of: &str, name: &str) -> String {
    match Source::argument(name) == name {
        true => format!("{of}.{name}"),
        false => format!("getattr({of}, {name:?})"),
    }
}
