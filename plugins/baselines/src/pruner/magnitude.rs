//! Small weights go: the score of a weight is `|w|`.
//!
//! It ranks what is tagged `prunable`, as a pass uses it: generated weights too, after masks. Source: Han et al. 2015.

use plugin_api::prelude::*;

/// Ranks weights by their absolute value (Han et al. 2015).
#[component(pruner = "magnitude")]
struct Magnitude {}

impl Pruner for Magnitude {
    fn scores(&self, session: &mut dyn Session) -> Result<Tensors> {
        let mut scores = Tensors::new();
        for (path, weight) in session.effective("#prunable", &Ask::eval())? {
            scores.put(path, weight.f_detach()?.f_abs()?);
        }
        Ok(scores)
    }
}
