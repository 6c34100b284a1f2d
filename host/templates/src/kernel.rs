//! Similarity by a polynomial of the inner product: `k(x, y) = (1 + x y / in)^degree`.
//!
//! `x`: `[samples, in]`. It has nothing to learn, and looks at no network.

use plugin_api::prelude::*;

/// A polynomial of the inner product: `(1 + x y / in)^degree`.
#[component(kernel = "polynomial")]
struct Polynomial {
    /// The polynomial's degree.
    #[param(default = 2, range = "1 <= x <= 16")]
    degree: i64,
}

impl Kernel for Polynomial {
    fn gram(
        &self,
        _: &Tensors,
        x: &Batch,
        y: &Batch,
        _: Option<&dyn Session>,
    ) -> Result<plugin_api::Tensor> {
        let (x, y) = (x.tensor("x")?, y.tensor("x")?);
        self.of_products(&x.f_matmul(&y.f_tr()?)?, x)
    }

    fn diagonal(
        &self,
        _: &Tensors,
        x: &Batch,
        _: Option<&dyn Session>,
    ) -> Result<plugin_api::Tensor> {
        let x = x.tensor("x")?;
        let products = x.f_square()?.f_sum_dim_intlist(-1, false, None::<Kind>)?;
        self.of_products(&products, x)
    }
}

impl Polynomial {
    /// What becomes of inner products of rows of `x`.
    fn of_products(&self, products: &Tensor, x: &Tensor) -> Result<plugin_api::Tensor> {
        let (_, features) = x.size2()?;
        let one_more = products.f_div_scalar(features as f64)?.f_add_scalar(1.0)?;
        Ok(one_more.f_pow_tensor_scalar(self.degree)?.into())
    }
}
