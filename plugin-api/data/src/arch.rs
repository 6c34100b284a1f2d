//! Architectures: a typed graph of nodes, plain JSON.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Decision, Named, Recipe, Shapes};

/// `node.port`, or `in.port` for an input of the network.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeRef(pub String);

impl NodeRef {
    /// The node that is meant; `in` for the network's inputs.
    pub fn node(&self) -> &str {
        self.0.rsplit_once('.').map_or(&self.0, |(node, _)| node)
    }
}

impl fmt::Display for NodeRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for NodeRef {
    fn from(s: &str) -> Self {
        NodeRef(s.into())
    }
}

/// A network as data: saved, compared, hashed, drawn. Nodes stand in the order in which they run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arch {
    /// Version of this format.
    pub version: u32,
    /// Input ports, with their shapes.
    pub inputs: Shapes,
    /// What it computes, in order.
    pub nodes: Vec<Node>,
    /// Output ports, and what feeds them.
    pub outputs: Named<NodeRef>,
    /// Weights that a hypernet makes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub generated: Vec<Generated>,
    /// What is still open.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<Decision>,
}

/// One step of a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Its name; weights are `name.weight`, taps `name.port` and `name/inner`.
    pub name: String,
    /// Its inputs: port of the layer, and what feeds it.
    pub inputs: Named<NodeRef>,
    /// What it is.
    #[serde(flatten)]
    pub kind: NodeKind,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeKind {
    /// A layer.
    Layer(Recipe),
    /// One of several layers, by a decision.
    Mix(Mix),
}

/// Several layers of which a decision takes one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mix {
    /// The decision that is asked.
    pub decision: String,
    /// What it chooses from.
    pub options: Vec<MixOption>,
}

/// One option of a mix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MixOption {
    /// Which option of the decision this is, counted from 0.
    pub option: usize,
    /// The layer that it stands for.
    pub layer: Recipe,
}

/// Weights that come from a hypernet instead of being learned themselves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Generated {
    /// Its name; the hypernet's own weights are `name.weight`.
    pub name: String,
    /// The hypernet.
    pub hypernet: Recipe,
    /// Selector of the weights that it makes.
    pub target: String,
}

impl Arch {
    /// The version of this format that is written today.
    pub const VERSION: u32 = 1;

    /// A network without nodes.
    pub fn new(inputs: Shapes) -> Self {
        Arch {
            version: Self::VERSION,
            inputs,
            nodes: vec![],
            outputs: Named::new(),
            generated: vec![],
            decisions: vec![],
        }
    }

    /// The same with one more layer.
    pub fn layer(self, name: &str, layer: impl Into<Recipe>, inputs: &[(&str, &str)]) -> Self {
        self.node(name, NodeKind::Layer(layer.into()), inputs)
    }

    /// The same with one more node.
    pub fn node(mut self, name: &str, kind: NodeKind, inputs: &[(&str, &str)]) -> Self {
        let inputs = inputs
            .iter()
            .map(|(port, from)| (*port, NodeRef::from(*from)))
            .collect();
        self.nodes.push(Node {
            name: name.into(),
            inputs,
            kind,
        });
        self
    }

    /// The same with one more output.
    pub fn output(mut self, port: &str, from: &str) -> Self {
        self.outputs.put(port, from.into());
        self
    }

    /// The same with one more decision.
    pub fn decide(mut self, decision: Decision) -> Self {
        self.decisions.push(decision);
        self
    }
}
