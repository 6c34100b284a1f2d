//! All axes but the first as one.
//!
//! `x`: `[batch, ..]` to `[batch, features]`.

use plugin_api::prelude::*;

/// All axes but the first as one.
#[component(layer = "flatten")]
struct Flatten {}

impl Layer for Flatten {
    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        let x = port(inputs, "x")?;
        let [batch, rest @ ..] = x.as_slice() else {
            return Err(Error::new("a single number cannot be flattened").into());
        };
        let features = Axis::product("features", rest.iter().cloned());
        Ok(Shapes::new().with("x", vec![batch.clone(), features]))
    }

    fn forward(&self, _: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        Ok(Batch::new().with("x", x.tensor("x")?.f_flatten(1, -1)?))
    }

    fn export(&self, to: &str, inputs: &Shapes) -> Result<Option<Source>> {
        let y = match to {
            Source::PYTORCH => "return x.flatten(1)",
            Source::ONNX => "return Flatten(x, axis=1)",
            _ => return Ok(None),
        };
        Ok(Some(Source::new(inputs, y)))
    }
}
