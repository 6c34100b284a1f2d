//! What augmentations share: a task of images whose training batches are changed at random, wherever these are asked for:
//! who evaluates on `train` sees them changed too.

use std::ops::Deref;

use plugin_api::prelude::*;
use plugin_api::{schemars, serde};
use rand::Rng;

/// A task that gives images: `x` is `[batch, channels, height, width]`.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "plugin_api::serde", try_from = "Use<dyn Task>")]
#[schemars(crate = "plugin_api::schemars", inline)]
pub(super) struct OfImages(Use<dyn Task>);

impl TryFrom<Use<dyn Task>> for OfImages {
    type Error = String;

    fn try_from(task: Use<dyn Task>) -> Result<Self, String> {
        let ports = task.ports().map_err(|e| format!("{e:#}"))?;
        match ports.inputs.get("x") {
            Some(x) if x.len() == 4 => Ok(OfImages(task)),
            Some(x) => Err(format!(
                "`{}` gives {} as `x`, expected images, [batch, channels, height, width]",
                task.recipe.component,
                show(x)
            )),
            None => Err(format!("`{}` gives no `x`", task.recipe.component)),
        }
    }
}

impl Deref for OfImages {
    type Target = dyn Task;
    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl OfImages {
    /// A batch, one of `train` with its images changed. What `change` draws follows from the batch's place and from
    /// `name`.
    pub(super) fn changed(
        &self,
        split: &str,
        at: &At,
        name: &str,
        change: impl FnOnce(&Tensor, &mut dyn Rng) -> Result<Tensor>,
    ) -> Result<Option<Batch>> {
        match self.batch(split, at)? {
            Some(batch) if split == "train" => {
                let place = format!("{name} {} {} {}", at.epoch, at.index, at.size);
                let mut generator = random::generator(stream(at.seed, &place));
                let x = change(batch.tensor("x")?, &mut generator)?;
                Ok(Some(batch.with("x", x)))
            }
            batch => Ok(batch),
        }
    }
}

/// A whole number for each image, drawn by `draw`, as `[batch, 1, 1, 1]`, int64.
pub(super) fn for_each(x: &Tensor, mut draw: impl FnMut() -> i64) -> Result<Tensor> {
    let drawn: Vec<i64> = (0..x.size()[0]).map(|_| draw()).collect();
    Ok(Tensor::f_from_slice(&drawn)?.f_view([-1, 1, 1, 1])?)
}

/// The places along an axis of an image, counted from 0, where they can be joined with numbers of each image.
pub(super) fn places(x: &Tensor, along: usize) -> Result<Tensor> {
    let mut shape = [1; 4];
    shape[along] = -1;
    let places = Tensor::f_arange(x.size()[along], (Kind::Int64, Device::Cpu))?;
    Ok(places.f_view(shape)?)
}
