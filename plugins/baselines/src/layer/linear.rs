//! An affine map of the features: `y = x W^T + b`, where `W` is `[out, in]`, as in PyTorch's files.
//!
//! `x`: `[.., in]` to `[.., out]`.

use plugin_api::prelude::*;

/// An affine map of the features: `y = x W^T + b`.
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
    fn out(&self, inputs: &Shapes) -> Result<Axis> {
        let width = width(inputs, "x")?;
        Ok(axis("out", self.out.unwrap_or(width)))
    }
}

impl Layer for Linear {
    fn weights(&self, inputs: &Shapes) -> Result<Vec<WeightSpec>> {
        let out = self.out(inputs)?;
        let weight = WeightSpec::new(
            "weight",
            [out.clone(), last_axis(inputs, "x")?.named("in")],
            "baselines/glorot",
        )
        .tag("prunable");
        let bias = self
            .bias
            .then(|| WeightSpec::new("bias", [out], "baselines/zeros"));
        Ok([weight].into_iter().chain(bias).collect())
    }

    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        Ok(Shapes::new().with("x", with_last_axis(port(inputs, "x")?, self.out(inputs)?)))
    }

    fn forward(&self, w: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        let (weight, bias) = (&w["weight"], w.get("bias").map(|bias| &**bias));
        let y = match x.tensor("x") {
            Ok(x) => x.f_linear(weight, bias)?, // [.., out]
            Err(_) => {
                let y = x.product("x", &weight.f_tr()?)?;
                bias.map_or(Ok(y.shallow_clone()), |bias| y.f_add(bias))?
            }
        };
        Ok(Batch::new().with("x", y))
    }

    fn cost(&self, inputs: &Shapes) -> Result<Vec<Cost>> {
        let features = last_axis(inputs, "x")?.named("in");
        let rows = port(inputs, "x")?.iter().rev().skip(1).cloned();
        let axes = [features, self.out(inputs)?].into_iter().chain(rows);
        Ok(vec![Cost::new("macs", 1.0, axes)])
    }

    fn export(&self, to: &str, inputs: &Shapes) -> Result<Option<Source>> {
        let y = match (to, self.bias) {
            (Source::PYTORCH, true) => "return x @ self.weight.t() + self.bias",
            (Source::PYTORCH, false) => "return x @ self.weight.t()",
            (Source::ONNX, true) => "return x @ Transpose(self.weight, perm=[1, 0]) + self.bias",
            (Source::ONNX, false) => "return x @ Transpose(self.weight, perm=[1, 0])",
            _ => return Ok(None),
        };
        Ok(Some(Source::new(inputs, y)))
    }
}
