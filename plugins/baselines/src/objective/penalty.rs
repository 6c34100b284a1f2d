//! A price on weights: `rate sum |w|`, which makes many of them zero (`l1`), or `rate / 2 sum w^2`, which keeps them small
//! (`l2`).
//!
//! The weights are those that a pass uses: generated ones too, after masks. `l2` has the gradient of the transform
//! `weight-decay`, which costs less. Source: Tibshirani 1996 (`l1`), Hoerl & Kennard 1970 (`l2`).

use plugin_api::prelude::*;
use plugin_api::{schemars, serde};

/// A price on the size of weights (Tibshirani 1996, Hoerl & Kennard 1970).
#[component(objective = "penalty")]
struct Penalty {
    /// What of the weights has a price.
    #[param(default = "l2")]
    norm: Norm,
    /// The price.
    #[param(default = 1e-4, range = "0 <= x")]
    rate: f64,
    /// Which weights, as a selector.
    #[param(default = "#prunable")]
    select: String,
}

/// What of the weights has a price.
#[derive(Clone, Copy, serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "plugin_api::serde", rename_all = "kebab-case")]
#[schemars(crate = "plugin_api::schemars", inline)]
enum Norm {
    /// The sum of their absolute values.
    L1,
    /// Half of the sum of their squares.
    L2,
}

impl Objective for Penalty {
    fn needs(&self) -> Result<Needs> {
        Ok(Needs {
            weights: Some(self.select.clone()),
            ..Needs::default()
        })
    }

    fn value(&self, seen: &Seen, _: &Batch, _: &Named<Seen>) -> Result<Option<plugin_api::Tensor>> {
        let mut sum: Option<Tensor> = None;
        for weight in seen.taps.under("weight:").values() {
            let size = match self.norm {
                Norm::L1 => weight.f_abs()?,
                Norm::L2 => weight.f_square()?.f_mul_scalar(0.5)?,
            };
            let size = size.f_sum(weight.kind())?;
            sum = Some(match sum {
                Some(sum) => sum.f_add(&size)?,
                None => size,
            });
        }
        let sum = sum.ok_or_else(|| {
            Error::new(format!("`{}` selects no weight", self.select))
                .help("weights are selected by path, by a prefix and `*`, or by `#tag`")
        })?;
        Ok(Some(sum.f_mul_scalar(self.rate)?.into()))
    }
}
