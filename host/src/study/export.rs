//! What a run has made, for other programs.

use super::{Event, Halt, Launch, Pool, Settings};
use crate::experiment::Experiment;
use crate::protocol::{Export, Subject, Work};
use crate::run::Run;

/// Has a worker write the network that this work has handed on, with this seed.
///
/// # Errors
/// Where it cannot be written, or the user stops it.
pub fn export(
    experiment: &Experiment,
    run: &Run,
    settings: &Settings,
    (work, seed): (&str, u64),
    export: Export,
    watch: &mut dyn FnMut(Event),
) -> Result<(), Halt> {
    let launch = Launch::new(experiment, run, settings);
    let (worker, _) = launch.worker("worker", watch)?;
    let mut pool = Pool::new(&launch, worker);
    let writing = Work {
        name: format!("export-{work}"),
        subject: Subject::Saved(run.weights(work)),
        steps: vec![],
        seed,
        evaluate: vec![],
        save: None,
        limits: experiment.limits,
        bench: vec![],
        parent: None,
        checkpoint: None,
        export: Some(Box::new(export)),
    };
    pool.submit(0, writing);
    pool.next()?.result?;
    Ok(())
}
