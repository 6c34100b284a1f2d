//! What comes in, as it is: the operation `skip_connect` of cells.
//!
//! `x`: any shape, which stays.

use plugin_api::prelude::*;

/// What comes in, as it is: an option of a choice that changes nothing.
#[component(layer = "identity")]
struct Identity {}

impl Layer for Identity {
    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        Ok(Shapes::new().with("x", port(inputs, "x")?.clone()))
    }

    fn forward(&self, _: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        Ok(Batch::new().with("x", x.tensor("x")?.shallow_clone()))
    }

    fn export(&self, to: &str, inputs: &Shapes) -> Result<Option<Source>> {
        let written = matches!(to, Source::PYTORCH | Source::ONNX);
        Ok(written.then(|| Source::new(inputs, "return x")))
    }
}
