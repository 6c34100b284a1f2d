//! The identity, which changes in place what it was only lent.
//!
//! `x`: any shape, which stays. Weight `w`: one number, which is not used.

use plugin_api::prelude::*;

/// The identity, which changes in place what it was only lent.
#[component(layer = "in-place")]
struct InPlace {
    /// Whether it changes its weight; its input otherwise.
    #[param(default = false)]
    weight: bool,
}

impl Layer for InPlace {
    fn weights(&self, _: &Shapes) -> Result<Vec<WeightSpec>> {
        let init = Recipe::new("baselines/zeros");
        Ok(vec![WeightSpec::new("w", &[("number", 1)], init)])
    }

    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        Ok(Shapes::new().with("x", port(inputs, "x")?.clone()))
    }

    fn forward(&self, w: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        let x = x.tensor("x")?;
        // A second handle to the same storage: nothing that is lent can be changed through `&`.
        let mut lent = if self.weight { &w["w"] } else { x }.shallow_clone();
        let _ = lent.f_add_scalar_(1.0)?;
        Ok(Batch::new().with("x", x))
    }
}
