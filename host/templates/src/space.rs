//! Networks with one layer between two linear maps.
//!
//! ```text
//! linear -> one of `layers` -> linear
//! ```
//!
//! Which layer it is and how wide the network is are decisions, `layer` and `width`. The layer must keep the width of its
//! input. Only the task's port `x` is read.

use plugin_api::prelude::*;
use plugin_api::serde_json::json;

/// Networks with one of several layers between two linear maps.
#[component(space = "sandwich")]
struct Sandwich {
    /// Layers to choose from; they must keep the width of their input.
    #[param(default = ["baselines/activation"])]
    layers: Vec<RecipeOf<dyn Layer>>,
    /// Widths to choose from.
    #[param(default = [16, 32, 64], range = "1 <= x")]
    widths: Vec<i64>,
}

impl Space for Sandwich {
    fn supernet(&self, ports: &Ports) -> Result<Option<Arch>> {
        let x = Shapes::new().with("x", port(&ports.inputs, "x")?.clone());
        let (output, _) = (ports.outputs.iter().next()).context("the task wants no output")?;
        let classes = width(&ports.outputs, output)?;
        let linear = Recipe::new("baselines/linear");
        let arch = Arch::new(x)
            .layer(
                "first",
                linear.clone().with("out", json!({ "decide": "width" })),
                &[("x", "in.x")],
            )
            .mix("middle", self.middle(), &[("x", "first.x")])
            .layer("last", linear.with("out", classes), &[("x", "middle.x")])
            .output(output, "last.x")
            .decide(Decision::options("width", self.widths.clone()))
            .decide(Decision::options("layer", self.recipes()));
        Ok(Some(arch))
    }
}

impl Sandwich {
    fn recipes(&self) -> impl Iterator<Item = Recipe> {
        self.layers.iter().map(|layer| layer.recipe.clone())
    }

    /// One of the layers.
    fn middle(&self) -> Mix {
        Mix::new("layer", self.recipes())
    }
}
