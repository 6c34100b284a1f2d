//! Classification of handwritten digits as nodes of their graph of nearest neighbours.
//!
//! Gives `x`: pixels in `[0, 1]`, `[nodes, 64]`, and `graph`; wants `y`: logits, `[nodes, 10]`. Among a task's ports a
//! graph shows as a port `graph` of shape `[nodes]`. A batch is always the whole graph; it also holds the labels `y`:
//! `[nodes]`, int64, and `split`: the nodes that loss and metrics count, int64. The loss is the mean cross-entropy.
//!
//! Source: UCI "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak 1998).

use std::cell::OnceCell;

use plugin_api::prelude::*;

use crate::data::classes;
use crate::data::digits::{self, CLASSES, PIXELS};

/// 1,797 handwritten digits of 8x8 pixels, joined to their nearest neighbours, to be told apart from few labels.
#[component(task = "digits-graph")]
struct DigitsGraph {
    /// Nearest neighbours to which each image is joined, in both directions.
    #[param(default = 10, range = "1 <= x <= 100")]
    k: usize,
    /// Seed of the splits.
    #[param(default = 0)]
    split: u64,
    /// Training images of each class.
    // The rarest class has 174 images: whatever the ranges allow leaves some of each for testing.
    #[param(default = 10, range = "1 <= x <= 120")]
    train_per_class: usize,
    /// Validation images in all.
    #[param(default = 300, range = "10 <= x <= 500")]
    val: usize,
    /// `x`, `graph` and `y`: finding all neighbours takes a moment, and a graph keeps its derived forms.
    #[serde(skip)]
    whole: OnceCell<Batch>,
}

impl DigitsGraph {
    fn whole(&self) -> Result<&Batch> {
        if let Some(whole) = self.whole.get() {
            return Ok(whole);
        }
        let nodes: Vec<i64> = (0..digits::images().len() as i64).collect();
        let (sources, targets): (Vec<i64>, Vec<i64>) =
            digits::neighbours(self.k).into_iter().unzip();
        let graph = Graph::new(
            nodes.len() as i64,
            &Tensor::f_from_slice(&sources)?,
            &Tensor::f_from_slice(&targets)?,
            None,
        )?;
        let whole = Batch::new()
            .with("x", digits::pixels(&nodes)?)
            .with("graph", graph)
            .with("y", digits::labels(&nodes)?);
        Ok(self.whole.get_or_init(|| whole))
    }
}

impl Task for DigitsGraph {
    fn ports(&self) -> Result<Ports> {
        Ok(Ports {
            inputs: Shapes::new()
                .with(
                    "x",
                    vec![axis("nodes", None), axis("features", PIXELS as i64)],
                )
                .with("graph", vec![axis("nodes", None)]),
            targets: Shapes::new(),
            outputs: Shapes::new().with(
                "y",
                vec![axis("nodes", None), axis("classes", CLASSES as i64)],
            ),
            metric: "accuracy".into(),
            higher_is_better: true,
        })
    }

    fn batch(&self, split: &str, at: &At) -> Result<Option<Batch>> {
        let splits = digits::splits(self.split, self.train_per_class, self.val)?;
        let nodes = Tensor::f_from_slice(splits.get(split)?)?;
        if at.index > 0 {
            return Ok(None);
        }
        Ok(Some(self.whole()?.clone().with("split", nodes)))
    }

    fn loss(&self, outputs: &Batch, batch: &Batch) -> Result<Tensors> {
        classes::loss(outputs, batch)
    }

    fn metrics(&self, outputs: &Batch, batch: &Batch) -> Result<Named<f64>> {
        classes::measured(outputs, batch)
    }
}
