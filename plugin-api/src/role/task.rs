//! Data, and what is wanted of it.

use plugin_api_data::Named;
use plugin_api_macros::boundary;

use crate::{At, Batch, Episode, Ports, Result, Tensors};

/// Batches of a data set's splits, a loss and metrics.
#[boundary(owned)]
pub trait Task: Send {
    /// What a network gets and must give.
    fn ports(&self) -> Result<Ports>;
    /// A batch of a split (`train`, `val`, `test`), a function of its arguments: inputs, and whatever `loss` and
    /// `metrics` read. Where only some of its samples count, `split` names them (int64). `None` past the end of an epoch.
    ///
    /// # Errors
    /// Where the task has no such split.
    fn batch(&self, split: &str, at: &At) -> Result<Option<Batch>>;
    /// Named scalar terms; their sum is trained.
    fn loss(&self, outputs: &Batch, batch: &Batch) -> Result<Tensors>;
    /// Numbers that people read, the main one among them.
    fn metrics(&self, outputs: &Batch, batch: &Batch) -> Result<Named<f64>>;
    /// One episode, a function of its arguments; `None` where the task is one of batches.
    #[since(1.1)]
    fn episode(&self, split: &str, at: &At) -> Result<Option<Box<dyn Episode>>> {
        let _ = (split, at);
        Ok(None)
    }
}
