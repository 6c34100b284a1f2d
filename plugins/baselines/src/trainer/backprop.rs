//! Training by back-propagation: epochs of gradient steps, or so many of these, and the weights that did best on `val`.
//!
//! Works for any task; what "best" means is the task's main metric, or another that is monitored. The report has the
//! metrics `epochs` (run; `steps` where these are counted), `loss` (as in the last row of the curve), `best` (that metric
//! on `val`) and `best-at` (after how many epochs or steps), and the table `curve`, a row for each evaluation: `epoch` or
//! `step`, `loss` (mean of the batches since the evaluation before) and `val.METRIC`.
//!
//! Which batch is next depends on the epoch and on its place in it alone: training by steps meets the same batches as
//! training by epochs, and ends within an epoch where the steps do.

use plugin_api::prelude::*;
use plugin_api::{schemars, serde, tracing};

/// Trains by back-propagation and keeps the weights that did best on `val`.
#[component(trainer = "backprop")]
struct Backprop {
    /// Passes through the training data.
    #[param(default = 200, range = "1 <= x")]
    epochs: i64,
    /// Updates, in place of `epochs`; training may end within an epoch. Then `every` and `patience` count updates too.
    #[param(range = "1 <= x")]
    steps: Option<i64>,
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
    /// Epochs, or steps, without a better result on `val` after which training stops; never where it is left out.
    #[param(range = "1 <= x")]
    patience: Option<i64>,
    /// Whether to end with the weights that did best on `val`, the earlier of equals, rather than the last.
    #[param(default = true)]
    best: bool,
    /// Epochs, or steps, from one evaluation on `val` to the next; the end is always evaluated.
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
struct Training {
    /// Epochs or steps that are done.
    done: i64,
    /// The batch that is next.
    at: At,
    /// Of each batch since the last evaluation; there are none where a checkpoint is written.
    losses: Vec<f64>,
    /// Of each evaluation: epoch or step, loss, what is watched on `val`.
    curve: Vec<Vec<f64>>,
    best: Option<Best>,
}

/// The best evaluation so far.
struct Best {
    /// After so many epochs or steps.
    at: i64,
    value: f64,
    /// Empty where they will not be wanted.
    weights: Tensors,
}

impl Training {
    /// Where nothing is done yet.
    fn new(at: At) -> Self {
        Training {
            done: 0,
            at,
            losses: vec![],
            curve: vec![],
            best: None,
        }
    }

    /// For a checkpoint.
    fn keep(&self) -> Tensors {
        let curve: Vec<f64> = self.curve.concat();
        let done = [self.done, self.at.epoch, self.at.index];
        let mut kept = Tensors::new()
            .with("done", Tensor::from_slice(&done))
            .with("curve", Tensor::from_slice(&curve).view([-1, 3]));
        if let Some(best) = &self.best {
            kept.put("best", Tensor::from_slice(&[best.at as f64, best.value]));
            let weights = best.weights.iter();
            kept.extend(weights.map(|(path, w)| (format!("best:{path}"), w.clone())));
        }
        kept
    }

