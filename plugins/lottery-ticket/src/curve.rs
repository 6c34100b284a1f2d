//! Networks trained at several sparsities, as curves: one for each way in which they came to be sparse.
//!
//! Subjects are trained; those of one arm, `STAGE.ARM`, are the points of the curve `ARM`, each stage at a sparsity of its
//! own. A subject that is no arm, such as the dense network, is a point of every curve; where none is, all are the curve
//! `networks`. For each the report has the table `ARM`, a row for each point, the sparsest first:
//!
//! ```text
//! log10 fraction          of the weights tagged `prunable`, the part that no mask prunes
//! val.METRIC, test.METRIC the task's main metric, where there is such a split
//! best, best-at           what the last trainer said of its best evaluation: how good, and when
//! ```
//!
//! of which `best` and `best-at` are left out where a trainer says no such thing. Source: Frankle & Carbin 2019, figures 3
//! and 4, whose axis is logarithmic.

use plugin_api::prelude::*;

use crate::alive::Alive;
use crate::table::common;

/// Curves over sparsities: how good networks are, and after how much training, arm by arm (Frankle & Carbin 2019).
#[component(analysis = "curve")]
struct Curve {}

/// A trained network.
struct Point {
    /// The curve that it is of; nothing where it is of all.
    arm: Option<String>,
    row: Named<f64>,
}

impl Analysis for Curve {
    fn measure(&self, bench: &dyn Bench, _: &dyn Host) -> Result<Report> {
        let points = bench.subjects()?.into_iter().map(|name| {
            let arm = name.split_once('.').map(|(_, arm)| arm.to_owned());
            let last = bench.reports(&name)?.into_iter().next_back();
            let row = row(&*bench.subject(&name)?, last.unwrap_or_default())?;
            Ok(Point { arm, row })
        });
        let points = points.collect::<Result<Vec<Point>>>()?;
        let mut arms: Vec<&str> = vec![];
        for arm in points.iter().filter_map(|point| point.arm.as_deref()) {
            if !arms.contains(&arm) {
                arms.push(arm);
            }
        }
        if arms.is_empty() {
            arms.push("networks");
        }
        let mut report = Report::default();
        for arm in arms {
            let is_of = |point: &&Point| point.arm.as_deref().is_none_or(|of| of == arm);
            let rows = points.iter().filter(is_of).map(|point| point.row.clone());
            let rows: Vec<Named<f64>> = rows.collect();
            let (columns, mut rows) = common(&rows);
            rows.sort_by(|a, b| a[0].total_cmp(&b[0]));
            report = report.table(arm, &columns, rows);
        }
        Ok(report)
    }
}

/// What is known of a network.
fn row(session: &dyn Session, report: Report) -> Result<Named<f64>> {
    let mut row = Named::new().with("log10 fraction", Alive::of(session)?.fraction().log10());
    let metric = session.ports()?.metric;
    for split in ["val", "test"] {
        if session.batch(split, &At::ALL)?.is_some() {
            let measured = session.evaluate(split, &Ask::eval())?;
            let value = measured.get(&metric).copied();
            let value = value.with_context(|| format!("the task gives no metric `{metric}`"))?;
            row.put(format!("{split}.{metric}"), value);
        }
    }
    for metric in ["best", "best-at"] {
        if let Some(value) = report.metrics.get(metric) {
            row.put(metric, *value);
        }
    }
    Ok(row)
}
