//! Similarity that falls with the distance: `k(x, y) = exp(-|x - y|^2 / (2 l^2))`.
//!
//! `x`: `[samples, ..]`; `l` is learned as its logarithm. Source: Rasmussen & Williams 2006, equation 4.9.

use plugin_api::prelude::*;

/// The radial basis function, or Gaussian kernel: `exp(-|x - y|^2 / (2 length^2))`.
#[component(kernel = "rbf")]
struct Rbf {
    /// The distance over which similarity falls, to begin with.
    #[param(default = 1.0, range = "0 < x")]
    length: f64,
}

impl Kernel for Rbf {
    fn weights(&self) -> Result<Vec<WeightSpec>> {
        let init = Recipe::new("baselines/constant").with("value", self.length.ln());
        Ok(vec![WeightSpec::new("log-length", &[("one", 1)], init)])
    }

    fn gram(
        &self,
        w: &Tensors,
        x: &Batch,
        y: &Batch,
        _: Option<&dyn Session>,
    ) -> Result<plugin_api::Tensor> {
        let (x, y) = (rows(x)?, rows(y)?);
        // `|x - y|^2 = |x|^2 + |y|^2 - 2 x y`, about the mean of `y`, which costs no digits and leaves distances alone.
        let mean = y.f_mean_dim(0_i64, true, None::<Kind>)?.f_detach()?;
        let (x, y) = (x.f_sub(&mean)?, y.f_sub(&mean)?);
        let squares = |t: &Tensor| t.f_square()?.f_sum_dim_intlist(-1, true, None::<Kind>);
        let distance = squares(&x)?
            .f_add(&squares(&y)?.f_transpose(0, 1)?)?
            .f_sub(&x.f_matmul(&y.f_transpose(0, 1)?)?.f_mul_scalar(2.0)?)?
            .f_clamp_min(0.0)?; // [x, y], squared
        let length = w["log-length"].f_to_kind(x.kind())?.f_exp()?;
        let scale = length.f_square()?.f_mul_scalar(-2.0)?;
        Ok(distance.f_div(&scale)?.f_exp()?.into())
    }

    fn diagonal(
        &self,
        _: &Tensors,
        x: &Batch,
        _: Option<&dyn Session>,
    ) -> Result<plugin_api::Tensor> {
        let x = rows(x)?;
        Ok(Tensor::f_ones([x.size()[0]], (x.kind(), x.device()))?.into())
    }
}

/// The samples as rows: `[samples, features]`.
fn rows(x: &Batch) -> Result<Tensor> {
    let x = x.tensor("x")?;
    ensure!(x.dim() > 0, "`x` is one number, of no sample");
    Ok(x.f_flatten(1, -1)?)
}
