//! Trials that are looked up in a table of results, in place of training.
//!
//! The row is that of `session.point()`, for spaces whose decisions are called as the table's columns are, and whose
//! options stand in the order of the column's values: `baselines/tabular-space`, and `baselines/cell-cnn` with the table of
//! NAS-Bench-201. What stands in the column `value` counts as the task's main metric on `val`, and in `test` as that on
//! `test`; the network stays as it is. The report has the metrics `test` and `cost`, as far as they are asked. One trial is
//! one evaluation; how long it would have taken is known only where the table has a column for it, `cost`.

use std::sync::OnceLock;

use plugin_api::prelude::*;
use plugin_api::{schemars, serde};

use crate::data::tabular::{Results, nas_bench_graph};

/// Looks a trial up in a table of results, in place of training.
#[component(trainer = "tabular")]
struct Tabular {
    /// The table: the path of a CSV file with a header, which may be packed by gzip, or the name of a benchmark's table in
    /// a folder of data, as `nas_nasbench201/accuracy.csv.gz`.
    #[param(example = "results.csv")]
    file: String,
    /// The column with the task's main metric on `val`.
    #[param(example = "accuracy")]
    value: String,
    /// The column with that metric on `test`.
    test: Option<String>,
    /// The column with what a trial costs, as seconds of training.
    cost: Option<String>,
    /// What numbers of `value` and `test` are multiplied by, as 0.01 for per cent.
    #[param(default = 1.0)]
    scale: f64,
    /// By which rule points that mean the same share a row; each point has its own where it is left out.
    shared: Option<Shared>,
    /// The table, once it was read.
    #[serde(skip)]
    results: OnceLock<Results>,
}

/// By which rule points share a row.
#[derive(Clone, Copy, serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "plugin_api::serde", rename_all = "kebab-case")]
#[schemars(crate = "plugin_api::schemars", inline)]
enum Shared {
    /// Graphs of four operations that compute the same (Qin et al. 2022).
    NasBenchGraph,
}

impl Tabular {
    fn results(&self) -> Result<&Results> {
        if let Some(results) = self.results.get() {
            return Ok(results);
        }
        let results = Results::read(&self.file)?;
        Ok(self.results.get_or_init(|| results))
    }
}

impl Trainer for Tabular {
    fn fit(&self, session: &mut dyn Session) -> Result<Report> {
        let point = session.point()?.ok_or_else(|| {
            Error::new("a table has no row for a network that is no point of a space")
                .help("look trials of a search up, or a stage that begins with a `point`")
        })?;
        let results = self.results()?;
        let values = results.values(&point)?;
        let row = results.row(&match self.shared {
            Some(Shared::NasBenchGraph) => nas_bench_graph::canonical(&values)?,
            None => values,
        })?;
        let metric = session.ports()?.metric;
        let value =
            |column: &str| Ok::<_, anyhow::Error>(results.number(row, column)? * self.scale);
        let on = |x: f64| Named::new().with(&metric, x);
        let mut report = Report::default().measured("val", on(value(&self.value)?));
        if let Some(test) = &self.test {
            let test = value(test)?;
            report = report.measured("test", on(test)).metric("test", test);
        }
        if let Some(cost) = &self.cost {
            report = report.metric("cost", results.number(row, cost)?);
        }
        Ok(report)
    }
}
