//! What a run has made, looked at again.

use std::path::PathBuf;

use super::{Event, Halt, Launch, Pool, Settings, jobs};
use crate::experiment::Experiment;
use crate::protocol::{Done, Export, Subject, Work};
use crate::run::Run;

/// What is done with a network that a stage has handed on.
#[derive(Debug, Clone)]
pub enum Purpose {
    /// It is measured on these splits.
    Evaluate(Vec<String>),
    /// It is written for other programs.
    Export(Export),
    /// It says what the samples in this file are.
    Predict(PathBuf),
}

impl Purpose {
    fn verb(&self) -> &'static str {
        match self {
            Purpose::Evaluate(_) => "evaluate",
            Purpose::Export(_) => "export",
            Purpose::Predict(_) => "predict",
        }
    }
}

/// Has workers look at the networks that a stage has handed on with these seeds, and says what came of each.
///
/// # Errors
/// Where one of them cannot be looked at so, or the user stops it.
pub fn saved(
    experiment: &Experiment,
    run: &Run,
    settings: &Settings,
    (stage, seeds): (&str, &[u64]),
    purpose: &Purpose,
    watch: &mut dyn FnMut(Event),
) -> Result<Vec<Done>, Halt> {
    let launch = Launch::new(experiment, run, settings);
    let (worker, _) = launch.worker("worker", watch)?;
    let mut pool = Pool::new(&launch, worker);
    pool.jobs = settings
        .jobs
        .unwrap_or_else(|| jobs(experiment, seeds.len() as u64));
    for (number, &seed) in (0..).zip(seeds) {
        let work = format!("{stage}-s{seed}");
        let subject = Subject::Saved(run.weights(&work));
        let name = format!("{}-{work}", purpose.verb());
        let mut looking = Work::new(name, subject, seed, experiment.limits);
        match purpose {
            Purpose::Evaluate(splits) => looking.evaluate = splits.clone(),
            Purpose::Export(export) => looking.export = Some(Box::new(export.clone())),
            Purpose::Predict(file) => looking.predict = Some(file.clone()),
        }
        pool.submit(number, looking);
    }
    let mut done = vec![];
    for _ in seeds {
        let ended = pool.next()?;
        done.push((ended.number, ended.result?));
    }
    done.sort_by_key(|(number, _)| *number);
    Ok(done.into_iter().map(|(_, done)| done).collect())
}
