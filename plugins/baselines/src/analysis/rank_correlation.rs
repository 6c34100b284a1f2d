//! Whether scores rank the points of a space as what comes of training them does.
//!
//! So many different points are drawn. Each of `values` is a trainer, which says what a point is worth: the task's main metric
//! on `val`, as a table of results has it or as training has made it. Each of `scorers` scores the network of the point with
//! fresh weights, which begin from the same seed in all of them; both seeds follow from the stage's. The report has the
//! metrics `SCORER.VALUE.spearman` and `SCORER.VALUE.kendall` (tau-b; in both, equal numbers share a rank), 1 where the higher
//! score always goes with the better value, and `SCORER.VALUE.points`, of how many points both are known; and the table
//! `points`, a row for each point, with a column for each scorer and each value, NaN where one is not known. A score or value
//! of which less is better counts the other way round. Where all scores or all values are equal there is no correlation.

use std::collections::BTreeSet;

use plugin_api::prelude::*;
use plugin_api::role::ScorerObj;
use plugin_api::{schemars, serde, serde_json, services, tracing};

use super::ranks::{kendall, spearman};

/// How scores rank points of a space beside what comes of training them: Spearman's and Kendall's coefficients.
#[component(analysis = "rank-correlation")]
struct RankCorrelation {
    /// What points are drawn from.
    #[param(default = "baselines/mlp-space")]
    space: RecipeOf<dyn Space>,
    /// What scores them: `{ name, scorer }`.
    #[param(example = serde_json::json!([{ "name": "params", "scorer": "baselines/params" }]))]
    scorers: Vec<NamedScorer>,
    /// What says how good they are: `{ name, trainer }`.
    #[param(example = serde_json::json!([{ "name": "trained", "trainer": "baselines/backprop" }]))]
    values: Vec<NamedTrainer>,
    /// Points that are drawn.
    #[param(example = 100, range = "2 <= x")]
    points: i64,
}

/// A scorer, and what it is called in reports.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "plugin_api::serde", deny_unknown_fields)]
#[schemars(crate = "plugin_api::schemars", inline)]
struct NamedScorer {
    /// What it is called.
    name: String,
    /// The scorer.
    scorer: RecipeOf<dyn Scorer>,
}

/// A trainer, and what it is called in reports.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "plugin_api::serde", deny_unknown_fields)]
#[schemars(crate = "plugin_api::schemars", inline)]
struct NamedTrainer {
    /// What it is called.
    name: String,
    /// The trainer.
    trainer: RecipeOf<dyn Trainer>,
}

/// A number for each point, the better the higher; NaN where it is not known.
struct Column<'a> {
    name: &'a str,
    numbers: Vec<f64>,
}

impl Analysis for RankCorrelation {
    fn measure(&self, bench: &dyn Bench, host: &dyn Host) -> Result<Report> {
        self.check_names()?;
        let subject = bench.subjects()?.into_iter().next();
        let subject = bench.subject(&subject.context("no subject is on the bench")?)?;
        let (ports, seed) = (subject.ports()?, subject.seed("rank-correlation"));
        let mut points: Vec<Point> = vec![];
        let mut values = vec![];
        for NamedTrainer { name, trainer } in &self.values {
            let seen = bench.search(&self.searching(&trainer.recipe, seed))?;
            let worth = seen.iter().map(|seen| worth(seen, &ports));
            values.push(Column {
                name,
                numbers: worth.collect(),
            });
            // The strategy learns nothing from what it is told: it draws the same for all.
            points = seen.into_iter().map(|seen| seen.point).collect();
        }
        let scores = self.scores(&points, &ports, seed, host)?;
        let mut report = Report::default();
        for score in &scores {
            for value in &values {
                report = correlated(report, score, value);
            }
        }
        let columns: Vec<&Column> = scores.iter().chain(&values).collect();
        let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
        let row = |i: usize| columns.iter().map(|column| column.numbers[i]).collect();
        let rows = points.iter().enumerate();
        let rows = rows.map(|(i, point)| (label(point), row(i)));
        Ok(report.labelled("points", &names, rows))
    }
}

