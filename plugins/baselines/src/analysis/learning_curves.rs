//! How training went: for each subject the curves that its trainers reported, one behind the other.
//!
//! A trainer's table `curve` has the epoch in its first column and the main metric on `val` in its last, as `backprop`'s
//! has; a trainer that counts something else, as steps, calls the column so. Of each subject the report has the table
//! `SUBJECT` (`epoch`, `value`, `best` so far), and the metrics `SUBJECT.best`, `SUBJECT.epoch` (the first that reached it;
//! `SUBJECT.step` where steps are counted) and `SUBJECT.mean` (over epochs: of two curves that end alike the faster has
//! the better).

use plugin_api::prelude::*;

/// The curves that trainers reported, with the best so far and when it was reached.
#[component(analysis = "learning-curves")]
struct LearningCurves {}

impl Analysis for LearningCurves {
    fn measure(&self, bench: &dyn Bench, _: &dyn Host) -> Result<Report> {
        let mut report = Report::default();
        for subject in bench.subjects()? {
            let Some(Curve { counted, points }) = curve(&bench.reports(&subject)?)? else {
                continue;
            };
            let higher = bench.subject(&subject)?.ports()?.higher_is_better;
            let better = |a: f64, b: f64| if higher { a > b } else { a < b };
            let (mut best, mut reached) = (f64::NAN, 0.0);
            let mut rows = vec![];
            for &(at, value) in &points {
                if best.is_nan() || better(value, best) {
                    (best, reached) = (value, at);
                }
                rows.push(vec![at, value, best]);
            }
            let mean = points.iter().map(|(_, value)| value).sum::<f64>() / points.len() as f64;
            report = report
                .metric(&format!("{subject}.best"), best)
                .metric(&format!("{subject}.{counted}"), reached)
                .metric(&format!("{subject}.mean"), mean)
                .table(&subject, &[&counted, "value", "best"], rows);
        }
        ensure!(
            !report.tables.is_empty(),
            "no subject was trained by a trainer that reports a `curve`"
        );
        Ok(report)
    }
}

/// All curves of a subject, one behind the other.
struct Curve {
    /// What they count: `epoch`, or `step`.
    counted: String,
    /// Places and values, the places of a later curve counted on from those of the earlier.
    points: Vec<(f64, f64)>,
}

/// The curves in these reports; `None` where there is none.
fn curve(reports: &[Report]) -> Result<Option<Curve>> {
    let mut counted: Option<&String> = None;
    let mut points: Vec<(f64, f64)> = vec![];
    let tables = reports.iter().filter_map(|r| r.tables.get("curve"));
    for table in tables.filter(|table| !table.rows.is_empty()) {
        let first = table.columns.first().context("a `curve` has no columns")?;
        if let Some(before) = counted.replace(first)
            && before != first
        {
            return Err(Error::new("the curves of a subject count different things")
                .found(format!("`{before}`, then `{first}`"))
                .help("have both trainers count epochs, or both steps")
                .into());
        }
        let before = points.last().map_or(0.0, |(at, _)| *at);
        for row in &table.rows {
            let (Some(at), Some(value)) = (row.first(), row.last()) else {
                return Err(Error::new("a row of a `curve` is empty").into());
            };
            points.push((before + at, *value));
        }
    }
    let counted = counted.cloned();
    Ok(counted.map(|counted| Curve { counted, points }))
}
