//! Any weight goes: scores are uniform numbers. The control of every other pruner.
//!
//! It ranks what is tagged `prunable`. A weight's numbers follow from the session's seed and its path.

use plugin_api::prelude::*;

/// Ranks weights by chance.
#[component(pruner = "random-pruning")]
struct RandomPruning {}

impl Pruner for RandomPruning {
    fn scores(&self, session: &mut dyn Session) -> Result<Tensors> {
        let seed = session.seed("random-pruning");
        let draw = |spec: &WeightSpec| {
            let scores = random::uniform(&spec.size(), stream(seed, &spec.name));
            (spec.name.clone(), scores)
        };
        Ok(session.specs("#prunable")?.iter().map(draw).collect())
    }
}
