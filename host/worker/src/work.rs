//! Work, as a child does it: a subject, some steps, an evaluation.

mod relax;

use std::rc::Rc;
use std::time::Duration;

use pleach::protocol::{Checkpoint, Done, Step, Subject, Work};
use plugin_api::host::Services;
use plugin_api::role::{Pruner, Scorer, Space, Task, TaskObj, Trainer};
use plugin_api::{
    Arch, Ask, Error, Generated, Keep, Named, Parent, Point, Recipe, Report, Result, Session,
};
use tch::Device;

use crate::bench::SubjectBench;
use crate::plain::PlainHost;
use crate::registry::host;
use crate::session::NetSession;
use crate::{crumb, export, points, weights};

/// Does the work, and saves the weights where that is wanted.
pub(crate) fn run(work: &Work, task: &Rc<TaskObj>, device: Device) -> Result<Done> {
    let plain = PlainHost::new(Rc::clone(task), device);
    let mut session = begin(work, &plain)?;
    let mut reports = match &work.checkpoint {
        Some(Checkpoint { file, every }) => session.keep(file, Duration::from_secs_f64(*every)),
        None => vec![],
    };
    for step in &work.steps[reports.len()..] {
        reports.push(take(step, &mut session, work, &plain)?);
        if reports.len() < work.steps.len() {
            session.advanced(&reports)?;
        }
    }
    let mut metrics = Named::new();
    for (step, report) in work.steps.iter().zip(&reports) {
        metrics.extend(
            report
                .metrics
                .iter()
                .map(|(name, value)| (format!("{}.{name}", step.verb()), *value)),
        );
    }
    let main = session.ports()?.metric;
    for split in &work.evaluate {
        let measured = measured(&session, reports.last(), split)?;
        if measured.get(&main).is_some_and(|value| value.is_nan()) {
            return Err(Error::new(format!(
                "`{main}` on `{split}` is no number: the weights have diverged"
            ))
            .help("lower the rate of the transform")
            .into());
        }
        metrics.extend(
            measured
                .iter()
                .map(|(name, value)| (format!("{split}.{name}"), *value)),
        );
    }
    let (parameters, alive) = sizes(&session)?;
    metrics.extend([("parameters", parameters), ("alive", alive)]);
    let arch = session.arch()?;
    if let Some(path) = &work.save {
        session.save(path)?;
    }
    if let Some(export) = &work.export {
        export::export(&session, task, export)?;
    }
    Ok(Done {
        arch,
        metrics,
        reports,
    })
}

/// The task's metrics on a split: as the last report has them, else as the network does.
pub(crate) fn measured(
    session: &NetSession,
    last: Option<&Report>,
    split: &str,
) -> Result<Named<f64>> {
    match last.and_then(|report| report.measured.get(split)) {
        Some(metrics) => Ok(metrics.clone()),
        None => session.evaluate(split, &Ask::eval()),
    }
}

/// The session that work begins with.
fn begin(work: &Work, plain: &PlainHost) -> Result<NetSession> {
    let (arch, point) = arch(&work.subject, plain)?;
    let mut session = plain.on_task(arch, work.seed)?;
    if let Subject::Weights(_, file) | Subject::Saved(file) = &work.subject {
        session.restore(&weights::load(file)?)?;
    }
    let parent = work.parent.as_deref().map(|file| {
        let (arch, weights) = weights::load_with(file, weights::ARCH)?;
        Ok::<_, anyhow::Error>(Parent::new(&serde_json::from_str(&arch)?, weights))
    });
    session.descend(point, parent.transpose()?);
    Ok(session)
}

/// The architecture of a subject, and the point that it stands for.
fn arch(subject: &Subject, plain: &PlainHost) -> Result<(Arch, Option<Point>)> {
    let (space_of, task) = (|recipe: &Recipe| host().space(recipe), &plain.task);
    match subject {
        Subject::Arch(arch) | Subject::Weights(arch, _) => Ok((arch.clone(), None)),
        Subject::Saved(file) => {
            let (arch, _) = weights::load_with(file, weights::ARCH)?;
            Ok((serde_json::from_str(&arch)?, None))
        }
        Subject::Supernet(recipe) => {
            let supernet = space_of(recipe)?.supernet(&task.ports()?)?.ok_or_else(|| {
                Error::new(format!("`{}` has no supernet to relax", recipe.component))
                    .help("search it by a strategy")
            })?;
            Ok((points::settle(supernet)?, None))
        }
        Subject::Proposal(recipe, proposal) => {
            let arch = space_of(recipe)?.arch(&task.ports()?, &proposal.point, plain)?;
            Ok((arch, Some(proposal.point.clone())))
        }
        Subject::Values(recipe, values) => {
            let (space, ports) = (space_of(recipe)?, task.ports()?);
            let decisions = space.decisions(&ports)?;
            points::check_decisions(&decisions)?;
            let point = points::from_values(&decisions, values)?;
            Ok((space.arch(&ports, &point, plain)?, Some(point)))
        }
    }
}

