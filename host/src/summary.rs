//! What came out of a run.

use std::path::{Path, PathBuf};

use comfy_table::{CellAlignment, presets};
use plugin_api_data::{Error, Goal, Named, Table};
use serde::{Deserialize, Serialize};

use crate::experiment::{ARM, Experiment, Stage, Verb};
use crate::journal::{Journal, Results};
use crate::run::Run;
use crate::spread::{Difference, Spread, compare};
use crate::study::best;

/// What came out of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The run's folder.
    pub run: PathBuf,
    /// The task's main metric.
    pub metric: String,
    /// Its value on `val`: the mean over seeds of the stage that stands for the run ([`Summary::outcome`]), else that of the
    /// best trial.
    pub best: Option<f64>,
    /// The searches, in order.
    pub searches: Vec<Found>,
    /// The other stages, in order.
    pub stages: Vec<Row>,
    /// By how much the arms of a stage differ from the first of them, seed by seed.
    pub comparisons: Vec<Compared>,
    /// What analyses measured, in order.
    pub analyses: Vec<Measured>,
}

/// By how much arms differ from the first of their group.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    /// The arm that the others are compared with.
    pub reference: String,
    /// What is compared, such as `test.accuracy`.
    pub metric: String,
    /// The others, in order.
    pub differences: Vec<Difference>,
}

/// What others want to know of a run that is complete.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Brief {
    /// The task's main metric.
    pub metric: String,
    /// Its value, as [`Summary::best`] has it; nothing where that is no number.
    pub best: Option<f64>,
}

/// What an analysis measured, over its seeds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measured {
    /// Name of the stage.
    pub stage: String,
    /// By the names that the analysis gave.
    pub metrics: Named<Spread>,
    /// The tables that it reported, by name, for each seed.
    pub tables: Vec<Named<Table>>,
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

impl Summary {
    /// What the journal of a run holds.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn of(experiment: &Experiment, run: &Run, goal: &Goal) -> Result<Self, Error> {
        let journal = Journal::look(&run.journal())?;
        let mut summary = Summary {
            run: run.folder().into(),
            metric: goal.metric.clone(),
            best: None,
            searches: vec![],
            stages: vec![],
            comparisons: vec![],
            analyses: vec![],
        };
        let mut of_stages = vec![];
        for (index, stage) in experiment.stages.iter().enumerate() {
            let results = journal.results(index)?;
            match &stage.verb {
                // What it chose is seen in the stages that go on with it.
                Verb::Relax(..) => {}
                Verb::Steps(..) if stage.is_analysis() => summary.analyses.push(Measured {
                    stage: stage.name.clone(),
                    metrics: Spread::under("analyse.", &results),
                    tables: tables(&results),
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
                Verb::Steps(..) => {
                    summary.stages.push(Row {
                        stage: stage.name.clone(),
                        seeds: results.len(),
                        val: Spread::of(&results, &format!("val.{}", goal.metric)),
                        test: Spread::of(&results, &format!("test.{}", goal.metric)),
                        parameters: Spread::of(&results, "parameters"),
                        alive: Spread::of(&results, "alive"),
                    });
                    of_stages.push((stage, results));
                }
            }
        }
        summary.comparisons = comparisons(&of_stages, goal);
        let of_stage = summary.outcome().and_then(|row| Some(row.val?.mean));
        let of_search = summary.searches.last().map(|found| found.value);
        summary.best = of_stage.or(of_search);
        Ok(summary)
    }

    /// The stage that stands for the run: the last that has a value on `val`. An arm is one of several, and does so only where
    /// there is nothing else.
    pub fn outcome(&self) -> Option<&Row> {
        let valued = || self.stages.iter().rev().filter(|row| row.val.is_some());
        let alone = valued().find(|row| !row.stage.contains(ARM));
        alone.or_else(|| valued().next())
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
            let header = [
                "stage".into(),
                format!("val.{}", self.metric),
                format!("test.{}", self.metric),
                "parameters".into(),
                "alive".into(),
            ];
            let rows = self.stages.iter().map(|row| {
                let metric = |spread: &Option<Spread>| show(spread, 4);
                let count = |spread: &Option<Spread>| show(spread, 0);
                vec![
                    row.stage.clone(),
                    metric(&row.val),
                    metric(&row.test),
                    count(&row.parameters),
                    count(&row.alive),
                ]
            });
            lines.push(aligned(header.into(), rows));
        }
        lines.extend(self.comparisons.iter().flat_map(Compared::lines));
        for measured in &self.analyses {
            lines.extend(measured.lines());
        }
        lines.push(format!("run: {}", folder.display()));
        lines.join("\n")
    }
}