    /// Where what was kept says; `at` is where training began.
    fn go_on(kept: &Tensors, at: At) -> Result<Self> {
        let done = |i: i64| kept["done"].f_int64_value(&[i]);
        let mut training = Training {
            done: done(0)?,
            at: At {
                epoch: done(1)?,
                index: done(2)?,
                ..at
            },
            losses: vec![],
            curve: Vec::try_from(&kept["curve"])?,
            best: None,
        };
        if let Some(best) = kept.get("best") {
            training.best = Some(Best {
                at: best.f_double_value(&[0])? as i64,
                value: best.f_double_value(&[1])?,
                weights: kept.under("best:"),
            });
        }
        Ok(training)
    }
}

impl Trainer for Backprop {
    fn fit(&self, session: &mut dyn Session) -> Result<Report> {
        let (metric, higher_is_better) = self.watched(session)?;
        let (unit, end) = match self.steps {
            Some(steps) => ("step", steps),
            None => ("epoch", self.epochs),
        };
        let mut training = self.begin(session)?;
        let mut loss = f64::NAN;
        while training.done < end {
            training.done += 1;
            let done = training.done;
            let when = format!("{unit} {done}");
            self.advance(session, &mut training, &when)?;
            if done % self.every != 0 && done != end {
                continue;
            }
            loss = training.losses.iter().sum::<f64>() / training.losses.len() as f64;
            training.losses.clear();
            let value = finite(&metric, validate(session, &metric)?, &when)?;
            tracing::info!(loss, val = value, "{when}: evaluated {metric}");
            training.curve.push(vec![done as f64, loss, value]);
            let best = training.best.as_ref();
            if best.is_none_or(|best| match higher_is_better {
                true => value > best.value,
                false => value < best.value,
            }) {
                training.best = Some(Best {
                    at: done,
                    value,
                    weights: match self.best {
                        true => session.snapshot("all")?,
                        false => Tensors::new(),
                    },
                });
            }
            if let (Some(patience), Some(best)) = (self.patience, &training.best)
                && done - best.at >= patience
            {
                tracing::info!(best = best.at, "{when}: stopped early");
                break;
            }
            if done < end {
                session.checkpoint(&training.keep())?;
            }
        }
        let best = training.best.context("nothing was evaluated")?;
        if self.best {
            session.restore(&best.weights)?;
        }
        let report = Report::default()
            .metric(&format!("{unit}s"), training.done as f64)
            .metric("loss", loss)
            .metric("best", best.value)
            .metric("best-at", best.at as f64);
        let columns = [unit, "loss", &format!("val.{metric}")];
        Ok(report.table("curve", &columns, training.curve))
    }
}

impl Backprop {
    /// The metric that is to get better, and whether more of it is better.
    fn watched(&self, session: &dyn Session) -> Result<(String, bool)> {
        if let Some(metric) = &self.monitor {
            return Ok((metric.clone(), self.mode == Mode::Max));
        }
        let ports = session.ports()?;
        Ok((ports.metric, ports.higher_is_better))
    }

    /// Where training begins, or goes on.
    fn begin(&self, session: &mut dyn Session) -> Result<Training> {
        let at = At {
            epoch: 0,
            index: 0,
            size: self.batch,
            // Those of `next`, so that arms of one seed are paired whoever trains them.
            seed: session.seed("data:train"),
        };
        if let Some(kept) = session.resumed()? {
            return Training::go_on(&kept, at);
        }
        let transforms = self.transforms.iter().map(|t| t.recipe.clone());
        session.chain("main", &transforms.collect::<Vec<_>>(), "model")?;
        let objectives = self.objectives.iter().map(|o| o.recipe.clone());
        session.objectives(&objectives.collect::<Vec<_>>())?;
        Ok(Training::new(at))
    }

    /// One step, or what is left of an epoch.
    fn advance(
        &self,
        session: &mut dyn Session,
        training: &mut Training,
        when: &str,
    ) -> Result<()> {
        loop {
            let batches = self.batches(session, &mut training.at)?;
            let epoch_is_over = batches.is_empty();
            if epoch_is_over {
                ensure!(training.at.index > 0, "the task has no training batch");
                (training.at.epoch, training.at.index) = (training.at.epoch + 1, 0);
            } else {
                for loss in update(session, &batches)? {
                    training.losses.push(finite("training loss", loss, when)?);
                }
            }
            if epoch_is_over != self.steps.is_some() {
                return Ok(());
            }
        }
    }

    /// The batches of one update: the last ones of an epoch may be fewer, and behind them there are none.
    fn batches(&self, session: &dyn Session, at: &mut At) -> Result<Vec<Batch>> {
        let mut batches = vec![];
        while batches.len() < self.accumulate {
            let Some(batch) = session.batch("train", at)? else {
                break;
            };
            batches.push(batch);
            at.index += 1;
        }
        Ok(batches)
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
fn finite(what: &str, x: f64, when: &str) -> Result<f64> {
    if x.is_finite() {
        return Ok(x);
    }
    Err(Error::new(format!("the {what} of {when} is {x}"))
        .expected("a finite number")
        .help("try a lower rate")
        .into())
}
