//! A small network that makes another one's weights from an embedding that it learns.
//!
//! ```text
//! h = tanh(z W + b),   weight PATH = h head.PATH + bias.PATH
//! ```
//!
//! Own weights: `z` `[embedding]`, `hidden.weight` `[embedding, hidden]`, `hidden.bias` `[hidden]`, and for each target
//! of `n` elements `head.PATH` `[hidden, n]` and `bias.PATH` `[n]`. The condition is not looked at.
//!
//! Source: Ha et al. 2017, "HyperNetworks", with one head a weight; the scale is that of Chang et al. 2020,
//! "Principled Weight Initialization for Hypernetworks": what is generated has the variance `1 / in` that its layer
//! wants, where `in` counts what goes into a unit of the target (see [`fans`]).

use plugin_api::prelude::*;

use super::TANH_POWER;
use crate::initializer::fans;

/// Makes weights from a learned embedding: a hidden layer, then a linear head for each weight (Ha et al. 2017).
#[component(hypernet = "mlp")]
struct Mlp {
    /// Length of the embedding.
    #[param(default = 32, range = "1 <= x")]
    embedding: i64,
    /// Width of the hidden layer.
    #[param(default = 64, range = "1 <= x")]
    hidden: i64,
}

impl Hypernet for Mlp {
    fn weights(&self, target: &[WeightSpec]) -> Result<Vec<WeightSpec>> {
        let (embedding, hidden) = (("embedding", self.embedding), ("hidden", self.hidden));
        let mut weights = vec![
            WeightSpec::new("z", &[embedding], of_variance(1.0)),
            // Over the embedding's mean square of 1, hidden units begin with variance 1 before `tanh`.
            WeightSpec::new(
                "hidden.weight",
                &[embedding, hidden],
                of_variance(1.0 / self.embedding as f64),
            ),
            WeightSpec::new("hidden.bias", &[hidden], "baselines/zeros"),
        ];
        for spec in target {
            let n = ("elements", spec.numel());
            let into = fans(spec).map_or(1.0, |(into, _)| into);
            let variance = 1.0 / (into * self.hidden as f64 * TANH_POWER);
            weights.push(WeightSpec::new(
                &format!("head.{}", spec.name),
                &[hidden, n],
                of_variance(variance),
            ));
            weights.push(WeightSpec::new(
                &format!("bias.{}", spec.name),
                &[n],
                "baselines/zeros",
            ));
        }
        Ok(weights)
    }

    fn generate(&self, w: &Tensors, _: &Batch, target: &[WeightSpec]) -> Result<Tensors> {
        let hidden = w["z"]
            .f_unsqueeze(0)?
            .f_matmul(&w["hidden.weight"])?
            .f_add(&w["hidden.bias"])?
            .f_tanh()?; // [1, hidden]
        let mut made = Tensors::new();
        for spec in target {
            let flat = hidden
                .f_matmul(&w[&format!("head.{}", spec.name)])?
                .f_add(&w[&format!("bias.{}", spec.name)])?;
            made.put(&spec.name, flat.f_view(&spec.size()[..])?);
        }
        Ok(made)
    }
}

/// Uniform around zero, of this variance.
fn of_variance(variance: f64) -> Recipe {
    let bound = (3.0 * variance).sqrt();
    Recipe::new("baselines/uniform")
        .with("low", -bound)
        .with("high", bound)
}
