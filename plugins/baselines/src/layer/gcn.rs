//! Graph convolution: `y = D^-1/2 (A + I) D^-1/2 x W + b`, where `D` holds the degrees of `A + I`.
//!
//! `x`: `[nodes, in]` to `[nodes, out]`, over `graph`. Source: Kipf & Welling 2017, equation 2.

use plugin_api::prelude::*;
use plugin_api::{onnx, pytorch};

/// Graph convolution (Kipf & Welling 2017): `y = D^-1/2 (A + I) D^-1/2 x W + b`.
#[component(layer = "gcn")]
struct Gcn {
    /// Features that come out; as many as come in where it is left out.
    #[param(range = "1 <= x")]
    out: Option<i64>,
}

impl Gcn {
    fn out(&self, inputs: &Shapes) -> Result<Axis> {
        let width = width(inputs, "x")?;
        Ok(axis("out", self.out.unwrap_or(width)))
    }
}

impl Layer for Gcn {
    fn weights(&self, inputs: &Shapes) -> Result<Vec<WeightSpec>> {
        let out = self.out(inputs)?;
        Ok(vec![
            WeightSpec::new(
                "weight",
                [last_axis(inputs, "x")?.named("in"), out.clone()],
                "baselines/glorot",
            )
            .tag("prunable"),
            WeightSpec::new("bias", [out], "baselines/zeros"),
        ])
    }

    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        port(inputs, "graph")?;
        Ok(Shapes::new().with("x", with_last_axis(port(inputs, "x")?, self.out(inputs)?)))
    }

    fn forward(&self, w: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        let messages = x.product("x", &w["weight"])?; // [nodes, out]
        let y = x
            .graph("graph")?
            .with_self_loops()?
            .normalised()?
            .matmul(&messages)?;
        Ok(Batch::new().with("x", y.f_add(&w["bias"])?))
    }

    /// Of `x W`, a node; what runs over the edges is not counted, as no shape tells their number.
    fn cost(&self, inputs: &Shapes) -> Result<Vec<Cost>> {
        let features = last_axis(inputs, "x")?.named("in");
        let rows = port(inputs, "x")?.iter().rev().skip(1).cloned();
        let axes = [features, self.out(inputs)?].into_iter().chain(rows);
        Ok(vec![Cost::new("macs", 1.0, axes)])
    }

    fn export(&self, to: &str, inputs: &Shapes) -> Result<Option<Source>> {
        let looped = pytorch::with_self_loops("graph", "h");
        let normalised = pytorch::normalised("graph", "h");
        let y = pytorch::matmul("graph", "h");
        let forward =
            format!("h = x @ self.weight\n{looped}\n{normalised}\nreturn {y} + self.bias");
        match to {
            Source::PYTORCH => Ok(Some(Source::new(inputs, forward))),
            Source::ONNX => Ok(Some(Source::new(inputs, onnx()))),
            _ => Ok(None),
        }
    }
}

fn onnx() -> String {
    let (looped, normalised) = (onnx::with_self_loops("graph"), onnx::normalised("graph"));
    let y = onnx::matmul("graph", "y", "h");
    format!("h = x @ self.weight\n{looped}\n{normalised}\n{y}\nreturn y + self.bias")
}