/// The groups among these stages whose arms are compared.
fn comparisons(stages: &[(&Stage, Results)], goal: &Goal) -> Vec<Compared> {
    let group = |stage: &Stage| stage.arm().map(|(group, _)| group.to_owned());
    let together = |a: &Stage, b: &Stage| group(a).is_some() && group(a) == group(b);
    let groups = stages.chunk_by(|(a, _), (b, _)| together(a, b));
    let several = groups.filter(|arms| arms.len() > 1);
    several.flat_map(|arms| Compared::of(arms, goal)).collect()
}

impl Compared {
    /// On `val` and on `test`, as far as they were measured there.
    fn of(arms: &[(&Stage, Results)], goal: &Goal) -> Vec<Self> {
        let on = |split: &str| {
            let metric = format!("{split}.{}", goal.metric);
            let samples = arms.iter().map(|(stage, results)| {
                let values = results.iter().filter_map(|(number, result)| {
                    Some((*number, *result.as_ref().ok()?.metrics.get(&metric)?))
                });
                (stage.name.clone(), values.collect())
            });
            Compared {
                reference: arms[0].0.name.clone(),
                differences: compare(&samples.collect::<Vec<_>>()),
                metric,
            }
        };
        let known = |of: &Compared| of.differences.iter().any(|of| of.difference.is_some());
        ["val", "test"].map(on).into_iter().filter(known).collect()
    }

    /// As text for people.
    fn lines(&self) -> impl Iterator<Item = String> {
        self.differences.iter().filter_map(|of| {
            let Spread { n, mean, .. } = of.difference?;
            let (arm, reference, metric) = (&of.stage, &self.reference, &self.metric);
            let difference = format!("{arm} less {reference}: {metric} {mean:+.4}");
            Some(match of.difference?.interval {
                Some((low, high)) => format!("{difference} ({low:+.4} to {high:+.4}), {n} seeds"),
                None => difference,
            })
        })
    }
}

impl Measured {
    /// As text for people: all metrics, and of the first seed those tables whose rows have names. Others are curves, which
    /// are to be drawn.
    fn lines(&self) -> impl Iterator<Item = String> {
        let stage = &self.stage;
        let metrics = self.metrics.iter();
        let metrics =
            metrics.map(move |(name, x)| format!("{stage}: {name} {}", show(&Some(*x), 4)));
        let of_seed = match self.tables.len() {
            0 | 1 => String::new(),
            seeds => format!(", the first of {seeds} seeds"),
        };
        let tables = self.tables.first().into_iter().flat_map(Named::iter);
        let tables = tables.filter(|(_, table)| !table.labels.is_empty());
        metrics.chain(tables.map(move |(name, table)| {
            let text = named_rows(table);
            format!("{stage}: {name}{of_seed}\n{text}")
        }))
    }
}

/// The tables of each seed.
fn tables(results: &Results) -> Vec<Named<Table>> {
    let done = results.values().filter_map(|result| result.as_ref().ok());
    let tables = done.map(|done| {
        let tables = done.reports.iter().flat_map(|report| report.tables.iter());
        tables.map(|(name, table)| (name, table.clone())).collect()
    });
    tables.collect()
}

