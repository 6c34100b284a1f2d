//! Graph convolution that tells a node from its neighbours: `y_i = W_self x_i + W_neighbours mean_j x_j + b`, the mean over
//! the edges `j -> i`, each counted as often as its weight says.
//!
//! `x`: `[nodes, in]`, dense or sparse, to `[nodes, out]`, over `graph`; both `W` are `[out, in]`, as in PyTorch's files. A
//! node without edges has a mean of zeros. The mean is taken of what is mapped, which is the same and mostly narrower.
//! Source: Hamilton et al. 2017, algorithm 1 with the mean aggregator and a sum for the concatenation, as PyTorch
//! Geometric has it.

use plugin_api::prelude::*;
use plugin_api::{onnx, pytorch};

/// Graph convolution with maps of their own for a node and for the mean of its neighbours (Hamilton et al. 2017).
#[component(layer = "sage")]
struct Sage {
    /// Features that come out; as many as come in where it is left out.
    #[param(range = "1 <= x")]
    out: Option<i64>,
}

impl Sage {
    fn out(&self, inputs: &Shapes) -> Result<Axis> {
        let width = width(inputs, "x")?;
        Ok(axis("out", self.out.unwrap_or(width)))
    }
}

impl Layer for Sage {
    fn weights(&self, inputs: &Shapes) -> Result<Vec<WeightSpec>> {
        let out = self.out(inputs)?;
        let features = last_axis(inputs, "x")?.named("in");
        let map = |name: &str| {
            let axes = [out.clone(), features.clone()];
            WeightSpec::new(name, axes, "baselines/glorot").tag("prunable")
        };
        let (of_self, of_neighbours) = (map("self"), map("neighbours"));
        let bias = WeightSpec::new("bias", [out], "baselines/zeros");
        Ok(vec![of_self, of_neighbours, bias])
    }

    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        port(inputs, "graph")?;
        Ok(Shapes::new().with("x", with_last_axis(port(inputs, "x")?, self.out(inputs)?)))
    }

    fn forward(&self, w: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        let own = x.product("x", &w["self"].f_tr()?)?; // [nodes, out]
        let messages = x.product("x", &w["neighbours"].f_tr()?)?;
        let mean = x.graph("graph")?.mean(&messages.into())?;
        Ok(Batch::new().with("x", own.f_add(&mean)?.f_add(&w["bias"])?))
    }

    /// Of both maps, a node; what runs over the edges is not counted, as no shape tells their number.
    fn cost(&self, inputs: &Shapes) -> Result<Vec<Cost>> {
        let features = last_axis(inputs, "x")?.named("in");
        let rows = port(inputs, "x")?.iter().rev().skip(1).cloned();
        let axes = [features, self.out(inputs)?].into_iter().chain(rows);
        Ok(vec![Cost::new("macs", 2.0, axes)])
    }

    fn export(&self, to: &str, inputs: &Shapes) -> Result<Option<Source>> {
        let (edges, mean) = (pytorch::edges("graph", "h"), pytorch::mean("graph", "h"));
        let forward = format!(
            "\
h = x @ self.neighbours.t()
{edges}
{mean}
return x @ self.self.t() + mean + self.bias"
        );
        match to {
            Source::PYTORCH => Ok(Some(Source::new(inputs, forward))),
            Source::ONNX => Ok(Some(Source::new(inputs, onnx()))),
            _ => Ok(None),
        }
    }
}

fn onnx() -> String {
    let (edges, mean) = (onnx::edges("graph"), onnx::mean("graph", "h"));
    format!(
        "\
h = x @ Transpose(self.neighbours, perm=[1, 0])
{edges}
{mean}
return x @ Transpose(self.self, perm=[1, 0]) + mean + self.bias"
    )
}
