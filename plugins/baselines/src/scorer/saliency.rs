//! What a network's weights matter in all: the sum of any pruner's scores.
//!
//! Source: Abdelfattah et al. 2021, "Zero-Cost Proxies for Lightweight NAS", section 3.2: `snip`, `synflow` and others as
//! scores of architectures.

use plugin_api::prelude::*;

/// The sum of any pruner's scores (Abdelfattah et al. 2021).
#[component(scorer = "saliency")]
struct Saliency {
    /// Whose scores.
    #[param(default = "baselines/snip")]
    pruner: Use<dyn Pruner>,
}

impl Scorer for Saliency {
    fn score(&self, session: &mut dyn Session) -> Result<f64> {
        let mut sum = 0.0;
        for scores in self.pruner.scores(session)?.values() {
            sum += f64::try_from(&scores.f_sum(Kind::Double)?)?;
        }
        Ok(sum)
    }

    fn needs(&self, arch: &Arch) -> Result<Vec<Probe>> {
        self.pruner.needs(arch)
    }
}
