//! How large the weights of each subject are.
//!
//! The report has the metrics `SUBJECT.weights`, their number, and `SUBJECT.small`, the part of them of which
//! `|w| <= threshold`. Weights are taken as a pass uses them: generated ones too, after masks.

use plugin_api::prelude::*;

/// Counts the weights of each subject, and those among them that are small.
#[component(analysis = "small-weights")]
struct SmallWeights {
    /// What counts as small.
    #[param(default = 0.001, range = "0 <= x")]
    threshold: f64,
}

impl Analysis for SmallWeights {
    fn measure(&self, bench: &dyn Bench, _: &dyn Host) -> Result<Report> {
        let mut report = Report::default();
        for subject in bench.subjects()? {
            let (mut all, mut small) = (0, 0);
            let session = bench.subject(&subject)?;
            for weight in session.effective("model", &Ask::eval())?.values() {
                let is_small = weight.f_abs()?.f_le(self.threshold)?;
                all += is_small.numel();
                small += i64::try_from(&is_small.f_sum(Kind::Int64)?)?;
            }
            ensure!(all > 0, "`{subject}` has no weights");
            report = report
                .metric(&format!("{subject}.weights"), all as f64)
                .metric(&format!("{subject}.small"), small as f64 / all as f64);
        }
        Ok(report)
    }
}
