//! Training by back-propagation: epochs of gradient steps, and the weights of the epoch that did best on `val`.
//!
//! Works for any task; what "best" means is the task's main metric, or another that is monitored. The report has the
//! metrics `epochs` (run), `loss` (mean of the last epoch's batches) and `best` (that metric on `val`), and the table
//! `curve`, a row for each evaluation: `epoch`, `loss` (mean of that epoch's batches) and `val.METRIC`.

use plugin_api::prelude::*;
use plugin_api::{schemars, serde, tracing};

/// Trains by back-propagation and keeps the weights of the epoch that did best on `val`.
#[component(trainer = "backprop")]
struct Backprop {
    /// Passes through the training data.
    #[param(default = 200, range = "1 <= x")]
    epochs: i64,
    /// Samples in a batch; 0 for all of them.
    #[param(default = 0, range = "0 <= x")]
    batch: i64,
    /// Batches whose gradients are averaged for one update: as if a batch were so many times as large, in the memory of one.
    #[param(default = 1, range = "1 <= x")]
    accumulate: usize,
    /// What turns gradients into updates, in this order.
    #[param(default = ["baselines/adam"])]
    transforms: Vec<RecipeOf<dyn Transform>>,
    /// Terms that are added to the task's loss.
    #[param(default = [])]
    objectives: Vec<RecipeOf<dyn Objective>>,
    /// The metric on `val` that is to get better; the task's main one where it is left out.
    monitor: Option<String>,
    /// Which way a monitored metric gets better.
    #[param(default = "max")]
    mode: Mode,
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

/// Which way a metric gets better.
#[derive(Clone, Copy, PartialEq, serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "plugin_api::serde", rename_all = "kebab-case")]
#[schemars(crate = "plugin_api::schemars", inline)]
enum Mode {
    /// More of it is better, as of accuracy.
    Max,
    /// Less of it is better, as of a loss.
    Min,
}

/// How far training has come.
#[derive(Default)]
struct Training {
    /// Epochs that are done.
    epochs: i64,
    /// Of each evaluation: epoch, loss, main metric on `val`.
    curve: Vec<Vec<f64>>,
    best: Option<Best>,
}

/// The best evaluation so far.
struct Best {
    epoch: i64,
    value: f64,
    /// Empty where they will not be wanted.
    weights: Tensors,
}

impl Training {
    /// For a checkpoint.
    fn keep(&self) -> Tensors {
        let curve: Vec<f64> = self.curve.concat();
        let mut kept = Tensors::new()
            .with("epochs", Tensor::from(self.epochs))
            .with("curve", Tensor::from_slice(&curve).view([-1, 3]));
        if let Some(best) = &self.best {
            kept.put("best", Tensor::from_slice(&[best.epoch as f64, best.value]));
            let weights = best.weights.iter();
            kept.extend(weights.map(|(path, w)| (format!("best:{path}"), w.clone())));
        }
        kept
    }

