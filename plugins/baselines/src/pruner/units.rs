//! Whole units go, such as channels and neurons: the score of a unit is the mean score of all weights that would leave with
//! it, those that lead to it and those that lead on.
//!
//! Weights are scored by another pruner; with `magnitude` this is the norm of filters (Li et al. 2017, "Pruning Filters for
//! Efficient ConvNets", section 3.1), taken over all layers that are tied to one (Fang et al. 2023, "DepGraph", equation 4).
//! A stage `cut = "masked"` behind it makes the network smaller.

use plugin_api::prelude::*;

/// Ranks units, such as channels, by the mean score of the weights that leave with them (Li et al. 2017).
#[component(pruner = "units")]
struct Units {
    /// Scores the weights.
    #[param(default = "baselines/magnitude")]
    inner: Use<dyn Pruner>,
}

impl Pruner for Units {
    fn scores(&self, session: &mut dyn Session) -> Result<Tensors> {
        let of_weights = self.inner.scores(session)?;
        let of_units = session.by_units(&of_weights)?;
        if of_units.is_empty() {
            let what = "none of the scored weights has units that can leave";
            return Err(Error::new(what)
                .expected("a layer whose outputs only other layers of the network take in")
                .into());
        }
        Ok(of_units)
    }

    fn needs(&self, arch: &Arch) -> Result<Vec<Probe>> {
        self.inner.needs(arch)
    }
}
