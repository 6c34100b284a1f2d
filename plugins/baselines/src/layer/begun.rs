//! Any layer, its weights begun another way than it asks for.
//!
//! Weights, ports and shapes are those of the inner layer.

use plugin_api::prelude::*;

/// Any layer, with an initializer of the experiment's choice for its weights.
#[component(layer = "begun")]
struct Begun {
    /// The layer.
    #[param(example = "baselines/linear")]
    inner: Use<dyn Layer>,
    /// What its weights begin with.
    #[param(example = "baselines/normal")]
    init: RecipeOf<dyn Initializer>,
    /// Which of its weights: names and selectors, joined by commas.
    #[param(default = "model")]
    weights: String,
}

impl Layer for Begun {
    fn weights(&self, inputs: &Shapes) -> Result<Vec<WeightSpec>> {
        let mut specs = self.inner.weights(inputs)?;
        for spec in &mut specs {
            if spec.matches(&self.weights) {
                spec.init = self.init.recipe.clone();
            }
        }
        Ok(specs)
    }

    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        self.inner.shapes(inputs)
    }

    fn forward(&self, w: &Tensors, x: &Batch, pass: &dyn Pass) -> Result<Batch> {
        self.inner.forward(w, x, pass)
    }

    fn cost(&self, inputs: &Shapes) -> Result<Vec<Cost>> {
        self.inner.cost(inputs)
    }

    fn ignores_inputs(&self) -> bool {
        self.inner.ignores_inputs()
    }

    fn export(&self, to: &str, inputs: &Shapes) -> Result<Option<Source>> {
        self.inner.export(to, inputs)
    }
}