impl RankCorrelation {
    fn check_names(&self) -> Result<()> {
        ensure!(!self.scorers.is_empty(), "there is no scorer");
        ensure!(
            !self.values.is_empty(),
            "there is nothing to rank scores by"
        );
        let scorers = self.scorers.iter().map(|scorer| &scorer.name);
        let mut taken = BTreeSet::new();
        for name in scorers.chain(self.values.iter().map(|value| &value.name)) {
            ensure!(taken.insert(name), "two columns are called `{name}`");
        }
        Ok(())
    }

    /// A search that draws the points and has this trainer value them.
    fn searching(&self, trainer: &Recipe, seed: u64) -> Searching {
        Searching {
            strategy: "baselines/deduplicate".into(),
            space: self.space.recipe.clone(),
            trainer: trainer.clone(),
            trials: self.points,
            seed,
        }
    }

    /// What each scorer says of the points: one network a point, which all of them score.
    fn scores(
        &self,
        points: &[Point],
        ports: &Ports,
        seed: u64,
        host: &dyn Host,
    ) -> Result<Vec<Column<'_>>> {
        let space = services()?.space(&self.space.recipe)?;
        let made = |scorer: &NamedScorer| services()?.scorer(&scorer.scorer.recipe);
        let made: Vec<ScorerObj> = self.scorers.iter().map(made).collect::<Result<_>>()?;
        let mut columns: Vec<Column> = self.scorers.iter().map(Column::of).collect();
        for point in points {
            let arch = space.arch(ports, point, host)?;
            let mut session = host.session(&arch, On::SameTask, seed)?;
            let needs = made.iter().map(|scorer| scorer.needs(&arch));
            session.share(&needs.collect::<Result<Vec<_>>>()?.concat())?;
            for (scorer, column) in made.iter().zip(&mut columns) {
                let score = scorer.score(&mut *session).unwrap_or_else(|why| {
                    tracing::warn!("`{}` could not score {point:?}: {why}", column.name);
                    f64::NAN
                });
                column.numbers.push(match scorer.higher_is_better() {
                    true => score,
                    false => -score,
                });
            }
        }
        Ok(columns)
    }
}

impl<'a> Column<'a> {
    fn of(scorer: &'a NamedScorer) -> Self {
        Column {
            name: &scorer.name,
            numbers: vec![],
        }
    }
}

/// What came of a point.
fn worth(seen: &Observation, ports: &Ports) -> f64 {
    let value = match &seen.outcome {
        Outcome::Done(metrics) => metrics.get(&ports.metric).copied(),
        Outcome::Failed(why) => {
            tracing::warn!("nothing is known of {:?}: {why}", seen.point);
            None
        }
    };
    match ports.higher_is_better {
        true => value.unwrap_or(f64::NAN),
        false => -value.unwrap_or(f64::NAN),
    }
}

/// The report with how a score ranks the points beside a value, where both are known.
fn correlated(report: Report, score: &Column, value: &Column) -> Report {
    let both = score.numbers.iter().zip(&value.numbers);
    let known = both.filter(|(score, value)| !score.is_nan() && !value.is_nan());
    let (scores, values): (Vec<f64>, Vec<f64>) = known.unzip();
    let name = |what| format!("{}.{}.{what}", score.name, value.name);
    let mut report = report.metric(&name("points"), scores.len() as f64);
    for (what, coefficient) in [
        ("spearman", spearman(&scores, &values)),
        ("kendall", kendall(&scores, &values)),
    ] {
        if coefficient.is_finite() {
            report = report.metric(&name(what), coefficient);
        }
    }
    report
}

/// A point in a line: options by their numbers.
fn label(point: &Point) -> String {
    let decided = point.iter().map(|(name, decided)| match decided {
        Decided::Option(i) => format!("{name}={i}"),
        Decided::Integer(i) => format!("{name}={i}"),
        Decided::Real(x) => format!("{name}={x}"),
        Decided::Subset(of) => format!("{name}={of:?}"),
    });
    decided.collect::<Vec<_>>().join(" ")
}
