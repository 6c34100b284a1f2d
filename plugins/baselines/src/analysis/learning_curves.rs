//! How training went: for each subject the curves that its trainers reported, one behind the other.
//!
//! A trainer's table `curve` has the epoch in its first column and the main metric on `val` in its last, as `backprop`'s
//! has. Of each subject the report has the table `SUBJECT` (`epoch`, `value`, `best` so far), and the metrics
//! `SUBJECT.best`, `SUBJECT.epoch` (the first that reached it) and `SUBJECT.mean` (over epochs: of two curves that end
//! alike the faster has the better).

use plugin_api::prelude::*;

/// The curves that trainers reported, with the best so far and when it was reached.
#[component(analysis = "learning-curves")]
struct LearningCurves {}

impl Analysis for LearningCurves {
    fn measure(&self, bench: &dyn Bench, _: &dyn Host) -> Result<Report> {
        let mut report = Report::default();
        for subject in bench.subjects()? {
            let curve = curve(&bench.reports(&subject)?)?;
            if curve.is_empty() {
                continue;
            }
            let higher = bench.subject(&subject)?.ports()?.higher_is_better;
            let better = |a: f64, b: f64| if higher { a > b } else { a < b };
            let (mut best, mut reached) = (f64::NAN, 0.0);
            let mut rows = vec![];
            for &(epoch, value) in &curve {
                if best.is_nan() || better(value, best) {
                    (best, reached) = (value, epoch);
                }
                rows.push(vec![epoch, value, best]);
            }
            let mean = curve.iter().map(|(_, value)| value).sum::<f64>() / curve.len() as f64;
            report = report
                .metric(&format!("{subject}.best"), best)
                .metric(&format!("{subject}.epoch"), reached)
                .metric(&format!("{subject}.mean"), mean)
                .table(&subject, &["epoch", "value", "best"], rows);
        }
        ensure!(
            !report.tables.is_empty(),
            "no subject was trained by a trainer that reports a `curve`"
        );
        Ok(report)
    }
}

/// Epochs and values of all curves, the epochs of a later one counted on from those of the earlier.
fn curve(reports: &[Report]) -> Result<Vec<(f64, f64)>> {
    let mut curve: Vec<(f64, f64)> = vec![];
    let tables = reports.iter().filter_map(|r| r.tables.get("curve"));
    for table in tables {
        let before = curve.last().map_or(0.0, |(epoch, _)| *epoch);
        for row in &table.rows {
            let (Some(epoch), Some(value)) = (row.first(), row.last()) else {
                return Err(Error::new("a row of a `curve` is empty").into());
            };
            curve.push((before + epoch, *value));
        }
    }
    Ok(curve)
}
