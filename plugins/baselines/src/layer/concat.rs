//! All inputs, one after the other along an axis.
//!
//! Any ports, alike but for that axis, to `x`.

use plugin_api::prelude::*;

/// All inputs, one after the other along an axis.
#[component(layer = "concat")]
struct Concat {
    /// The axis, counted from 0: 1 is that of features or channels.
    #[param(default = 1)]
    axis: usize,
}

impl Layer for Concat {
    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        let mut shapes = inputs.iter();
        let (_, first) = shapes.next().context("nothing comes in")?;
        // Alike, whatever their lengths along the axis.
        let but_one = |shape: &[Axis]| {
            let mut shape = shape.to_vec();
            if let Some(along) = shape.get_mut(self.axis) {
                *along = axis(&along.name, None);
            }
            shape
        };
        for (port, shape) in shapes {
            if !fits(&but_one(shape), &but_one(first)) {
                return Err(
                    Error::new(format!("input `{port}` cannot follow the others"))
                        .found(show(shape))
                        .expected(format!("{} but for its axis {}", show(first), self.axis))
                        .into(),
                );
            }
        }
        let mut shape = first.clone();
        let along = shape.get_mut(self.axis).ok_or_else(|| {
            Error::new(format!("the inputs have no axis {}", self.axis)).found(show(first))
        })?;
        *along = Axis::sum(&along.name, inputs.values().map(|s| s[self.axis].clone()));
        Ok(Shapes::new().with("x", shape))
    }

    fn forward(&self, _: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        let parts = x.names().map(|port| x.tensor(port));
        let parts = parts.collect::<Result<Vec<&Tensor>>>()?;
        Ok(Batch::new().with("x", Tensor::f_cat(&parts, i64::try_from(self.axis)?)?))
    }

    fn export(&self, to: &str, inputs: &Shapes) -> Result<Option<Source>> {
        let parts: Vec<String> = inputs.names().map(Source::argument).collect();
        let whole = match to {
            Source::PYTORCH => format!("return torch.cat([{}], {})", parts.join(", "), self.axis),
            Source::ONNX => format!("return Concat({}, axis={})", parts.join(", "), self.axis),
            _ => return Ok(None),
        };
        Ok(Some(Source::new(inputs, whole)))
    }
}
