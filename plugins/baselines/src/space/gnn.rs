//! Networks of equal slots, for graphs or without.
//!
//! ```text
//! linear -> depth x (one of `layers` -> activation -> dropout) -> linear
//! ```
//!
//! What stands in each slot is a decision of its own (`layer-0`, `layer-1`, …); `width`, `activation` and `dropout` are
//! decided for the whole network. Layers in slots keep the width: their `out` is left out. Where the task has a port
//! `graph`, they get it too.

use plugin_api::prelude::*;

use super::{decided, output, some_of_each};

/// Networks of equal slots, each filled with one of several layers; for tasks with a graph and without.
#[component(space = "gnn")]
struct Gnn {
    /// Layers that a slot may be filled with; they must keep the width of their input.
    #[param(example = ["baselines/linear", "baselines/identity"])]
    layers: Vec<RecipeOf<dyn Layer>>,
    /// Number of slots.
    #[param(default = 2, range = "1 <= x <= 8")]
    depth: usize,
    /// Widths to choose from.
    #[param(default = [16, 32, 64], range = "1 <= x")]
    widths: Vec<i64>,
    /// Dropout rates to choose from.
    #[param(default = [0.0, 0.3, 0.6], range = "0 <= x < 1")]
    dropouts: Vec<f64>,
    /// Activations to choose from, by the names that `baselines/activation` has for them.
    #[param(default = ["relu", "tanh", "elu"])]
    activations: Vec<String>,
}

impl Gnn {
    fn decisions(&self) -> Vec<Decision> {
        let layers: Vec<Recipe> = self.layers.iter().map(|l| l.recipe.clone()).collect();
        let shared = [
            Decision::options("width", self.widths.clone()),
            Decision::options("activation", self.activations.clone()),
            Decision::options("dropout", self.dropouts.clone()),
        ];
        let slots =
            (0..self.depth).map(|k| Decision::options(&format!("layer-{k}"), layers.clone()));
        shared.into_iter().chain(slots).collect()
    }

    fn slot(&self, k: usize) -> Mix {
        let layers = self.layers.iter().map(|layer| layer.recipe.clone());
        Mix::new(&format!("layer-{k}"), layers)
    }
}

impl Space for Gnn {
    fn supernet(&self, ports: &Ports) -> Result<Option<Arch>> {
        some_of_each(&[
            ("layers", self.layers.is_empty()),
            ("widths", self.widths.is_empty()),
            ("dropouts", self.dropouts.is_empty()),
            ("activations", self.activations.is_empty()),
        ])?;
        port(&ports.inputs, "x")?;
        let (output, classes) = output(ports)?;

        let linear = Recipe::new("baselines/linear");
        let mut arch = Arch::new(ports.inputs.clone()).layer(
            "input",
            linear.clone().with("out", decided("width")),
            &[("x", "in.x")],
        );
        let mut last = "input.x".to_string();
        for k in 0..self.depth {
            let [slot, activation, dropout] =
                ["slot", "activation", "dropout"].map(|node| format!("{node}-{k}"));
            let mut inputs = vec![("x", last.as_str())];
            if ports.inputs.contains("graph") {
                inputs.push(("graph", "in.graph"));
            }
            arch = arch
                .mix(&slot, self.slot(k), &inputs)
                .layer(
                    &activation,
                    Recipe::new("baselines/activation").with("kind", decided("activation")),
                    &[("x", &format!("{slot}.x"))],
                )
                .layer(
                    &dropout,
                    Recipe::new("baselines/dropout").with("rate", decided("dropout")),
                    &[("x", &format!("{activation}.x"))],
                );
            last = format!("{dropout}.x");
        }
        arch = arch
            .layer("output", linear.with("out", classes), &[("x", &last)])
            .output(output, "output.x");
        Ok(Some(self.decisions().into_iter().fold(arch, Arch::decide)))
    }
}
