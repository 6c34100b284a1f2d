//! The identity, which changes its weight in place.
//!
//! `x`: any shape, which stays. Weight `w`: one number.

use plugin_api::prelude::*;

/// The identity, which changes its weight in place.
#[component(layer = "in-place")]
struct InPlace {}

impl Layer for InPlace {
    fn weights(&self, _: &Shapes) -> Result<Vec<WeightSpec>> {
        let init = Recipe::new("baselines/zeros");
        Ok(vec![WeightSpec::new("w", &[("number", 1)], init)])
    }

    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        Ok(Shapes::new().with("x", port(inputs, "x")?.clone()))
    }

    fn forward(&self, w: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        // A second handle to the same storage: what is lent cannot be changed through `&`.
        let _ = w["w"].shallow_clone().f_add_scalar_(1.0)?;
        Ok(Batch::new().with("x", x.tensor("x")?))
    }
}
