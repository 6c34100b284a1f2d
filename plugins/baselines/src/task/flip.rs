//! Augmentation: training images are mirrored, left to right, each with a probability.
//!
//! `x`: `[batch, channels, height, width]`. Other splits stay as they are; so does everything else in a batch.
//! Source: Krizhevsky et al. 2012.

use plugin_api::prelude::*;
use rand::RngExt;

use super::augmented::{OfImages, for_each};

/// Wraps a task of images: training images are mirrored at random, left to right (Krizhevsky et al. 2012).
#[component(task = "flip")]
struct Flip {
    /// The task that gives the images.
    #[param(example = Recipe::new("baselines/digits").with("form", "image"))]
    task: OfImages,
    /// Probability that an image is mirrored.
    #[param(default = 0.5, range = "0 <= x <= 1")]
    rate: f64,
}

impl Task for Flip {
    fn ports(&self) -> Result<Ports> {
        self.task.ports()
    }

    fn batch(&self, split: &str, at: &At) -> Result<Option<Batch>> {
        self.task.changed(split, at, "flip", |x, generator| {
            let flipped = for_each(x, || generator.random_bool(self.rate).into())?;
            Ok(x.f_flip([3])?.f_where_self(&flipped.f_gt(0)?, x)?)
        })
    }

    fn loss(&self, outputs: &Batch, batch: &Batch) -> Result<Tensors> {
        self.task.loss(outputs, batch)
    }

    fn metrics(&self, outputs: &Batch, batch: &Batch) -> Result<Named<f64>> {
        self.task.metrics(outputs, batch)
    }

    fn inputs(&self, file: &str) -> Result<Batch> {
        self.task.inputs(file)
    }

    fn answers(&self, file: &str, outputs: &Batch) -> Result<Answers> {
        self.task.answers(file, outputs)
    }
}
