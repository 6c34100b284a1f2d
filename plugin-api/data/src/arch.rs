//! Architectures: a typed graph of nodes, plain JSON.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Decision, Dtype, Named, Recipe, Shapes};

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
    /// Type of the weights that layers leave at their default, and of the floats that a task feeds.
    #[serde(default, skip_serializing_if = "Dtype::is_default")]
    pub dtype: Dtype,
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
    /// The node beside it whose weights it uses in place of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<String>,
    /// The units that are left, in their order, by the axis at which they come into being: `out`, or `2.out` in the
    /// option 2 of a mix. They begin as the same units of the whole network do.
    #[serde(default, skip_serializing_if = "Named::is_empty")]
    pub living: Named<Vec<i64>>,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeKind {
    /// A layer.
    Layer(Recipe),
    /// One of several layers, by a decision.
    Mix(Mix),
    /// A network of its own: its inputs are the node's, its outputs too. Its nodes are called `node.inner`. What is
    /// generated, and what is open, stands in the outermost one.
    Network(Box<Arch>),
}

/// Several layers of which a decision takes one. Several mixes may ask the same decision, each with part of its options;
/// where what is chosen is not among them, the node is absent, with all that hangs on it alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mix {
    /// The decision that is asked.
    pub decision: String,
    /// What it chooses from.
    pub options: Vec<MixOption>,
    /// The layer in which options of unlike shapes meet: its ports are the options by their number, `0`, `1`, …, as far
    /// as they are active, and `mix`, the weights of all options of the decision: `[options]`. Without it the options
    /// are alike, and summed by weight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join: Option<Recipe>,
}

/// One option of a mix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MixOption {
    /// Which option of the decision this is, counted from 0.
    pub option: usize,
    /// The layer that it stands for.
    pub layer: Recipe,
    /// Its inputs, where they are others than the node's.
    #[serde(default, skip_serializing_if = "Named::is_empty")]
    pub inputs: Named<NodeRef>,
}

impl Mix {
    /// Asks a decision for one of these layers, which are its options in this order.
    pub fn new<R: Into<Recipe>>(decision: &str, layers: impl IntoIterator<Item = R>) -> Self {
        let option = |(option, layer): (usize, R)| MixOption {
            option,
            layer: layer.into(),
            inputs: Named::new(),
        };
        Mix {
            decision: decision.into(),
            options: layers.into_iter().enumerate().map(option).collect(),
            join: None,
        }
    }

    /// The same where its options begin with this one of the decision.
    pub fn starting(mut self, first: usize) -> Self {
        for (i, option) in self.options.iter_mut().enumerate() {
            option.option = first + i;
        }
        self
    }

    /// The same with inputs of its own for each option, in their order.
    pub fn fed(mut self, inputs: impl IntoIterator<Item = Named<NodeRef>>) -> Self {
        for (option, inputs) in self.options.iter_mut().zip(inputs) {
            option.inputs = inputs;
        }
        self
    }

    /// The same with a layer in which the options meet.
    pub fn joined(mut self, join: impl Into<Recipe>) -> Self {
        self.join = Some(join.into());
        self
    }
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
    /// Inputs of the network that the hypernet sees.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub condition: Vec<String>,
    /// Whether every sample has weights of its own, made from its part of the condition.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub each: bool,
}

impl Generated {
    /// Weights that this hypernet makes, from nothing but its own.
    pub fn new(name: &str, hypernet: impl Into<Recipe>, target: &str) -> Self {
        Generated {
            name: name.into(),
            hypernet: hypernet.into(),
            target: target.into(),
            condition: vec![],
            each: false,
        }
    }

    /// The same from these inputs of the network.
    pub fn conditioned<N: Into<String>>(mut self, inputs: impl IntoIterator<Item = N>) -> Self {
        self.condition = inputs.into_iter().map(Into::into).collect();
        self
    }

    /// The same for every sample alone.
    pub fn each(mut self) -> Self {
        self.each = true;
        self
    }
}

impl Arch {
    /// The version of this format that is written today.
    pub const VERSION: u32 = 1;

    /// A network without nodes.
    pub fn new(inputs: Shapes) -> Self {
        Arch {
            version: Self::VERSION,
            dtype: Dtype::default(),
            inputs,
            nodes: vec![],
            outputs: Named::new(),
            generated: vec![],
            decisions: vec![],
        }
    }

    /// The same with weights of this type.
    pub fn of(mut self, dtype: Dtype) -> Self {
        self.dtype = dtype;
        self
    }

    /// The same with one more layer.
    pub fn layer(self, name: &str, layer: impl Into<Recipe>, inputs: &[(&str, &str)]) -> Self {
        self.node(name, NodeKind::Layer(layer.into()), inputs)
    }

    /// The same with one more choice between layers.
    pub fn mix(self, name: &str, mix: Mix, inputs: &[(&str, &str)]) -> Self {
        self.node(name, NodeKind::Mix(mix), inputs)
    }

    /// The same with one more network in it.
    pub fn nested(self, name: &str, network: Arch, inputs: &[(&str, &str)]) -> Self {
        self.node(name, NodeKind::Network(Box::new(network)), inputs)
    }

    /// The same with one more node.
    pub fn node(mut self, name: &str, kind: NodeKind, inputs: &[(&str, &str)]) -> Self {
        self.nodes.push(Node {
            name: name.into(),
            inputs: refs(inputs),
            kind,
            share: None,
            living: Named::new(),
        });
        self
    }

    /// The same where the last node uses the weights of another.
    pub fn sharing(mut self, node: &str) -> Self {
        if let Some(last) = self.nodes.last_mut() {
            last.share = Some(node.into());
        }
        self
    }

    /// The same with weights that a hypernet makes.
    pub fn generate(mut self, generated: Generated) -> Self {
        self.generated.push(generated);
        self
    }

    /// The node of this path, to be changed: `block.inner` stands in the network that `block` is.
    pub fn find_mut(&mut self, path: &str) -> Option<&mut Node> {
        let (name, inner) = match path.split_once('.') {
            Some((name, inner)) => (name, Some(inner)),
            None => (path, None),
        };
        let node = self.nodes.iter_mut().find(|n| n.name == name)?;
        match inner {
            None => Some(node),
            Some(inner) => match &mut node.kind {
                NodeKind::Network(network) => network.find_mut(inner),
                _ => None,
            },
        }
    }

    /// All layers that it names, those of mixes and of networks within it too.
    pub fn recipes(&self) -> Vec<&Recipe> {
        self.nodes
            .iter()
            .flat_map(|node| match &node.kind {
                NodeKind::Layer(recipe) => vec![recipe],
                NodeKind::Mix(mix) => {
                    let options = mix.options.iter().map(|o| &o.layer);
                    options.chain(&mix.join).collect()
                }
                NodeKind::Network(network) => network.recipes(),
            })
            .collect()
    }

    /// The same with one more output.
    pub fn output(mut self, port: &str, from: &str) -> Self {
        self.outputs.put(port, from.into());
        self
    }

    /// The same with one more decision that is open.
    pub fn decide(mut self, decision: Decision) -> Self {
        self.decisions.push(decision);
        self
    }
}

/// References by port, as a node's inputs are.
pub fn refs(inputs: &[(&str, &str)]) -> Named<NodeRef> {
    let each = inputs
        .iter()
        .map(|(port, from)| (*port, NodeRef::from(*from)));
    each.collect()
}
