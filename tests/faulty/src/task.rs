//! Another task, which misbehaves at its first batch: that one is made in the process from which trials are forked.

use std::cell::Cell;

use plugin_api::prelude::*;

use crate::how::How;

/// Another task, which misbehaves at its first batch.
#[component(task = "faulty-task")]
struct Faulty {
    /// The task that it passes on.
    inner: Use<dyn Task>,
    /// How it misbehaves.
    #[param(default = "none")]
    how: How,
    /// Whether it has done so.
    #[serde(skip)]
    done: Cell<bool>,
}

impl Task for Faulty {
    fn ports(&self) -> Result<Ports> {
        self.inner.ports()
    }

    fn batch(&self, split: &str, at: &At) -> Result<Option<Batch>> {
        let batch = self.inner.batch(split, at)?;
        if !self.done.replace(true) {
            self.how.misbehave()?;
        }
        Ok(batch)
    }

    fn loss(&self, outputs: &Batch, batch: &Batch) -> Result<Tensors> {
        self.inner.loss(outputs, batch)
    }

    fn metrics(&self, outputs: &Batch, batch: &Batch) -> Result<Named<f64>> {
        self.inner.metrics(outputs, batch)
    }
}
