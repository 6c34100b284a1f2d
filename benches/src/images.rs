//! A task of images, for what is measured on convolutional networks.

use anyhow::Result;
use plugin_api::prelude::Kind;
use plugin_api::role::Task;
use plugin_api::{At, Batch, Named, Ports, Shapes, Tensors, axis, random};

use crate::cross_entropy;

/// Images of 32x32 in ten classes, always the same batch.
pub struct Images;

impl Task for Images {
    fn ports(&self) -> Result<Ports> {
        let x = vec![
            axis("batch", None),
            axis("channels", 3),
            axis("height", 32),
            axis("width", 32),
        ];
        Ok(Ports {
            inputs: Shapes::new().with("x", x),
            targets: Shapes::new(),
            outputs: Shapes::new().with("y", vec![axis("batch", None), axis("classes", 10)]),
            metric: "none".into(),
            higher_is_better: true,
        })
    }

    fn batch(&self, _: &str, at: &At) -> Result<Option<Batch>> {
        let y = (&*random::uniform(&[at.size], 2) * 10.0).to_kind(Kind::Int64);
        let x = random::uniform(&[at.size, 3, 32, 32], 1);
        Ok(Some(Batch::new().with("x", x).with("y", y)))
    }

    fn loss(&self, outputs: &Batch, batch: &Batch) -> Result<Tensors> {
        cross_entropy(outputs.tensor("y")?, batch.tensor("y")?)
    }

    fn metrics(&self, _: &Batch, _: &Batch) -> Result<Named<f64>> {
        Ok(Named::new())
    }
}
