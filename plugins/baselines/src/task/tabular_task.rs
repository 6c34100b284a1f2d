//! What a search over a table of results is for: the name of a metric, and which way it gets better.
//!
//! There are no data. A batch of any split is one number, `x` `[batch, 1]`, to `y` `[batch, 1]`; the loss is the mean of
//! `y` squared. Only the trainer `baselines/tabular` knows the metric: by a network it is not a number.

use plugin_api::prelude::*;

/// A metric without data, which the trainer `baselines/tabular` takes from a table of results.
#[component(task = "tabular-task")]
struct TabularTask {
    /// What the metric is called.
    #[param(default = "accuracy")]
    metric: String,
    /// Whether more of it is better.
    #[param(default = true)]
    #[serde(rename = "higher-is-better")]
    higher_is_better: bool,
}

impl Task for TabularTask {
    fn ports(&self) -> Result<Ports> {
        let one = || vec![axis("batch", None), axis("features", 1)];
        Ok(Ports {
            inputs: Shapes::new().with("x", one()),
            targets: Shapes::new(),
            outputs: Shapes::new().with("y", one()),
            metric: self.metric.clone(),
            higher_is_better: self.higher_is_better,
        })
    }

    fn batch(&self, split: &str, at: &At) -> Result<Option<Batch>> {
        if !["train", "val", "test"].contains(&split) {
            return Err(Error::new(format!("there is no split `{split}`"))
                .expected("train, val or test")
                .into());
        }
        if at.index > 0 {
            return Ok(None);
        }
        let x = Tensor::f_zeros([1, 1], (Kind::Float, Device::Cpu))?;
        Ok(Some(Batch::new().with("x", x)))
    }

    fn loss(&self, outputs: &Batch, _: &Batch) -> Result<Tensors> {
        let squares = outputs.tensor("y")?.f_square()?;
        Ok(Tensors::new().with("squares", squares.f_mean(None::<Kind>)?))
    }

    fn metrics(&self, _: &Batch, _: &Batch) -> Result<Named<f64>> {
        Ok(Named::new().with(&self.metric, f64::NAN))
    }
}
