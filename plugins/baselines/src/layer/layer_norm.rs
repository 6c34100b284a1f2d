//! Layer normalisation of the features: `y = (x - mean) / sqrt(var + eps) * weight + bias`, each sample by the mean and
//! variance of its own features.
//!
//! `x`: `[.., features]`, which stays. Units that are cut leave mean and variance, too; masked ones stay in them as zeros.
//! Source: Ba et al. 2016.

use plugin_api::prelude::*;

/// Normalises the features of each sample (Ba et al. 2016).
#[component(layer = "layer-norm")]
struct LayerNorm {
    /// What is added to the variance.
    #[param(default = 1e-5, range = "0 < x")]
    eps: f64,
}

impl Layer for LayerNorm {
    fn weights(&self, inputs: &Shapes) -> Result<Vec<WeightSpec>> {
        let features = last_axis(inputs, "x")?;
        let ones = Recipe::new("baselines/constant").with("value", 1.0);
        Ok(vec![
            WeightSpec::new("weight", [features.clone()], ones).tag("norm"),
            WeightSpec::new("bias", [features], "baselines/zeros").tag("norm"),
        ])
    }

    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        last_axis(inputs, "x")?;
        Ok(Shapes::new().with("x", port(inputs, "x")?.clone()))
    }

    fn forward(&self, w: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        let (weight, bias) = (&w["weight"], &w["bias"]);
        let x = x.tensor("x")?;
        let y = x.f_layer_norm(weight.size(), Some(weight), Some(bias), self.eps, true)?;
        Ok(Batch::new().with("x", y))
    }

    fn export(&self, to: &str, inputs: &Shapes) -> Result<Option<Source>> {
        let eps = self.eps;
        let y = match to {
            Source::PYTORCH => {
                format!("return torch.layer_norm(x, [x.size(-1)], self.weight, self.bias, {eps:?})")
            }
            Source::ONNX => {
                format!("return LayerNormalization(x, self.weight, self.bias, epsilon={eps:?})")
            }
            _ => return Ok(None),
        };
        Ok(Some(Source::new(inputs, y)))
    }
}