    fn go_on(kept: &Tensors) -> Result<Self> {
        let mut training = Training {
            epochs: kept["epochs"].f_int64_value(&[])?,
            curve: Vec::try_from(&kept["curve"])?,
            best: None,
        };
        if let Some(best) = kept.get("best") {
            training.best = Some(Best {
                epoch: best.f_double_value(&[0])? as i64,
                value: best.f_double_value(&[1])?,
                weights: kept.under("best:"),
            });
        }
        Ok(training)
    }
}

impl Trainer for Backprop {
    fn fit(&self, session: &mut dyn Session) -> Result<Report> {
        let (metric, higher_is_better) = match &self.monitor {
            Some(metric) => (metric.clone(), self.mode == Mode::Max),
            None => {
                let ports = session.ports()?;
                (ports.metric, ports.higher_is_better)
            }
        };
        let mut training = self.begin(session)?;
        let mut loss = f64::NAN;
        while training.epochs < self.epochs {
            training.epochs += 1;
            let epoch = training.epochs;
            loss = self.epoch(session, epoch)?;
            if epoch % self.every != 0 && epoch != self.epochs {
                continue;
            }
            let value = finite(&metric, validate(session, &metric)?, epoch)?;
            tracing::info!(epoch, loss, val = value, "evaluated {metric}");
            training.curve.push(vec![epoch as f64, loss, value]);
            let best = training.best.as_ref();
            if best.is_none_or(|best| match higher_is_better {
                true => value > best.value,
                false => value < best.value,
            }) {
                training.best = Some(Best {
                    epoch,
                    value,
                    weights: match self.best {
                        true => session.snapshot("all")?,
                        false => Tensors::new(),
                    },
                });
            }
            if let (Some(patience), Some(best)) = (self.patience, &training.best)
                && epoch - best.epoch >= patience
            {
                tracing::info!(epoch, best = best.epoch, "stopped early");
                break;
            }
            if epoch < self.epochs {
                session.checkpoint(&training.keep())?;
            }
        }
        let best = training.best.context("no epoch was evaluated")?;
        if self.best {
            session.restore(&best.weights)?;
        }
        let report = Report::default()
            .metric("epochs", training.epochs as f64)
            .metric("loss", loss)
            .metric("best", best.value);
        let columns = ["epoch", "loss", &format!("val.{metric}")];
        Ok(report.table("curve", &columns, training.curve))
    }
}

impl Backprop {
    /// Where training begins, or goes on.
    fn begin(&self, session: &mut dyn Session) -> Result<Training> {
        if let Some(kept) = session.resumed()? {
            return Training::go_on(&kept);
        }
        let transforms = self.transforms.iter().map(|t| t.recipe.clone());
        session.chain("main", &transforms.collect::<Vec<_>>(), "model")?;
        let objectives = self.objectives.iter().map(|o| o.recipe.clone());
        session.objectives(&objectives.collect::<Vec<_>>())?;
        Ok(Training::default())
    }

    /// One pass through the training data; the mean of the batches' losses.
    fn epoch(&self, session: &mut dyn Session, epoch: i64) -> Result<f64> {
        let (mut sum, mut batches) = (0.0, 0);
        let mut at = At {
            epoch: epoch - 1,
            index: 0,
            size: self.batch,
            // Those of `next`, so that arms of one seed are paired whoever trains them.
            seed: session.seed("data:train"),
        };
        let mut waiting = vec![];
        loop {
            let batch = session.batch("train", &at)?;
            let is_last = batch.is_none();
            at.index += 1;
            batches += i64::from(!is_last);
            waiting.extend(batch);
            // The last ones of an epoch may be fewer.
            if waiting.len() == self.accumulate || is_last && !waiting.is_empty() {
                for loss in update(session, &waiting)? {
                    sum += finite("training loss", loss, epoch)?;
                }
                waiting.clear();
            }
            if is_last {
                break;
            }
        }
        if batches == 0 {
            return Err(Error::new("the task has no training batch").into());
        }
        Ok(sum / batches as f64)
    }
}

/// One update by the mean of the gradients of these batches; their losses.
fn update(session: &mut dyn Session, batches: &[Batch]) -> Result<Vec<f64>> {
    if let [batch] = batches {
        return Ok(vec![session.step("main", batch, &Ask::train())?]);
    }
    let weights = session.weights("model")?;
    let (mut losses, mut sum) = (vec![], None);
    for batch in batches {
        let seen = session.forward(batch, &Ask::train())?;
        let loss = session.loss(&seen, batch)?;
        losses.push(loss.f_double_value(&[])?);
        let share = loss.f_div_scalar(batches.len() as f64)?;
        let gradients = gradients_of(&share, &weights, false)?;
        sum = Some(match sum {
            Some(sum) => added(&sum, &gradients)?,
            None => gradients,
        });
    }
    session.apply("main", &sum.context("there are batches")?)?;
    Ok(losses)
}

/// Two sets of gradients of the same weights, added up.
fn added(some: &Tensors, more: &Tensors) -> Result<Tensors> {
    let both = some.iter().zip(more.values());
    both.map(|((path, a), b)| Ok((path, a.f_add(b)?))).collect()
}

/// This metric on `val`.
fn validate(session: &dyn Session, metric: &str) -> Result<f64> {
    let metrics = session.evaluate("val", &Ask::eval())?;
    let there = || metrics.names().collect::<Vec<_>>().join(", ");
    Ok(*metrics
        .get(metric)
        .ok_or_else(|| Error::new(format!("the task gives no metric `{metric}`")).found(there()))?)
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
