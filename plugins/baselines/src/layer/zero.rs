//! Zeros in the shape of what comes in: the operation `none` of cells, an edge that carries nothing.
//!
//! `x`: any shape, which stays. Its gradient is zero too, so what stands before it stays a part of the network. Source:
//! Liu et al. 2019, section 2.1.

use plugin_api::prelude::*;

/// Zeros in the shape of what comes in: an edge that carries nothing (Liu et al. 2019).
#[component(layer = "zero")]
struct Zero {}

impl Layer for Zero {
    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        Ok(Shapes::new().with("x", port(inputs, "x")?.clone()))
    }

    fn forward(&self, _: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        Ok(Batch::new().with("x", x.tensor("x")?.f_mul_scalar(0.0)?))
    }

    fn ignores_inputs(&self) -> bool {
        true
    }

    fn export(&self, to: &str, inputs: &Shapes) -> Result<Option<Source>> {
        let y = match to {
            Source::PYTORCH => "return 0 * x",
            Source::ONNX => "return 0.0 * x",
            _ => return Ok(None),
        };
        Ok(Some(Source::new(inputs, y)))
    }
}
