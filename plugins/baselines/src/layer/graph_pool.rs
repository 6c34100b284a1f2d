//! One row for each group of rows: the nodes of a graph, the documents of a query, the instances of a bag.
//!
//! `x`: `[rows, features]` to `[groups, features]`, over `groups`, a graph from rows to groups as `Graph::members` makes it;
//! a row counts in a sum or mean as often as its edge's weight says. A group without rows is zeros.
//! Source: the readouts of Xu et al. 2019, section 4.2.

use plugin_api::prelude::*;
use plugin_api::{onnx, pytorch};
use plugin_api::{schemars, serde};

/// The sum, mean or largest of the rows of each group, such as the nodes of each graph.
#[component(layer = "graph-pool")]
struct GraphPool {
    /// What becomes of a group.
    #[param(default = "mean")]
    kind: Kind,
}

/// What becomes of a group.
#[derive(Clone, Copy, serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "plugin_api::serde", rename_all = "kebab-case")]
#[schemars(crate = "plugin_api::schemars", inline)]
enum Kind {
    /// The sum of its rows.
    Sum,
    /// Their mean.
    Mean,
    /// The largest of each feature.
    Max,
}

/// How PyTorch writes the largest of each feature: an edge of weight 0 is as if it were not there.
const LARGEST: &str = "\
sources, targets, weight = groups.sources, groups.targets, groups.weight
if weight is not None:
    sources, targets = sources[weight != 0], targets[weight != 0]
index = targets.unsqueeze(1).expand(-1, x.size(1))
y = x.new_zeros([groups.nodes, x.size(1)])
return y.scatter_reduce(0, index, x[sources], \"amax\", include_self=False)";

impl Layer for GraphPool {
    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        let (x, groups) = (port(inputs, "x")?, port(inputs, "groups")?);
        let ([_, features], [groups]) = (x.as_slice(), groups.as_slice()) else {
            return Err(Error::new("groups are made of rows")
                .found(format!("x {}, groups {}", show(x), show(groups)))
                .expected("x [rows, features], groups [groups]")
                .into());
        };
        Ok(Shapes::new().with("x", vec![groups.clone(), features.clone()]))
    }

    fn forward(&self, _: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        let (x, groups) = (x.tensor("x")?, x.graph("groups")?);
        let y = match self.kind {
            Kind::Sum => groups.matmul(x)?.into(),
            Kind::Mean => groups.mean(&x.into())?,
            Kind::Max => groups.max(&x.into())?,
        };
        Ok(Batch::new().with("x", y))
    }

    fn export(&self, to: &str, inputs: &Shapes) -> Result<Option<Source>> {
        let forward = match to {
            Source::PYTORCH => self.kind.pytorch(),
            Source::ONNX => self.kind.onnx(),
            _ => return Ok(None),
        };
        Ok(Some(Source::new(inputs, forward)))
    }
}

impl Kind {
    fn pytorch(self) -> String {
        let edges = pytorch::edges("groups", "x");
        match self {
            Kind::Sum => format!("{edges}\nreturn {}", pytorch::matmul("groups", "x")),
            Kind::Mean => format!("{edges}\n{}\nreturn mean", pytorch::mean("groups", "x")),
            Kind::Max => LARGEST.into(),
        }
    }

    fn onnx(self) -> String {
        let edges = onnx::edges("groups");
        match self {
            Kind::Sum => format!("{edges}\n{}\nreturn y", onnx::matmul("groups", "y", "x")),
            Kind::Mean => format!("{edges}\n{}\nreturn mean", onnx::mean("groups", "x")),
            Kind::Max => {
                // Below all features; what keeps it has no rows.
                let lowest = -3e38;
                let largest = onnx::gathered("groups", "y", "rows", "max", lowest);
                format!(
                    "\
there = Not(Equal(groups.weight, 0.0))
targets = Compress(groups.targets, there, axis=0)
rows = Gather(x, Compress(groups.sources, there, axis=0))
{largest}
return Where(Equal(y, {lowest:?}), 0.0, y)"
                )
            }
        }
    }
}
