//! All weights from one small pool of numbers, which goes round: weight sharing.
//!
//! ```text
//! weight[j] = pool[(before + j) mod size] / sqrt(in)
//! ```
//!
//! `before` counts the elements of the targets before this one, `in` is the length of its first axis, so that what comes
//! out has the variance `1 / in` that a layer wants. Own weight: `pool` `[size]`. The condition is not looked at.

use plugin_api::prelude::*;

/// Makes all weights from one small pool of learned numbers.
#[component(hypernet = "pool")]
struct Pool {
    /// How many numbers there are.
    #[param(default = 256, range = "1 <= x")]
    size: i64,
}

impl Hypernet for Pool {
    fn weights(&self, _: &[WeightSpec]) -> Result<Vec<WeightSpec>> {
        // Uniform numbers of variance 1.
        let bound = 3.0_f64.sqrt();
        let start = Recipe::new("baselines/uniform")
            .with("low", -bound)
            .with("high", bound);
        Ok(vec![WeightSpec::new("pool", &[("size", self.size)], start)])
    }

    fn generate(&self, w: &Tensors, _: &Batch, target: &[WeightSpec]) -> Result<Tensors> {
        let pool = &w["pool"];
        let size = pool.size1()?;
        let mut made = Tensors::new();
        let mut before = 0;
        for spec in target {
            let n = spec.numel();
            let options = (Kind::Int64, pool.device());
            let places = Tensor::f_arange_start(before, before + n, options)?.f_remainder(size)?;
            let fan_in = spec.size().first().copied().unwrap_or(1);
            let weight = pool
                .f_index_select(0, &places)?
                .f_div_scalar((fan_in as f64).sqrt())?
                .f_view(&spec.size()[..])?;
            made.put(&spec.name, weight);
            before += n;
        }
        Ok(made)
    }
}
