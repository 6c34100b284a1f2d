//! The sum of all inputs.
//!
//! Any ports, all of the same shape, to `x` of that shape.

use plugin_api::prelude::*;

/// The sum of all inputs, which are alike.
#[component(layer = "add")]
struct Add {}

impl Layer for Add {
    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        let mut shapes = inputs.iter();
        let (_, first) = shapes.next().context("nothing comes in")?;
        for (port, shape) in shapes {
            if !fits(shape, first) {
                return Err(Error::new(format!("input `{port}` cannot be added"))
                    .found(show(shape))
                    .expected(show(first))
                    .into());
            }
        }
        Ok(Shapes::new().with("x", first.clone()))
    }

    fn forward(&self, _: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        let mut sum: Option<Tensor> = None;
        for port in x.names() {
            let x = x.tensor(port)?;
            sum = Some(match sum {
                Some(sum) => sum.f_add(x)?,
                None => x.shallow_clone(),
            });
        }
        Ok(Batch::new().with("x", sum.context("nothing comes in")?))
    }

    fn export(&self, to: &str, inputs: &Shapes) -> Result<Option<Source>> {
        let parts: Vec<String> = inputs.names().map(Source::argument).collect();
        let sum = format!("return {}", parts.join(" + "));
        let written = matches!(to, Source::PYTORCH | Source::ONNX);
        Ok(written.then(|| Source::new(inputs, sum)))
    }
}
