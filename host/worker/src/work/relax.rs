//! A search by a relaxation, in the supernet of a space.

use pleach::experiment::write_point;
use plugin_api::host::Services;
use plugin_api::role::Space;
use plugin_api::{Arch, Decision, Error, Point, Recipe, Report, Result, Session, Tensors};
use tch::Tensor;

use crate::plain::PlainHost;
use crate::points;
use crate::registry::host;

/// The curve of a search has at most about so many rows, however many steps it is.
const ROWS: u64 = 256;

/// What searches, where, and for how long.
pub(super) struct Search<'a> {
    pub(super) relaxation: &'a Recipe,
    pub(super) space: &'a Recipe,
    pub(super) steps: u64,
}

impl Search<'_> {
    /// What is chosen in the session's supernet, and the architecture that it stands for.
    pub(super) fn run(
        &self,
        session: &mut dyn Session,
        plain: &PlainHost,
    ) -> Result<(Report, Point, Arch)> {
        let mut report = self.learn(session)?;
        let scores = session.decide()?;
        let (space, ports) = (host().space(self.space)?, session.ports()?);
        let points = of_tasks(&scores)?;
        let points = points.iter().map(|scores| space.project(&ports, scores));
        let points = points.collect::<Result<Vec<Point>>>()?;
        let [point] = &points[..] else {
            return Err(self.undecided(&space.decisions(&ports)?, &points)?.into());
        };
        let arch = space.arch(&ports, point, plain)?;
        for (decision, scores) in scores.iter() {
            let each = Vec::<f64>::try_from(scores.f_flatten(0, -1)?)?;
            let rows = each.iter().map(|x| vec![*x]).collect();
            report = report.table(decision, &["score"], rows);
        }
        Ok((report, point.clone(), arch))
    }

    /// All steps, or those that are left where such work was cut off.
    fn learn(&self, session: &mut dyn Session) -> Result<Report> {
        let (done, mut curve) = match session.resumed()? {
            Some(own) => (
                u64::try_from(own["steps"].int64_value(&[]))?,
                Vec::<Vec<f64>>::try_from(&own["curve"])?,
            ),
            None => {
                session.relax(self.relaxation)?;
                (0, vec![])
            }
        };
        let every = self.steps.div_ceil(ROWS);
        let mut report = Report::default();
        for step in done..self.steps {
            if step > done {
                let own = Tensors::new()
                    .with("steps", Tensor::from(i64::try_from(step)?))
                    .with("curve", table(&curve)?);
                session.checkpoint(&own)?;
            }
            report = session.search()?;
            let number = step + 1;
            if number % every == 0 || number == self.steps {
                let metrics = report.metrics.values().copied();
                let row: Vec<f64> = [number as f64].into_iter().chain(metrics).collect();
                // A relaxation may report now this and now that; a table has the same columns throughout.
                if curve.first().is_none_or(|first| first.len() == row.len()) {
                    curve.push(row);
                }
            }
        }
        if report.metrics.is_empty() {
            return Ok(report);
        }
        let columns: Vec<String> = { ["step"].into_iter() }
            .chain(report.metrics.names())
            .map(String::from)
            .collect();
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        Ok(report.table("curve", &columns, curve))
    }

    /// A stage hands on one architecture: those of several tasks are shown as other stages can begin with them, so that the
    /// search was not in vain.
    fn undecided(&self, decisions: &[Decision], points: &[Point]) -> Result<Error> {
        let written = points.iter().map(|point| {
            let values = points::to_values(decisions, point)?;
            write_point(self.space, &values)
        });
        let written = written.collect::<Result<Vec<String>, Error>>()?;
        let (component, tasks) = (&self.relaxation.component, points.len());
        let what = format!(
            "`{component}` has chosen for {tasks} tasks, and a stage hands on one architecture"
        );
        Ok(Error::new(what)
            .found(written.join("\n"))
            .help("begin a stage with each of these, which stand in the order of the tasks"))
    }
}

/// Rows of one length as `[rows, columns]`.
fn table(rows: &[Vec<f64>]) -> Result<Tensor> {
    let columns = rows.first().map_or(1, Vec::len);
    let flat = Tensor::from_slice(&rows.concat());
    Ok(flat.f_view([i64::try_from(rows.len())?, i64::try_from(columns)?])?)
}

/// Scores `[tasks, options]` as those of each task, `[options]`; others are those of one.
fn of_tasks(scores: &Tensors) -> Result<Vec<Tensors>> {
    let tasks = match scores.values().next().map(|t| t.size()).as_deref() {
        Some([tasks, _]) => *tasks,
        _ => return Ok(vec![scores.clone()]),
    };
    let of_task = |task| {
        let own = scores.iter();
        own.map(|(decision, all)| Ok((decision, all.f_get(task)?)))
            .collect()
    };
    (0..tasks).map(of_task).collect()
}
