//! Propagation that keeps going back to where it began, as personalised PageRank does:
//!
//! ```text
//! z_0 = x,   z_k = (1 - teleport) A z_{k-1} + teleport x,   A = D^-1/2 (graph + I) D^-1/2
//! ```
//!
//! where `D` holds the degrees of `graph + I`. `x`: `[nodes, features]`, which stays, over `graph`; what comes out is `z`
//! after all hops. Source: Klicpera et al. 2019, equation 5.

use plugin_api::prelude::*;
use plugin_api::{onnx, pytorch};

/// Averages over neighbours again and again, each time with a share of what a node began with (Klicpera et al. 2019).
#[component(layer = "appnp")]
struct Appnp {
    /// How often neighbours are averaged over.
    #[param(default = 10, range = "1 <= x")]
    hops: i64,
    /// Share of what a node began with.
    #[param(default = 0.1, range = "0 <= x <= 1")]
    teleport: f64,
}

impl Layer for Appnp {
    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        port(inputs, "graph")?;
        Ok(Shapes::new().with("x", port(inputs, "x")?.clone()))
    }

    fn forward(&self, _: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        let graph = x.graph("graph")?.with_self_loops()?.normalised()?;
        let x = x.tensor("x")?;
        let began = x.f_mul_scalar(self.teleport)?;
        let mut z = x.shallow_clone();
        for _ in 0..self.hops {
            let around = graph.matmul(&z)?;
            z = around.f_mul_scalar(1.0 - self.teleport)?.f_add(&began)?;
        }
        Ok(Batch::new().with("x", z))
    }

    fn fixed(&self) -> bool {
        true
    }

    fn export(&self, to: &str, inputs: &Shapes) -> Result<Option<Source>> {
        let looped = pytorch::with_self_loops("graph", "x");
        let normalised = pytorch::normalised("graph", "x");
        let around = pytorch::matmul("graph", "z");
        let (hops, stay, teleport) = (self.hops, 1.0 - self.teleport, self.teleport);
        let forward = format!(
            "\
{looped}
{normalised}
z = x
for _ in range({hops}):
    z = {stay:?} * {around} + {teleport:?} * x
return z"
        );
        match to {
            Source::PYTORCH => Ok(Some(Source::new(inputs, forward))),
            Source::ONNX => Ok(Some(Source::new(inputs, self.onnx()))),
            _ => Ok(None),
        }
    }
}

impl Appnp {
    fn onnx(&self) -> String {
        let (looped, normalised) = (onnx::with_self_loops("graph"), onnx::normalised("graph"));
        let around = onnx::matmul("graph", "around", "z");
        let (stay, teleport) = (1.0 - self.teleport, self.teleport);
        let hop = format!("{around}\nz = {stay:?} * around + {teleport:?} * x\n");
        let hops = hop.repeat(usize::try_from(self.hops).unwrap_or_default());
        format!("{looped}\n{normalised}\nz = x\n{hops}return z")
    }
}
