//! What the loss would feel first goes last: the score of a weight is `|w dL/dw|`, on one training batch.
//!
//! It ranks what is tagged `prunable`, as a pass uses it. Source: Lee et al. 2019, "SNIP", equation 6, without its
//! division by the sum of all scores, which changes no rank.

use plugin_api::prelude::*;

/// Ranks weights by the loss's first-order change when they go (Lee et al. 2019).
#[component(pruner = "snip")]
struct Snip {
    /// Samples in the batch; 0 for the whole split.
    #[param(default = 128, range = "0 <= x")]
    size: i64,
}

impl Snip {
    fn probe(&self) -> Probe {
        Probe::of(self.size).with_gradients()
    }
}

impl Pruner for Snip {
    fn scores(&self, session: &mut dyn Session) -> Result<Tensors> {
        let probed = session.probe(&self.probe())?;
        let mut scores = Tensors::new();
        for spec in session.specs("#prunable")? {
            if let Some(gradient) = probed.gradients.get(&spec.name) {
                let weight = &probed.weights[&spec.name];
                scores.put(&spec.name, weight.f_mul(gradient)?.f_abs()?);
            }
        }
        Ok(scores)
    }

    fn needs(&self, _: &Arch) -> Result<Vec<Probe>> {
        Ok(vec![self.probe()])
    }
}
