//! Multi-layer perceptrons of open depth.
//!
//! ```text
//! [flatten] -> depth x (linear -> [norm] -> activation -> dropout) -> linear
//! ```
//!
//! `depth` is a decision, and each layer has a width of its own: `width-0`, `width-1`, …,
//! asked where the network is that deep. `activation` and `dropout` are decided for the whole network. `x`:
//! `[batch, ..]`, flattened where it has more than two axes. Source: Rumelhart et al. 1986.

use plugin_api::prelude::*;
use plugin_api::refs;

use super::{decided, output, some_of_each};

/// Multi-layer perceptrons: how deep, how wide in each layer, with which activation and dropout.
#[component(space = "mlp-space")]
struct MlpSpace {
    /// Numbers of hidden layers to choose from.
    #[param(default = [1, 2, 3], range = "1 <= x <= 64")]
    depths: Vec<usize>,
    /// Widths to choose from, for each hidden layer.
    #[param(default = [16, 32, 64, 128], range = "1 <= x")]
    widths: Vec<i64>,
    /// Dropout rates to choose from.
    #[param(default = [0.0, 0.2, 0.5], range = "0 <= x < 1")]
    dropouts: Vec<f64>,
    /// Activations to choose from, by the names that `baselines/activation` has for them.
    #[param(default = ["relu", "tanh", "elu"])]
    activations: Vec<String>,
    /// The layer that normalises what each linear layer gives; none where it is left out.
    norm: Option<RecipeOf<dyn Layer>>,
}

impl MlpSpace {
    fn decisions(&self) -> Vec<Decision> {
        let depths: Vec<u64> = self.depths.iter().map(|depth| *depth as u64).collect();
        let widths = (0..self.deepest()).map(|k| {
            let deep_enough = (0..self.depths.len()).filter(|i| self.depths[*i] > k);
            let width = Decision::options(&format!("width-{k}"), self.widths.clone());
            width.when("depth", deep_enough)
        });
        let shared = [
            Decision::options("depth", depths),
            Decision::options("activation", self.activations.clone()),
            Decision::options("dropout", self.dropouts.clone()),
        ];
        shared.into_iter().chain(widths).collect()
    }

    fn deepest(&self) -> usize {
        self.depths.iter().copied().max().unwrap_or_default()
    }

    /// The hidden layers, one behind the other, and what each of them gives, beginning with what goes into the first.
    fn hidden(&self, arch: Arch, first: &str) -> (Arch, Vec<String>) {
        let mut arch = arch;
        let mut given = vec![first.to_string()];
        for k in 0..self.deepest() {
            let width = decided(&format!("width-{k}"));
            let layers = [
                (
                    "linear",
                    Some(Recipe::new("baselines/linear").with("out", width)),
                ),
                ("norm", self.norm.as_ref().map(|norm| norm.recipe.clone())),
                (
                    "activation",
                    Some(Recipe::new("baselines/activation").with("kind", decided("activation"))),
                ),
                (
                    "dropout",
                    Some(Recipe::new("baselines/dropout").with("rate", decided("dropout"))),
                ),
            ];
            let mut last = given[k].clone();
            for (name, layer) in layers {
                let Some(layer) = layer else { continue };
                let node = format!("{name}-{k}");
                arch = arch.layer(&node, layer, &[("x", &last)]);
                last = format!("{node}.x");
            }
            given.push(last);
        }
        (arch, given)
    }
}

impl Space for MlpSpace {
    fn supernet(&self, ports: &Ports) -> Result<Option<Arch>> {
        some_of_each(&[
            ("depths", self.depths.is_empty()),
            ("widths", self.widths.is_empty()),
            ("dropouts", self.dropouts.is_empty()),
            ("activations", self.activations.is_empty()),
        ])?;
        let (output, classes) = output(ports)?;
        let arch = Arch::new(ports.inputs.clone());
        let (arch, first) = match port(&ports.inputs, "x")?.len() {
            ..3 => (arch, "in.x"),
            _ => (
                arch.layer("flatten", "baselines/flatten", &[("x", "in.x")]),
                "flatten.x",
            ),
        };
        let (arch, given) = self.hidden(arch, first);
        // The output layer of each depth stands behind the layer that is then the last.
        let linear = || Recipe::new("baselines/linear").with("out", classes);
        let outputs = Mix::new("depth", self.depths.iter().map(|_| linear()));
        let from = |depth: &usize| refs(&[("x", &given[*depth])]);
        let outputs = outputs.fed(self.depths.iter().map(from));
        let last = &given[self.deepest()];
        let arch = arch
            .mix("output", outputs, &[("x", last)])
            .output(output, "output.x");
        Ok(Some(self.decisions().into_iter().fold(arch, Arch::decide)))
    }
}
