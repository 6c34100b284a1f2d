//! Data, and what is wanted of it.

use plugin_api_data::{Answers, Error, Named};
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
    /// What a network gets for the samples in a file of a user's, as one batch, in the order of the file: treated as those
    /// of the task's own splits, and scaled by what these have. What is wanted of the samples may be missing there.
    ///
    /// # Errors
    /// Where the file holds no such samples, or the task is not one of files.
    #[since(1.1)]
    fn inputs(&self, file: &str) -> Result<Batch> {
        let _ = file;
        Err(no_files())
    }
    /// What a network's outputs for these inputs say, a row for each sample: a class by its name and the probability of
    /// each, a number in the unit of the data.
    #[since(1.1)]
    fn answers(&self, file: &str, outputs: &Batch) -> Result<Answers> {
        let _ = (file, outputs);
        Err(no_files())
    }
}

fn no_files() -> anyhow::Error {
    Error::new("the task does not say how it reads samples from a file")
        .help("`baselines/table` reads CSV, `baselines/arrays` and `baselines/graph-nodes` npz, `baselines/images` folders of images")
        .into()
}
