//! Work, as a child does it: a subject, some steps, an evaluation.

use std::rc::Rc;

use pleach::protocol::{Done, Step, Subject, Work};
use plugin_api::host::Services;
use plugin_api::role::{Pruner, Space, Task, TaskObj, Trainer};
use plugin_api::{Arch, Ask, Error, Generated, Keep, Named, Recipe, Report, Result, Session};
use tch::Device;

use crate::bench::SubjectBench;
use crate::plain::PlainHost;
use crate::registry::host;
use crate::session::NetSession;
use crate::{crumb, points, weights};

/// Does the work, and saves the weights where that is wanted.
pub(crate) fn run(work: &Work, task: &Rc<TaskObj>, device: Device) -> Result<Done> {
    let plain = PlainHost {
        task: Rc::clone(task),
        device,
    };
    let mut session = plain.on_task(arch(&work.subject, &plain)?, work.seed)?;
    if let Subject::Weights(_, file) = &work.subject {
        session.restore(&weights::load(file)?)?;
    }
    let mut metrics = Named::new();
    let mut reports = vec![];
    for step in &work.steps {
        let report = take(step, &mut session, work, &plain)?;
        let verb = match step {
            Step::Train(_) => "train",
            Step::Prune { .. } => "prune",
            Step::Generate { .. } => "generate",
            Step::Relax { .. } => "relax",
            Step::Analyse { .. } => "analyse",
        };
        metrics.extend(
            report
                .metrics
                .iter()
                .map(|(name, value)| (format!("{verb}.{name}"), *value)),
        );
        reports.push(report);
    }
    let main = session.ports()?.metric;
    for split in &work.evaluate {
        let measured = session.evaluate(split, &Ask::eval())?;
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
        let mut all = session.snapshot("all,masks")?;
        // It says that masks are known, which goes without saying in a file.
        all.remove("masks");
        weights::save(path, &all, &arch)?;
    }
    Ok(Done {
        arch,
        metrics,
        reports,
    })
}

fn arch(subject: &Subject, plain: &PlainHost) -> Result<Arch> {
    let (space_of, task) = (|recipe: &Recipe| host().space(recipe), &plain.task);
    match subject {
        Subject::Arch(arch) | Subject::Weights(arch, _) => Ok(arch.clone()),
        Subject::Supernet(recipe) => {
            let supernet = space_of(recipe)?.supernet(&task.ports()?)?.ok_or_else(|| {
                Error::new(format!("`{}` has no supernet to relax", recipe.component))
                    .help("search it by a strategy")
            })?;
            points::settle(supernet)
        }
        Subject::Proposal(recipe, proposal) => {
            space_of(recipe)?.arch(&task.ports()?, &proposal.point, plain)
        }
        Subject::Values(recipe, values) => {
            let (space, ports) = (space_of(recipe)?, task.ports()?);
            let point = points::from_values(&space.decisions(&ports)?, values)?;
            space.arch(&ports, &point, plain)
        }
    }
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
        Step::Generate { hypernet, target } => {
            let mut arch = session.arch()?;
            let name = format!("hypernet-{}", arch.generated.len());
            arch.generated
                .push(Generated::new(&name, hypernet.clone(), target));
            let before = session.snapshot("all,masks")?;
            *session = plain.on_task(arch, work.seed)?;
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
            session.relax(relaxation)?;
            let mut report = Report::default();
            for _ in 0..*steps {
                report = session.search()?;
            }
            let scores = session.decide()?;
            let (space, ports) = (host().space(space)?, session.ports()?);
            let point = space.project(&ports, &scores)?;
            let arch = space.arch(&ports, &point, plain)?;
            *session = plain.on_task(arch, work.seed)?;
            for (decision, scores) in scores.iter() {
                let each = Vec::<f64>::try_from(scores.f_flatten(0, -1)?)?;
                report = report.table(
                    decision,
                    &["score"],
                    each.iter().map(|x| vec![*x]).collect(),
                );
            }
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
