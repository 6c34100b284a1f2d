//! What shows that controls are what they claim: masks and weights of tickets, held to those of the first subject.
//!
//! Subjects are tickets before they are trained, such as what `iterative`, `reinitialised` and `shuffled` hand on, of one
//! architecture. Of each subject the report has the table `SUBJECT`, a row for each tensor that is tagged `prunable`:
//!
//! ```text
//! weights   all of them
//! alive     those that no mask prunes
//! shared    those that are alive in the first subject too
//! initial   those that are alive and what the network began with, to the bit
//! formula   weights * (1 - rate)^rounds, where `rounds` is given
//! ```
//!
//! and the metrics `SUBJECT.alive`, `SUBJECT.fraction` (of all), `SUBJECT.overlap` and `SUBJECT.initial` (`shared` and
//! `initial`, as parts of what is alive), `SUBJECT.unequal` (by how many weights a tensor's count differs from the first
//! subject's at most) and `SUBJECT.deviation` (by how many from the formula at most, where `rounds` is given). A trained
//! subject also has what its last trainer reported of `best` and `best-at`.
//!
//! A ticket has `initial` 1; of masks of chance the overlap is near the fraction. Source: Frankle & Carbin 2019.

use plugin_api::prelude::*;

use crate::alive::Alive;
use crate::initial::begin_anew;
use crate::rates::{Rate, Rates};

/// Holds tickets and their controls to the first subject: counts, overlap of masks, weights that are initial ones.
#[component(analysis = "controls")]
struct Controls {
    /// Rounds of pruning behind the subjects, for the formula; without them it is left out.
    #[param(range = "1 <= x")]
    rounds: Option<i64>,
    /// Part that went in a round, of what was alive then.
    #[param(default = 0.2, range = "0 < x < 1")]
    rate: f64,
    /// Other parts for some weights, as `iterative` takes them.
    #[param(default = [])]
    rates: Vec<Rate>,
}

/// What tickets are held to.
struct First {
    arch: Arch,
    /// The weights that the network began with.
    began: Tensors,
    masks: Tensors,
    /// How many weights of each tensor are alive by the formula.
    formula: Option<Vec<f64>>,
}

impl Analysis for Controls {
    fn measure(&self, bench: &dyn Bench, _: &dyn Host) -> Result<Report> {
        let subjects = bench.subjects()?;
        let first = self.first(bench, subjects.first().context("there is no subject")?)?;
        let mut report = Report::default();
        for subject in &subjects {
            let session = bench.subject(subject)?;
            ensure!(
                session.arch()? == first.arch,
                "`{subject}` has another architecture than `{}`",
                subjects[0]
            );
            report = first.compared(report, subject, &*session)?;
            let trained = bench.reports(subject)?.into_iter().next_back();
            for metric in ["best", "best-at"] {
                let reported = trained
                    .as_ref()
                    .and_then(|report| report.metrics.get(metric));
                if let Some(value) = reported {
                    report = report.metric(&format!("{subject}.{metric}"), *value);
                }
            }
        }
        Ok(report)
    }
}

impl Controls {
    fn first(&self, bench: &dyn Bench, name: &str) -> Result<First> {
        let mut session = bench.subject(name)?;
        let (arch, masks, alive) = (session.arch()?, session.masks()?, Alive::of(&*session)?);
        let rates = Rates::new(self.rate, &self.rates).of(alive.paths(), &*session)?;
        let formula = self.rounds.map(|rounds| {
            let left = |((_, row), (_, rate)): ((String, Vec<f64>), (usize, f64))| {
                row[0] * (1.0 - rate).powf(rounds as f64)
            };
            alive.rows().into_iter().zip(rates).map(left).collect()
        });
        begin_anew(&mut *session)?;
        Ok(First {
            arch,
            began: session.snapshot("#prunable")?,
            masks,
            formula,
        })
    }
}

impl First {
    /// The report with what is found of a subject.
    fn compared(&self, report: Report, subject: &str, session: &dyn Session) -> Result<Report> {
        let (masks, weights) = (session.masks()?, session.weights("#prunable")?);
        let alive = Alive::of(session)?;
        let mut rows = vec![];
        let (mut shared, mut initial, mut unequal, mut deviation) = (0.0, 0.0, 0.0_f64, 0.0_f64);
        for (i, (path, mut row)) in alive.rows().into_iter().enumerate() {
            let (Some(began), Some(weight)) = (self.began.get(&path), weights.get(&path)) else {
                bail!("`{path}` begins with nothing, as a hypernet makes it");
            };
            let own = mask_of(&masks, &path, began)?;
            let of_first = mask_of(&self.masks, &path, began)?;
            let both = count(&own.f_logical_and(&of_first)?)?;
            let same = weight.f_eq_tensor(began)?;
            let same = count(&own.f_logical_and(&same)?)?;
            (shared, initial) = (shared + both, initial + same);
            unequal = unequal.max((row[1] - count(&of_first)?).abs());
            row.extend([both, same]);
            if let Some(formula) = &self.formula {
                deviation = deviation.max((row[1] - formula[i]).abs());
                row.push(formula[i]);
            }
            rows.push((path, row));
        }
        let part = |n: f64| if n == 0.0 { 0.0 } else { n / alive.alive() };
        let mut metrics = vec![
            ("alive", alive.alive()),
            ("fraction", alive.fraction()),
            ("overlap", part(shared)),
            ("initial", part(initial)),
            ("unequal", unequal),
        ];
        let mut columns = vec!["weights", "alive", "shared", "initial"];
        if self.formula.is_some() {
            metrics.push(("deviation", deviation));
            columns.push("formula");
        }
        let report = metrics.into_iter().fold(report, |report, (name, value)| {
            report.metric(&format!("{subject}.{name}"), value)
        });
        Ok(report.labelled(subject, &columns, rows))
    }
}

/// What of a weight is alive: all of it where it has no mask.
fn mask_of(masks: &Tensors, path: &str, like: &Tensor) -> Result<Tensor> {
    Ok(match masks.get(path) {
        Some(mask) => mask.f_ne(0.0)?,
        None => like.f_ones_like()?.f_to_kind(Kind::Bool)?,
    })
}

fn count(which: &Tensor) -> Result<f64> {
    Ok(which.f_sum(Kind::Double)?.f_double_value(&[])?)
}
