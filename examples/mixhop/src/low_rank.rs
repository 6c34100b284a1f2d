//! Any layer, its weights moved by low-rank additions: `W + scale B A` for each weight of two axes.
//!
//! `B` is `[in, rank]` and begins at zero, so the layer begins as it was; `A` is `[rank, out]`. Ports and shapes are
//! those of the inner layer. Weights: `inner.NAME` as the inner layer declares them, `low.NAME.a` and `low.NAME.b`.
//!
//! Source: Hu et al. 2022, "LoRA".

use plugin_api::prelude::*;

/// Any layer with a learned addition of low rank to each of its matrices (Hu et al. 2022).
#[component(layer = "low-rank")]
struct LowRank {
    /// The layer.
    #[param(example = "baselines/linear")]
    inner: Use<dyn Layer>,
    /// Rank of what is added.
    #[param(default = 4, range = "1 <= x")]
    rank: i64,
    /// What the addition is multiplied by.
    #[param(default = 1.0)]
    scale: f64,
}

impl Layer for LowRank {
    fn weights(&self, inputs: &Shapes) -> Result<Vec<WeightSpec>> {
        let mut weights = vec![];
        for spec in self.inner.weights(inputs)? {
            if let [rows, columns] = spec.size()[..] {
                let part = |side: &str, axes: [(&str, i64); 2], init: &str| WeightSpec {
                    dtype: spec.dtype,
                    ..WeightSpec::new(&format!("low.{}.{side}", spec.name), &axes, init)
                };
                weights.push(part(
                    "b",
                    [("in", rows), ("rank", self.rank)],
                    "baselines/zeros",
                ));
                weights.push(part(
                    "a",
                    [("rank", self.rank), ("out", columns)],
                    "baselines/glorot",
                ));
            }
            weights.push(spec.under("inner."));
        }
        Ok(weights)
    }

    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        self.inner.shapes(inputs)
    }

    fn forward(&self, w: &Tensors, x: &Batch, pass: &dyn Pass) -> Result<Batch> {
        let mut weights = w.under("inner.");
        let low = w.under("low.");
        for (name, weight) in weights.iter_mut() {
            if let (Some(a), Some(b)) =
                (low.get(&format!("{name}.a")), low.get(&format!("{name}.b")))
            {
                *weight = weight
                    .f_add(&b.f_matmul(a)?.f_mul_scalar(self.scale)?)?
                    .into();
            }
        }
        self.inner.forward(
            &weights,
            x,
            &Within {
                outer: pass,
                name: "inner",
                hook: None,
            },
        )
    }
}
