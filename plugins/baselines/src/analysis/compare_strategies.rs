//! Searches by several strategies, over and over from other seeds: which finds more, and is that chance.
//!
//! Every strategy searches from every seed, the same for all, so their results are paired; they follow from the stage's.
//! The report has, for each strategy, the table `NAME` (`trial`, the `mean` over seeds of the best value until then, and its
//! interval from `low` to `high`) and the metrics `NAME.best`, `NAME.low`, `NAME.high`: its last row; beside these
//! `NAME.test` and whatever else the trainer reports, the mean over seeds of what it said of the best trial. For each
//! strategy but the first there is the mean of the paired differences to the first, `FIRST-NAME.mean`, with its interval
//! from `FIRST-NAME.low` to `FIRST-NAME.high`. Intervals are Student's, of 95 %; a single seed has none. Source: Li &
//! Talwalkar 2020, on random search as what others are held to.

use plugin_api::prelude::*;
use plugin_api::{Searching, serde_json};
use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::strategy::NamedStrategy;

/// Searches by several strategies from the same seeds, with paired differences and their intervals.
#[component(analysis = "compare-strategies")]
struct CompareStrategies {
    /// The strategies: `{ name, strategy }`; the others are compared with the first.
    #[param(example = serde_json::json!([
        { "name": "random", "strategy": "baselines/random" },
        { "name": "evolution", "strategy": "baselines/evolution" }
    ]))]
    strategies: Vec<NamedStrategy>,
    /// What is searched.
    #[param(default = "baselines/mlp-space")]
    space: RecipeOf<dyn Space>,
    /// Who trains each candidate.
    #[param(default = "baselines/backprop")]
    trainer: RecipeOf<dyn Trainer>,
    /// Trials of each search.
    #[param(example = 200, range = "1 <= x")]
    trials: i64,
    /// Searches of each strategy, for each seed of the experiment.
    #[param(example = 10, range = "1 <= x")]
    seeds: u64,
}

/// What came of a search.
struct Found {
    /// The best value after each trial; not a number before the first that succeeded.
    curve: Vec<f64>,
    /// What was seen of the best trial, without its value.
    beside: Named<f64>,
}

impl Analysis for CompareStrategies {
    fn measure(&self, bench: &dyn Bench, _: &dyn Host) -> Result<Report> {
        let subject = bench.subjects()?.into_iter().next();
        let subject = bench.subject(&subject.context("no subject is on the bench")?)?;
        let (ports, begin) = (subject.ports()?, subject.seed("compare-strategies"));
        let mut report = Report::default();
        let mut first: Option<(&str, Vec<f64>)> = None;
        for NamedStrategy { name, strategy } in &self.strategies {
            let search = |number: u64| {
                let searching = Searching {
                    strategy: strategy.recipe.clone(),
                    space: self.space.recipe.clone(),
                    trainer: self.trainer.recipe.clone(),
                    trials: self.trials,
                    seed: stream(begin, &number.to_string()),
                };
                let goal = (ports.metric.as_str(), ports.higher_is_better);
                let found = self.found(&bench.search(&searching)?, goal);
                found.with_context(|| format!("search {number} of `{name}` found nothing"))
            };
            let all: Vec<Found> = (0..self.seeds).map(search).collect::<Result<_>>()?;
            let last: Vec<f64> = all
                .iter()
                .map(|found| *found.curve.last().unwrap_or(&f64::NAN))
                .collect();
            report = described(report, name, &all);
            match &first {
                None => first = Some((name, last)),
                Some((leader, theirs)) => {
                    let differences: Vec<f64> =
                        theirs.iter().zip(&last).map(|(a, b)| a - b).collect();
                    let what = format!("{leader}-{name}");
                    report = with_interval(report, (&what, "mean"), &differences);
                }
            }
        }
        ensure!(first.is_some(), "there is no strategy to search by");
        Ok(report)
    }
}

impl CompareStrategies {
    /// What came of a search, of these trials at most.
    fn found(&self, seen: &[Observation], (metric, higher): (&str, bool)) -> Option<Found> {
        let mut curve = vec![];
        let mut best: Option<(f64, &Named<f64>)> = None;
        for trial in 0..self.trials as usize {
            // Whoever proposed no more stays with what was found.
            if let Some(Observation {
                outcome: Outcome::Done(metrics),
                ..
            }) = seen.get(trial)
                && let Some(value) = metrics.get(metric).copied().filter(|x| x.is_finite())
                && best.is_none_or(|(before, _)| {
                    if higher {
                        value > before
                    } else {
                        value < before
                    }
                })
            {
                best = Some((value, metrics));
            }
            curve.push(best.map_or(f64::NAN, |(value, _)| value));
        }
        let beside = best?.1.iter().filter(|(name, _)| *name != metric);
        let plain = |name: &str| name.strip_prefix("train.").unwrap_or(name).to_string();
        Some(Found {
            curve,
            beside: beside.map(|(name, value)| (plain(name), *value)).collect(),
        })
    }
}

/// The report with what the searches of one strategy found.
fn described(report: Report, name: &str, all: &[Found]) -> Report {
    let trials = all.first().map_or(0, |found| found.curve.len());
    let rows = (0..trials).map(|trial| {
        let values: Vec<f64> = all.iter().map(|found| found.curve[trial]).collect();
        let mut row = vec![trial as f64 + 1.0, mean(&values)];
        row.extend(interval(&values).into_iter().flatten());
        row
    });
    let rows: Vec<Vec<f64>> = rows.collect();
    let last: Vec<f64> = { all.iter() }
        .filter_map(|found| found.curve.last().copied())
        .collect();
    let mut report = with_interval(report, (name, "best"), &last);
    for beside in all.first().iter().flat_map(|found| found.beside.names()) {
        let values: Vec<f64> = all
            .iter()
            .filter_map(|found| found.beside.get(beside).copied())
            .collect();
        if values.len() == all.len() {
            report = report.metric(&format!("{name}.{beside}"), mean(&values));
        }
    }
    let columns = ["trial", "mean", "low", "high"];
    let there = if all.len() > 1 { 4 } else { 2 };
    report.table(name, &columns[..there], rows)
}

/// The report with the mean of these values, as `WHAT.MEAN`, and the ends of its interval.
fn with_interval(report: Report, (what, name): (&str, &str), values: &[f64]) -> Report {
    let report = report.metric(&format!("{what}.{name}"), mean(values));
    match interval(values) {
        None => report,
        Some([low, high]) => report
            .metric(&format!("{what}.low"), low)
            .metric(&format!("{what}.high"), high),
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Both ends of Student's interval of 95 %; one value has none.
fn interval(values: &[f64]) -> Option<[f64; 2]> {
    let (n, mean) = (values.len() as f64, mean(values));
    let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
    let error = (squares / (n - 1.0) / n).sqrt();
    let quantile = StudentsT::new(0.0, 1.0, n - 1.0).ok()?.inverse_cdf(0.975);
    Some([mean - quantile * error, mean + quantile * error])
}
