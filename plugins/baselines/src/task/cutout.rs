//! Augmentation: a square of each training image becomes zeros.
//!
//! The centre of the square is uniform over the image, so that parts of it may lie outside. Where pixels are normalised,
//! zero is their mean. `x`: `[batch, channels, height, width]`. Other splits stay as they are; so does everything else in
//! a batch. Source: DeVries & Taylor 2017.

use plugin_api::prelude::*;
use rand::RngExt;

use super::augmented::{OfImages, for_each, places};

/// Wraps a task of images: a square of each training image, at a random place, becomes zeros (DeVries & Taylor 2017).
#[component(task = "cutout")]
struct Cutout {
    /// The task that gives the images.
    #[param(example = Recipe::new("baselines/digits").with("form", "image"))]
    task: OfImages,
    /// Length of the square's sides, in pixels.
    #[param(default = 8, range = "1 <= x <= 1000")]
    length: i64,
}

impl Task for Cutout {
    fn ports(&self) -> Result<Ports> {
        self.task.ports()
    }

    fn batch(&self, split: &str, at: &At) -> Result<Option<Batch>> {
        self.task.changed(split, at, "cutout", |x, generator| {
            let mut within = |along| {
                let first = for_each(x, || {
                    generator.random_range(0..x.size()[along]) - self.length / 2
                })?;
                let from_first = places(x, along)?.f_sub(&first)?;
                Ok::<_, anyhow::Error>(
                    from_first
                        .f_ge(0)?
                        .f_logical_and(&from_first.f_lt(self.length)?)?,
                )
            };
            let square = within(2)?.f_logical_and(&within(3)?)?;
            Ok(x.f_masked_fill(&square, 0.0)?)
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
