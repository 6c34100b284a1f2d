//! Classification of handwritten digits.
//!
//! Gives `x`: pixels in `[0, 1]`, `[batch, 64]`, or row by row `[batch, 8, 8]`, or as images `[batch, 1, 8, 8]`; wants
//! `y`: logits, `[batch, 10]`. A batch also holds the labels `y`: `[batch]`, int64. The loss is the mean cross-entropy.
//!
//! Source: UCI "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak 1998).

use plugin_api::prelude::*;
use plugin_api::{schemars, serde};

use crate::data::classes;
use crate::data::digits::{self, CLASSES, PIXELS, SIDE};

/// 1,797 handwritten digits of 8x8 pixels, to be told apart; splits that are drawn hold equal parts of each class.
#[component(task = "digits")]
struct Digits {
    /// How the pixels of an image lie.
    #[param(default = "flat")]
    form: Form,
    /// Seed of the splits.
    #[param(default = 0)]
    split: u64,
    /// Training images, where nothing is drawn: the first so many in the order of the source, behind them those of `val`,
    /// and then those for testing.
    #[param(range = "1 <= x <= 1200")]
    first: Option<usize>,
    /// Training images of each class, where splits are drawn.
    // The rarest class has 174 images: whatever the ranges allow leaves some of each for testing.
    #[param(default = 100, range = "1 <= x <= 120")]
    train_per_class: usize,
    /// Validation images in all.
    #[param(default = 300, range = "10 <= x <= 500")]
    val: usize,
}

/// How the pixels of an image lie.
#[derive(Clone, Copy, serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "plugin_api::serde", rename_all = "kebab-case")]
#[schemars(crate = "plugin_api::schemars", inline)]
enum Form {
    /// Side by side: `[batch, features]`.
    Flat,
    /// As a sequence of rows, from above: `[batch, steps, features]`.
    Rows,
    /// As an image: `[batch, channels, height, width]`.
    Image,
}

impl Form {
    fn axes(self) -> Shape {
        let axes = match self {
            Form::Flat => vec![("features", PIXELS)],
            Form::Rows => vec![("steps", SIDE), ("features", SIDE)],
            Form::Image => vec![("channels", 1), ("height", SIDE), ("width", SIDE)],
        };
        let axes = axes.into_iter().map(|(name, n)| axis(name, n as i64));
        [axis("batch", None)].into_iter().chain(axes).collect()
    }
}

impl Task for Digits {
    fn ports(&self) -> Result<Ports> {
        Ok(Ports {
            inputs: Shapes::new().with("x", self.form.axes()),
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
        let splits = match self.first {
            Some(train) => digits::in_order(train, self.val),
            None => digits::splits(self.split, self.train_per_class, self.val)?,
        };
        let Some(images) = splits.batch(split, at)? else {
            return Ok(None);
        };
        let axes = self.form.axes();
        let size: Vec<i64> = axes.iter().map(|axis| axis.size.unwrap_or(-1)).collect();
        Ok(Some(
            Batch::new()
                .with("x", digits::pixels(&images)?.f_view(size.as_slice())?)
                .with("y", digits::labels(&images)?),
        ))
    }

    fn loss(&self, outputs: &Batch, batch: &Batch) -> Result<Tensors> {
        classes::loss(outputs, batch)
    }

    fn metrics(&self, outputs: &Batch, batch: &Batch) -> Result<Named<f64>> {
        classes::measured(outputs, batch)
    }
}