/// Rows under a header: names to the left, all else to the right.
pub fn aligned(header: Vec<String>, rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header);
    table.add_rows(rows);
    table
        .column_iter_mut()
        .skip(1)
        .for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    table.trim_fmt()
}

/// A table whose rows have names. A column of whole numbers shows these as they are.
fn named_rows(table: &Table) -> String {
    let header = [String::new()].into_iter().chain(table.columns.clone());
    let is_whole = |column: usize| {
        table
            .rows
            .iter()
            .all(|row| row.get(column).is_some_and(|x| x.fract() == 0.0))
    };
    let digits: Vec<usize> = (0..table.columns.len())
        .map(|column| if is_whole(column) { 0 } else { 4 })
        .collect();
    let rows = table.labels.iter().zip(&table.rows).map(|(label, row)| {
        let numbers = row.iter().zip(&digits);
        let numbers = numbers.map(|(x, &digits)| format!("{x:.digits$}"));
        [label.clone()].into_iter().chain(numbers).collect()
    });
    aligned(header.collect(), rows)
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
        let done = results.values().filter_map(|r| r.as_ref().ok());
        Spread::over(done.filter_map(|done| done.metrics.get(metric).copied()))
    }
}

fn show(spread: &Option<Spread>, digits: usize) -> String {
    spread.map_or("-".into(), |spread| spread.show(digits))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use plugin_api_data::{Arch, Report};

    use super::*;
    use crate::experiment::Origin;
    use crate::protocol::Done;

    #[test]
    fn arms_of_a_group_are_compared() {
        let stage = |name: &str| Stage {
            name: name.into(),
            verb: Verb::Steps(Origin::Stage("found".into()), vec![]),
        };
        let stages = ["first", "rate.low", "rate.high", "alone.x"].map(stage);
        let values = [0.1, 0.5, 0.75, 0.2];
        let result = |value: f64| {
            let done = Done {
                arch: Arch::new(Named::new()),
                metrics: Named::new().with("val.accuracy", value),
                reports: vec![],
                answers: None,
            };
            Results::from([(0, Ok(done))])
        };
        let ran: Vec<_> = stages.iter().zip(values.map(result)).collect();
        let goal = Goal {
            metric: "accuracy".into(),
            higher_is_better: true,
        };
        let [compared] = &comparisons(&ran, &goal)[..] else {
            panic!("one group has two arms, and one split");
        };
        assert_eq!(
            (&*compared.metric, &*compared.reference),
            ("val.accuracy", "rate.low")
        );
        assert_eq!(compared.differences[0].stage, "rate.high");
        assert_eq!(compared.differences[0].difference.unwrap().mean, 0.25);
        assert_eq!(
            compared.lines().collect::<Vec<_>>(),
            ["rate.high less rate.low: val.accuracy +0.2500"]
        );
    }

    #[test]
    fn shows_tables_whose_rows_have_names() {
        let rows = [
            ("hidden", vec![520.0, 0.5]),
            ("output", vec![90.0, 1.0 / 3.0]),
        ];
        let report = Report::default()
            .labelled("net", &["parameters", "share"], rows)
            .table("curve", &["epoch"], vec![vec![1.0]]);
        let measured = |seeds: usize| Measured {
            stage: "parts".into(),
            metrics: Named::new().with("net.parameters", Spread::over([610.0]).unwrap()),
            tables: vec![report.tables.clone(); seeds],
        };
        let text = |seeds| measured(seeds).lines().collect::<Vec<_>>().join("\n");
        expect![[r#"
            parts: net.parameters 610.0000
            parts: net
                     parameters   share
             hidden         520  0.5000
             output          90  0.3333"#]]
        .assert_eq(&text(1));
        assert!(text(3).contains("parts: net, the first of 3 seeds\n"));
    }
}
