//! Training by back-propagation: epochs of gradient steps, and the weights of the epoch that did best on `val`.
//!
//! Works for any task; what "best" means is the task's main metric. The report has the metrics `epochs` (run), `loss`
//! (mean of the last epoch's batches) and `best` (main metric on `val`), and the table `curve`, a row for each
//! evaluation.

use plugin_api::prelude::*;
use plugin_api::tracing;

/// Trains by back-propagation and keeps the weights of the epoch that did best on `val`.
#[component(trainer = "backprop")]
struct Backprop {
    /// Passes through the training data.
    #[param(default = 200, range = "1 <= x")]
    epochs: i64,
    /// Samples in a batch; 0 for all of them.
    #[param(default = 0, range = "0 <= x")]
    batch: i64,
    /// What turns gradients into updates, in this order.
    #[param(default = ["baselines/adam"])]
    transforms: Vec<RecipeOf<dyn Transform>>,
    /// Terms that are added to the task's loss.
    #[param(default = [])]
    objectives: Vec<RecipeOf<dyn Objective>>,
    /// Epochs without a better result on `val` after which training stops; never where it is left out.
    #[param(range = "1 <= x")]
    patience: Option<i64>,
    /// Whether to end with the weights of the epoch that did best on `val`, the earlier of equals, rather than the last.
    #[param(default = true)]
    best: bool,
    /// Epochs from one evaluation on `val` to the next; the last epoch is always evaluated.
    #[param(default = 1, range = "1 <= x")]
    every: i64,
}

/// The best evaluation so far.
struct Best {
    epoch: i64,
    value: f64,
    /// Empty where they will not be wanted.
    weights: Tensors,
}

impl Trainer for Backprop {
    fn fit(&self, session: &mut dyn Session) -> Result<Report> {
        let transforms: Vec<Recipe> = self
            .transforms
            .iter()
            .map(|transform| transform.recipe.clone())
            .collect();
        session.chain("main", &transforms, "model")?;
        let objectives: Vec<Recipe> = self.objectives.iter().map(|o| o.recipe.clone()).collect();
        session.objectives(&objectives)?;
        let Ports {
            metric,
            higher_is_better,
            ..
        } = session.ports()?;
        let mut best: Option<Best> = None;
        let mut curve = vec![];
        let mut last = (0, f64::NAN);
        for epoch in 1..=self.epochs {
            let loss = self.epoch(session, epoch)?;
            last = (epoch, loss);
            if epoch % self.every != 0 && epoch != self.epochs {
                continue;
            }
            let value = finite(&metric, validate(session, &metric)?, epoch)?;
            tracing::info!(epoch, loss, val = value, "evaluated {metric}");
            curve.push(vec![epoch as f64, loss, value]);
            if best.as_ref().is_none_or(|best| {
                if higher_is_better {
                    value > best.value
                } else {
                    value < best.value
                }
            }) {
                let weights = if self.best {
                    session.snapshot("all")?
                } else {
                    Tensors::new()
                };
                best = Some(Best {
                    epoch,
                    value,
                    weights,
                });
            }
            if let (Some(patience), Some(best)) = (self.patience, &best)
                && epoch - best.epoch >= patience
            {
                tracing::info!(epoch, best = best.epoch, "stopped early");
                break;
            }
        }
        let best = best.context("no epoch was evaluated")?;
        if self.best {
            session.restore(&best.weights)?;
        }
        let (epochs, loss) = last;
        let report = Report::default()
            .metric("epochs", epochs as f64)
            .metric("loss", loss)
            .metric("best", best.value);
        Ok(report.table("curve", &["epoch", "loss", &format!("val {metric}")], curve))
    }
}

impl Backprop {
    /// One pass through the training data; the mean of the batches' losses.
    fn epoch(&self, session: &mut dyn Session, epoch: i64) -> Result<f64> {
        let (mut sum, mut batches) = (0.0, 0);
        let mut at = At {
            epoch: epoch - 1,
            index: 0,
            size: self.batch,
            seed: session.seed("backprop"),
        };
        while let Some(batch) = session.batch("train", &at)? {
            sum += finite(
                "training loss",
                session.step("main", &batch, &Ask::train())?,
                epoch,
            )?;
            batches += 1;
            at.index += 1;
        }
        if batches == 0 {
            return Err(Error::new("the task has no training batch").into());
        }
        Ok(sum / f64::from(batches))
    }
}

/// The main metric on `val`.
fn validate(session: &dyn Session, metric: &str) -> Result<f64> {
    let metrics = session.evaluate("val", &Ask::eval())?;
    let there = || metrics.names().collect::<Vec<_>>().join(", ");
    Ok(*metrics.get(metric).ok_or_else(|| {
        Error::new(format!("the task does not give its main metric `{metric}`")).found(there())
    })?)
}

/// A number that a report can hold: a training that went astray is better told than carried on.
fn finite(what: &str, x: f64, epoch: i64) -> Result<f64> {
    if x.is_finite() {
        return Ok(x);
    }
    Err(Error::new(format!("the {what} of epoch {epoch} is {x}"))
        .expected("a finite number")
        .help("try a lower rate")
        .into())
}
