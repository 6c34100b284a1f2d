//! Arrays in memory, a row for each sample, with what is wanted of each: what tasks over tables and arrays share.

use std::cell::RefCell;

use plugin_api::prelude::*;

use crate::data::splits::Splits;
use crate::data::targets::Targets;

/// Samples, their targets and splits.
pub(crate) struct ArrayTask {
    /// What comes in: `[samples, ..]`, float32.
    pub(crate) x: Tensor,
    /// What is wanted: labels `[samples]`, int64, or `[samples, outputs]`, float32.
    pub(crate) y: Tensor,
    /// What `y` holds.
    pub(crate) targets: Targets,
    /// Which samples are for what.
    pub(crate) splits: Splits,
    /// Whole splits, which every evaluation asks for.
    pub(crate) whole: Wholes,
}

/// Whole splits as batches, each made once.
#[derive(Default)]
pub(crate) struct Wholes(RefCell<Named<Batch>>);

impl Wholes {
    /// The batch at this place of a split, by `make` from the numbers of its samples; `None` past the end of an epoch.
    ///
    /// # Errors
    /// Where there is no such split, or `make` fails.
    pub(crate) fn batch(
        &self,
        splits: &Splits,
        (split, at): (&str, &At),
        make: impl Fn(&[i64]) -> Result<Batch>,
    ) -> Result<Option<Batch>> {
        let is_whole = at.size <= 0 && at.index == 0;
        if let (true, Some(kept)) = (is_whole, self.0.borrow().get(split)) {
            return Ok(Some(kept.clone()));
        }
        let Some(samples) = splits.batch(split, at)? else {
            return Ok(None);
        };
        let batch = make(&samples)?;
        if is_whole {
            self.0.borrow_mut().put(split, batch.clone());
        }
        Ok(Some(batch))
    }
}

impl ArrayTask {
    /// The ports: axes of `x` are called as layers call them.
    pub(crate) fn ports(&self) -> Ports {
        let sizes = &self.x.size()[1..];
        let names: Vec<String> = match sizes.len() {
            1 => vec!["features".into()],
            2 => ["steps", "features"].map(String::from).into(),
            3 => ["channels", "height", "width"].map(String::from).into(),
            more => (1..=more).map(|k| format!("axis-{k}")).collect(),
        };
        let axes = names.iter().zip(sizes).map(|(name, n)| axis(name, *n));
        let x = [axis("batch", None)].into_iter().chain(axes).collect();
        self.targets.ports(Shapes::new().with("x", x), "batch")
    }

    /// The batch at this place of a split.
    pub(crate) fn batch(&self, split: &str, at: &At) -> Result<Option<Batch>> {
        self.whole.batch(&self.splits, (split, at), |samples| {
            let rows = Tensor::f_from_slice(samples)?;
            Ok(Batch::new()
                .with("x", self.x.f_index_select(0, &rows)?)
                .with("y", self.y.f_index_select(0, &rows)?))
        })
    }
}
