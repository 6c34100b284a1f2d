//! The identity, which misbehaves when it is run.
//!
//! `x`: any shape, which stays.

use plugin_api::prelude::*;

use crate::how::How;

/// The identity, which misbehaves when it is run.
#[component(layer = "faulty")]
struct Faulty {
    /// How it misbehaves.
    #[param(default = "none")]
    how: How,
}

impl Layer for Faulty {
    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        Ok(Shapes::new().with("x", port(inputs, "x")?.clone()))
    }

    fn forward(&self, _: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        self.how.misbehave()?;
        Ok(Batch::new().with("x", x.tensor("x")?))
    }
}
