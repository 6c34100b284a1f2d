//! An affine map of the features: `y = x W + b`.
//!
//! `x`: `[.., in]` to `[.., out]`.

use plugin_api::prelude::*;

/// An affine map of the features: `y = x W + b`.
#[component(layer = "linear")]
struct Linear {
    /// Features that come out; as many as come in where it is left out.
    #[param(range = "1 <= x")]
    out: Option<i64>,
    /// Whether to add a learned `b`.
    #[param(default = true)]
    bias: bool,
}

impl Linear {
    fn width(&self, inputs: &Shapes) -> Result<i64> {
        let width = last_axis(inputs, "x")?;
        Ok(self.out.unwrap_or(width))
    }
}

impl Layer for Linear {
    fn weights(&self, inputs: &Shapes) -> Result<Vec<WeightSpec>> {
        let out = self.width(inputs)?;
        let weight = WeightSpec::new(
            "weight",
            &[("in", last_axis(inputs, "x")?), ("out", out)],
            "baselines/glorot",
        )
        .tag("prunable");
        let bias = self
            .bias
            .then(|| WeightSpec::new("bias", &[("out", out)], "baselines/zeros"));
        Ok([weight].into_iter().chain(bias).collect())
    }

    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        Ok(Shapes::new().with("x", with_last_axis(port(inputs, "x")?, self.width(inputs)?)))
    }

    fn forward(&self, w: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        let y = x.tensor("x")?.f_matmul(&w["weight"])?; // [.., out]
        let y = match w.get("bias") {
            Some(bias) => y.f_add(bias)?,
            None => y,
        };
        Ok(Batch::new().with("x", y))
    }
}
