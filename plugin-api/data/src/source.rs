//! How a layer is written in another language.

use serde::{Deserialize, Serialize};

use crate::{Named, Shapes};

/// A layer as its author would write it in another language.
///
/// In [PyTorch](Source::PYTORCH) it is a class of `nn.Module`, of which this holds what differs from layer to layer. Its
/// weights are attributes by their names: parameters, and buffers those of the group `Buffer`. `linear1.weight` is
/// `self.linear1.weight`, and a name that is no identifier is `getattr(self, "input-bias")`. `self.training` says whether
/// it trains. Eager PyTorch takes the body as it stands, and so does TorchScript, by which `pleach plugins check` holds
/// it to the layer: it uses functions of `torch` and methods of tensors, and neither `nn` nor `F`.
///
/// A tensor comes in as it is; sparse features, too, dense or as `torch.sparse`. A graph is a named tuple
/// `Graph(nodes: int, sources: Tensor, targets: Tensor, weight: Optional[Tensor])`: `nodes` counts the nodes to which
/// edges go, `sources` and `targets` hold the ends of each edge, `[edges]`, int64, in any order, and `weight` its weight,
/// `[edges]`, `None` where each is 1.
///
/// In [ONNX](Source::ONNX) a body is lines that read as Python does, too, and are read by the host when it writes the
/// file:
///
/// ```text
/// h, state = RNN(Transpose(x, perm=[1, 0, 2]), Unsqueeze(self.input, [0]), …, hidden_size=self.recurrent.size(1))
/// y = self.inner(x) @ Transpose(self.weight, perm=[1, 0]) + getattr(self, "input-bias")
/// return {"x": y, "state": state}
/// ```
///
/// A call is an operator of ONNX, opset 18: its inputs, `None` for one that is left out, then its attributes by name. `+`,
/// `-`, `*`, `/` and `@` are `Add`, `Sub`, `Mul`, `Div` and `MatMul`. Weights, parts and outputs are written as in PyTorch;
/// one of several outputs of a part is `y["state"]`. `1` and `[0, -1]` are int64, `1.0` has the kind of the network's
/// floats, and `self.weight.size(0)` is a length of a weight, which may stand as an attribute. A graph's parts are
/// `graph.nodes`, a single int64, `graph.sources`, `graph.targets` and `graph.weight`, `[edges]` each. It computes what the
/// layer does in evaluation. A name, operator, attribute or number of inputs that does not exist is refused with its line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// The ports of what comes in, in the order of the arguments: see [`Source::argument`].
    pub inputs: Vec<String>,
    /// The body of `def forward(self, …)`, without its outer indentation. It returns a tensor where there is one output,
    /// else a dict of tensors by port.
    pub forward: String,
    /// The layers within, by the prefix of their weights: `self.inner(x)` runs the one of `inner`. An argument of theirs
    /// that has the name of one of the whole takes what that one takes; any other takes a tensor.
    #[serde(default, skip_serializing_if = "Named::is_empty")]
    pub parts: Named<Source>,
}

impl Source {
    /// The language `pytorch`: Python with PyTorch 2.
    pub const PYTORCH: &str = "pytorch";
    /// The language `onnx`: operators of ONNX.
    pub const ONNX: &str = "onnx";

    /// A layer for these inputs, with this body.
    pub fn new(inputs: &Shapes, forward: impl Into<String>) -> Self {
        Source {
            inputs: inputs.names().map(Into::into).collect(),
            forward: forward.into(),
            parts: Named::new(),
        }
    }

    /// The same with a layer within, whose prefix has no `.`.
    pub fn part(mut self, prefix: &str, part: Source) -> Self {
        self.parts.put(prefix, part);
        self
    }

    /// What the argument of a port is called: the port's own name where that can be one, else the nearest that can.
    pub fn argument(port: &str) -> String {
        let letter = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let name: String = port.chars().map(letter).collect();
        let taken = RESERVED.contains(&name.as_str());
        match name.chars().next() {
            Some(first) if !first.is_ascii_digit() && !taken => name,
            _ => format!("_{name}"),
        }
    }

    /// How a body names an attribute of `self`: `self.weight`, or `getattr(self, "input-bias")`.
    pub fn attribute(name: &str) -> String {
        match Source::argument(name) == name {
            true => format!("self.{name}"),
            false => format!("getattr(self, {name:?})"),
        }
    }
}

/// Words of Python, and names that bodies use.
const RESERVED: [&str; 40] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue",
    "def", "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import",
    "in", "is", "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while",
    "with", "yield", "Graph", "self", "torch", "getattr", "float",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_names_of_python() {
        let check = |port: &str, name: &str| assert_eq!(Source::argument(port), name, "{port}");
        check("x", "x");
        check("hidden_2", "hidden_2");
        check("left-hand", "left_hand");
        check("0", "_0");
        check("in", "_in");
        check("self", "_self");
        check("größe", "gr__e");
        check("", "_");
    }
}
