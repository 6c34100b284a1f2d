//! What came out of a run.

use std::path::{Path, PathBuf};

use comfy_table::{CellAlignment, Table, presets};
use plugin_api_data::{Error, Goal, Named};
use serde::Serialize;

use crate::experiment::{Experiment, Verb};
use crate::journal::{Journal, Results};
use crate::protocol::Step;
use crate::run::Run;
use crate::study::best;

/// What came out of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The run's folder.
    pub run: PathBuf,
    /// The task's main metric.
    pub metric: String,
    /// The searches, in order.
    pub searches: Vec<Found>,
    /// The other stages, in order.
    pub stages: Vec<Row>,
    /// What analyses measured, in order.
    pub analyses: Vec<Measured>,
}

/// What an analysis measured, over its seeds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measured {
    /// Name of the stage.
    pub stage: String,
    /// By the names that the analysis gave.
    pub metrics: Named<Spread>,
}

/// What came out of a search.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Found {
    /// Name of the stage.
    pub stage: String,
    /// How many trials ended, failed ones included.
    pub trials: usize,
    /// The best one.
    pub best: u64,
    /// What it is worth on the split `val`.
    pub value: f64,
}

/// What came out of another stage, over its seeds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Name of the stage.
    pub stage: String,
    /// How many seeds it ran for.
    pub seeds: usize,
    /// The main metric on the split `val`.
    pub val: Option<Spread>,
    /// The main metric on the split `test`.
    pub test: Option<Spread>,
    /// Number of weights.
    pub parameters: Option<Spread>,
    /// Number of weights that no mask hides.
    pub alive: Option<Spread>,
}

/// Mean and spread over seeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The standard deviation of a sample; one seed has none.
    pub sd: Option<f64>,
}

impl Summary {
    /// What the journal of a run holds.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn of(experiment: &Experiment, run: &Run, goal: &Goal) -> Result<Self, Error> {
        let journal = Journal::open(&run.journal())?;
        let mut summary = Summary {
            run: run.folder().into(),
            metric: goal.metric.clone(),
            searches: vec![],
            stages: vec![],
            analyses: vec![],
        };
        for (index, stage) in experiment.stages.iter().enumerate() {
            let results = journal.results(index)?;
            match &stage.verb {
                // What it chose is seen in the stages that go on with it.
                Verb::Relax(..) => {}
                Verb::Step(_, Step::Analyse { .. }) => summary.analyses.push(Measured {
                    stage: stage.name.clone(),
                    metrics: Spread::under("analyse.", &results),
                }),
                Verb::Search(_) => {
                    summary
                        .searches
                        .extend(best(&results, goal).map(|(best, value, _)| Found {
                            stage: stage.name.clone(),
                            trials: results.len(),
                            best,
                            value,
                        }))
                }
                Verb::Step(..) => summary.stages.push(Row {
                    stage: stage.name.clone(),
                    seeds: results.len(),
                    val: Spread::of(&results, &format!("val.{}", goal.metric)),
                    test: Spread::of(&results, &format!("test.{}", goal.metric)),
                    parameters: Spread::of(&results, "parameters"),
                    alive: Spread::of(&results, "alive"),
                }),
            }
        }
        Ok(summary)
    }

    /// As text for people; `folder` is how the run is called.
    pub fn render(&self, folder: &Path) -> String {
        let mut lines: Vec<String> = self
            .searches
            .iter()
            .map(|f| {
                format!(
                    "{}: best of {} trials is t{}, val.{} {:.4}",
                    f.stage, f.trials, f.best, self.metric, f.value
                )
            })
            .collect();
        if !self.stages.is_empty() {
            let mut table = Table::new();
            table.load_style(presets::NOTHING);
            table.set_header([
                "stage".into(),
                format!("val.{}", self.metric),
                format!("test.{}", self.metric),
                "parameters".into(),
                "alive".into(),
            ]);
            for row in &self.stages {
                let metric = |spread: &Option<Spread>| show(spread, 4);
                let count = |spread: &Option<Spread>| show(spread, 0);
                table.add_row([
                    row.stage.clone(),
                    metric(&row.val),
                    metric(&row.test),
                    count(&row.parameters),
                    count(&row.alive),
                ]);
            }
            table
                .column_iter_mut()
                .skip(1)
                .for_each(|column| column.set_cell_alignment(CellAlignment::Right));
            lines.push(table.trim_fmt());
        }
        for Measured { stage, metrics } in &self.analyses {
            let metrics = metrics.iter();
            lines
                .extend(metrics.map(|(name, x)| format!("{stage}: {name} {}", show(&Some(*x), 4))));
        }
        lines.push(format!("run: {}", folder.display()));
        lines.join("\n")
    }
}

impl Spread {
    /// Over the seeds, of every metric whose name begins so; by the rest of its name.
    fn under(prefix: &str, results: &Results) -> Named<Self> {
        let first = results.values().find_map(|r| r.as_ref().ok());
        let names = first.into_iter().flat_map(|done| done.metrics.names());
        names
            .filter_map(|name| Some((name.strip_prefix(prefix)?, Spread::of(results, name)?)))
            .collect()
    }

    /// Over the seeds that measured this metric.
    fn of(results: &Results, metric: &str) -> Option<Self> {
        let values: Vec<f64> = results
            .values()
            .filter_map(|r| r.as_ref().ok()?.metrics.get(metric).copied())
            .collect();
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
        (n > 0.0).then(|| Spread {
            mean,
            sd: (n > 1.0).then(|| (squares / (n - 1.0)).sqrt()),
        })
    }
}

/// `0.9123 ± 0.0042`
fn show(spread: &Option<Spread>, digits: usize) -> String {
    match spread {
        None => "-".into(),
        // Sizes rarely depend on the seed.
        Some(Spread {
            mean,
            sd: None | Some(0.0),
        }) => format!("{mean:.digits$}"),
        Some(Spread { mean, sd: Some(sd) }) => format!("{mean:.digits$} ± {sd:.digits$}"),
    }
}
