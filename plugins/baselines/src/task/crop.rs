//! Augmentation: training images are moved at random, by at most `padding` along each axis; zeros come in at the sides.
//!
//! ```text
//! x'(c, i, j) = x(c, i + dy, j + dx)        dy, dx uniform in -padding..=padding
//! ```
//!
//! It is a window of the image's own size on the image with zeros around it. Where pixels are normalised, zero is their
//! mean. `x`: `[batch, channels, height, width]`. Other splits stay as they are; so does everything else in a batch.
//! Source: He et al. 2016 (a padding of 4 on CIFAR-10).

use plugin_api::prelude::*;
use rand::RngExt;

use super::augmented::{OfImages, for_each, places};

/// Wraps a task of images: training images are windows, at random places, on images with zeros around them (He et al. 2016).
#[component(task = "crop")]
struct Crop {
    /// The task that gives the images.
    #[param(example = Recipe::new("baselines/digits").with("form", "image"))]
    task: OfImages,
    /// Zeros around an image.
    #[param(default = 4, range = "0 <= x <= 1000")]
    padding: i64,
}

impl Task for Crop {
    fn ports(&self) -> Result<Ports> {
        self.task.ports()
    }

    fn batch(&self, split: &str, at: &At) -> Result<Option<Batch>> {
        self.task.changed(split, at, "crop", |x, generator| {
            let pad = self.padding;
            let mut drawn = || for_each(x, || generator.random_range(0..=2 * pad));
            let rows = drawn()?.f_add(&places(x, 2)?)?;
            let columns = drawn()?.f_add(&places(x, 3)?)?;
            let padded = x.f_constant_pad_nd([pad, pad, pad, pad])?;
            let index = [places(x, 0)?, places(x, 1)?, rows, columns].map(Some);
            Ok(padded.f_index(&index)?)
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
