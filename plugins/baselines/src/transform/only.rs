//! Another transform for some of the weights alone; the gradients of the others go on as they are.
//!
//! So the decay of one layer stands before an optimizer of all, and several optimizers side by side, each for weights of
//! its own, are as many of these in a chain.

use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

use plugin_api::prelude::*;

/// Applies a transform to some of the weights alone.
#[component(transform = "only")]
struct Only {
    /// Which weights, as a selector: by path, by a prefix and `*`, or by `#tag`; several with commas between.
    #[param(default = "#prunable")]
    select: String,
    /// What is done to them.
    #[param(default = "baselines/weight-decay")]
    inner: Use<dyn Transform>,
    /// The paths that are selected of those of the chain.
    #[serde(skip)]
    selected: RwLock<BTreeSet<String>>,
}

impl Transform for Only {
    fn init(&self, specs: &[WeightSpec], arch: &Arch) -> Result<Tensors> {
        let ours = specs.iter().filter(|spec| spec.matches(&self.select));
        let ours: Vec<WeightSpec> = ours.cloned().collect();
        if ours.is_empty() {
            let paths: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
            return Err(Error::new(format!(
                "`{}` selects none of the chain's weights",
                self.select
            ))
            .found(paths.join(", "))
            .into());
        }
        let paths = ours.iter().map(|spec| spec.name.clone());
        *self
            .selected
            .write()
            .unwrap_or_else(PoisonError::into_inner) = paths.collect();
        self.inner.init(&ours, arch)
    }

    fn update(
        &self,
        gradients: Tensors,
        weights: &Tensors,
        state: &mut Tensors,
        tick: &Tick,
    ) -> Result<Tensors> {
        let selected = self.selected.read().unwrap_or_else(PoisonError::into_inner);
        let (mut ours, mut updates) = (Tensors::new(), gradients);
        for path in selected.iter() {
            if let Some(gradient) = updates.get(path) {
                ours.put(path, gradient.clone());
            }
        }
        for (path, update) in self.inner.update(ours, weights, state, tick)? {
            updates.put(path, update);
        }
        Ok(updates)
    }
}
