//! A learned factor for each feature: `y = x * scale`.
//!
//! `x`: `[.., features]` to `[.., features]`. Weight: `scale` `[features]`.

use plugin_api::prelude::*;

/// Multiplies each feature by a learned factor: `y = x * scale`.
#[component(layer = "scale")]
struct Scale {
    /// What the factors begin with.
    #[param(default = 1.0, range = "0 < x")]
    start: f64,
}

impl Layer for Scale {
    fn weights(&self, inputs: &Shapes) -> Result<Vec<WeightSpec>> {
        let features = last_axis(inputs, "x")?;
        let start = Recipe::new("baselines/constant").with("value", self.start);
        Ok(vec![WeightSpec::new("scale", [features], start)])
    }

    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        Ok(Shapes::new().with("x", port(inputs, "x")?.clone()))
    }

    fn forward(&self, w: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        let y = x.tensor("x")?.f_mul(&w["scale"])?; // [.., features]
        Ok(Batch::new().with("x", y))
    }

    fn export(&self, to: &str, inputs: &Shapes) -> Result<Option<Source>> {
        Ok((to == Source::PYTORCH).then(|| Source::new(inputs, "return x * self.scale")))
    }
}