/// Goes on with another session, whose checkpoints are the same.
fn take_over(session: &mut NetSession, mut next: NetSession) {
    next.keep_as(session);
    *session = next;
}

fn take(step: &Step, session: &mut NetSession, work: &Work, plain: &PlainHost) -> Result<Report> {
    match step {
        Step::Train(recipe) => {
            let trainer = host().trainer(recipe)?;
            let _here = crumb::enter(&recipe.component);
            trainer.fit(session)
        }
        Step::Prune {
            pruner: recipe,
            sparsity,
            global,
        } => {
            let pruner = host().pruner(recipe)?;
            let scores = {
                let _here = crumb::enter(&recipe.component);
                pruner.scores(session)?
            };
            let keep = match global {
                true => Keep::Overall(1.0 - sparsity),
                false => Keep::Each(1.0 - sparsity),
            };
            session.prune(&scores, &keep)?;
            let (parameters, alive) = sizes(session)?;
            Ok(Report::default()
                .metric("before", parameters)
                .metric("after", alive))
        }
        Step::Cut => {
            let (before, _) = sizes(session)?;
            session.cut_masked()?;
            let (after, _) = sizes(session)?;
            Ok(Report::default()
                .metric("before", before)
                .metric("after", after))
        }
        Step::Score(recipe) => {
            let scorer = host().scorer(recipe)?;
            let _here = crumb::enter(&recipe.component);
            // A scorer may train; what it is asked about goes on as it was.
            let mut copy = plain.on_task(session.arch()?, work.seed)?;
            copy.restore(&session.snapshot("all,masks")?)?;
            let (_, name) = recipe.component.split_once('/').unwrap_or_default();
            Ok(Report::default().metric(name, scorer.score(&mut copy)?))
        }
        Step::Generate { hypernet, target } => {
            let mut arch = session.arch()?;
            let name = format!("hypernet-{}", arch.generated.len());
            arch.generated
                .push(Generated::new(&name, hypernet.clone(), target));
            let before = session.snapshot("all,masks")?;
            take_over(session, plain.on_task(arch, work.seed)?);
            // What no hypernet makes stays what it was.
            let own = session.weights("all")?;
            let stays =
                |name: &str| name == "masks" || name.starts_with("mask:") || own.contains(name);
            session.restore(&before.into_iter().filter(|(name, _)| stays(name)).collect())?;
            let made: i64 = session
                .effective("model", &Ask::eval())?
                .values()
                .map(|t| t.numel() as i64)
                .sum();
            Ok(Report::default().metric("effective", made as f64))
        }
        Step::Relax {
            relaxation,
            space,
            steps,
        } => {
            let search = relax::Search {
                relaxation,
                space,
                steps: *steps,
            };
            let (report, point, arch) = search.run(session, plain)?;
            take_over(session, plain.on_task(arch, work.seed)?);
            session.descend(Some(point), None);
            Ok(report)
        }
        Step::Analyse { analysis, .. } => {
            let mut bench = SubjectBench::new(Rc::clone(&plain.task), work.seed, plain.device);
            for subject in &work.bench {
                let weights = subject.weights.as_deref().map(weights::load).transpose()?;
                let reports = subject.reports.clone();
                let weights = weights.unwrap_or_default();
                bench.put(&subject.name, subject.arch.clone(), weights, reports);
            }
            bench.measure(analysis)
        }
    }
}

/// Number of learned weights, and how many of those that layers see are not masked: a hypernet's own are learned, but
/// seen by no layer.
fn sizes(session: &NetSession) -> Result<(f64, f64)> {
    let parameters: usize = session.weights("model")?.values().map(|t| t.numel()).sum();
    let (masks, effective) = (session.masks()?, session.effective("model", &Ask::eval())?);
    let hypernets: Vec<String> = session
        .arch()?
        .generated
        .iter()
        .map(|g| format!("{}.", g.name))
        .collect();
    let seen = effective
        .iter()
        .filter(|(path, _)| !hypernets.iter().any(|h| path.starts_with(h)));
    let alive = seen.map(|(path, t)| match masks.get(path) {
        Some(mask) => mask.sum(tch::Kind::Double).double_value(&[]),
        None => t.numel() as f64,
    });
    Ok((parameters as f64, alive.sum()))
}
