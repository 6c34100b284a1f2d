//! Classification of handwritten digits.
//!
//! Gives `x`: pixels in `[0, 1]`, `[batch, 64]`; wants `y`: logits, `[batch, 10]`. A batch also holds the labels `y`:
//! `[batch]`, int64. The loss is the mean cross-entropy.
//!
//! Source: UCI "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak 1998).

use plugin_api::prelude::*;

use crate::classes;
use crate::digits::{self, CLASSES, PIXELS};

/// 1,797 handwritten digits of 8x8 pixels, to be told apart; splits hold equal parts of each class.
#[component(task = "digits")]
struct Digits {
    /// Seed of the splits.
    #[param(default = 0)]
    split: u64,
    /// Training images of each class.
    // The rarest class has 174 images: whatever the ranges allow leaves some of each for testing.
    #[param(default = 100, range = "1 <= x <= 120")]
    train_per_class: usize,
    /// Validation images in all.
    #[param(default = 300, range = "10 <= x <= 500")]
    val: usize,
}

impl Task for Digits {
    fn ports(&self) -> Result<Ports> {
        Ok(Ports {
            inputs: Shapes::new().with(
                "x",
                vec![axis("batch", None), axis("features", PIXELS as i64)],
            ),
            targets: Shapes::new(),
            outputs: Shapes::new().with(
                "y",
                vec![axis("batch", None), axis("classes", CLASSES as i64)],
            ),
            metric: "accuracy".into(),
            higher_is_better: true,
        })
    }

    fn batch(&self, split: &str, at: &At) -> Result<Option<Batch>> {
        let splits = digits::splits(self.split, self.train_per_class, self.val)?;
        match splits.batch(split, at)? {
            Some(images) => Ok(Some(
                Batch::new()
                    .with("x", digits::pixels(&images)?)
                    .with("y", digits::labels(&images)?),
            )),
            None => Ok(None),
        }
    }

    fn loss(&self, outputs: &Batch, batch: &Batch) -> Result<Tensors> {
        Ok(Tensors::new().with(
            "cross-entropy",
            classes::cross_entropy(outputs.tensor("y")?, batch.tensor("y")?)?,
        ))
    }

    fn metrics(&self, outputs: &Batch, batch: &Batch) -> Result<Named<f64>> {
        classes::metrics(outputs.tensor("y")?, batch.tensor("y")?)
    }
}
