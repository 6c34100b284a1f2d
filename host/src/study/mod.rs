//! Runs the stages of an experiment, one after the other, from where the journal ends.

mod equal;
mod history;
mod pool;
mod saved;
mod search;
mod steps;
mod strategy;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use plugin_api_data::{Arch, Error, Goal, LIBTORCH};

use crate::experiment::{Experiment, Stage, Verb};
use crate::journal::{Journal, Key};
use crate::protocol::{
    Change, Checkpoint, Done, OnBench, PluginFile, Reply, Request, Start, Subject,
};
use crate::run::{Run, cores};
use crate::worker::{Heard, Program, Worker};
use pool::{Ended, Pool};

pub use saved::{Purpose, saved};
pub use search::{best, is_better, value};

/// How often something is tried that ends with the worker's death.
const ATTEMPTS: u32 = 3;
/// A worker ends its children at their limit; one that has not done so by then hangs itself.
const GRACE: Duration = Duration::from_secs(5);

/// How a study is run; nothing here changes its results.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The program of the workers.
    pub program: Program,
    /// The plugin files that workers load.
    pub plugins: Vec<PluginFile>,
    /// `cpu`, `cuda` or `cuda:N`.
    pub device: String,
    /// How much work runs at once; by default as much as there are cores for.
    pub jobs: Option<usize>,
    /// Set by the user's Ctrl-C.
    pub stop: Arc<AtomicBool>,
}

/// Why a study did not come to its end.
#[derive(Debug, Clone, PartialEq)]
pub enum Halt {
    /// The user stopped it.
    Interrupted,
    /// Something failed.
    Failed(Error),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Halt::Failed(error)
    }
}

/// What happens in a study, for whoever watches.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// A file of data is being downloaded.
    Fetching {
        /// Its name.
        file: &'a str,
        /// How much of it is there, in bytes.
        done: u64,
        /// How much it is in all, where that is known; as much as is there when it is whole.
        total: Option<u64>,
    },
    /// A stage begins.
    Stage {
        /// Its name.
        name: &'a str,
        /// How much work it is.
        works: u64,
        /// How much of it the journal holds already.
        done: u64,
    },
    /// A search took up what a person wanted of it.
    Changed {
        /// The stage.
        name: &'a str,
        /// What was wanted.
        change: &'a Change,
        /// The trial before which the search changed, or why it did not.
        outcome: &'a Result<u64, Error>,
    },
    /// Work ended.
    Ended {
        /// Its name.
        name: &'a str,
        /// How.
        result: &'a Result<Done, Error>,
        /// The task's main metric.
        goal: &'a Goal,
    },
}

/// As much work at once as there are cores for, and no more than there is.
pub fn jobs(experiment: &Experiment, most: u64) -> usize {
    (cores() / experiment.threads as usize)
        .max(1)
        .min(usize::try_from(most).unwrap_or(usize::MAX))
}

/// What a stage hands on: an architecture with fresh weights, or the work of each seed.
enum Handed {
    Arch(Arch),
    Works(Vec<Handing>),
}

/// What the work of one seed hands on.
struct Handing {
    /// Its name, after which its weights' file is named.
    work: String,
    done: Done,
}

struct Study<'a> {
    experiment: &'a Experiment,
    run: &'a Run,
    settings: &'a Settings,
    launch: &'a Launch,
    journal: Journal,
    pool: Pool<'a>,
    goal: Goal,
    watch: &'a mut dyn FnMut(Event),
}

/// Runs an experiment to its end.
///
/// # Errors
/// Where a stage fails or the user stops it; what the journal holds by then stays done.
pub fn run(
    experiment: &Experiment,
    run: &Run,
    settings: &Settings,
    watch: &mut dyn FnMut(Event),
) -> Result<Goal, Halt> {
    let launch = Launch::new(experiment, run, settings);
    let (worker, goal) = launch.worker("worker", watch)?;
    run.keep_goal(&goal)?;
    let journal = Journal::open(&run.journal())?;
    let mut study = Study {
        experiment,
        run,
        settings,
        launch: &launch,
        journal,
        pool: Pool::new(&launch, worker),
        goal,
        watch,
    };
    study.foresee()?;
    let mut handed = vec![];
    for (index, stage) in experiment.stages.iter().enumerate() {
        handed.push(match &stage.verb {
            Verb::Search(search) => {
                let best = study.search(index, &stage.name, search)?;
                study.found(stage, best)?
            }
            Verb::Relax(relax) => {
                let chosen = study.relax(index, &stage.name, relax)?;
                study.found(stage, chosen)?
            }
            Verb::Steps(origin, steps) => {
                Handed::Works(study.steps(index, stage, (origin, steps), &handed)?)
            }
        });
    }
    Ok(study.goal)
}

impl Study<'_> {
    /// Hands on what a search has found, which is kept as a file too.
    fn found(&self, stage: &Stage, arch: Arch) -> Result<Handed, Error> {
        self.run.keep_arch(&stage.name, &arch)?;
        Ok(Handed::Arch(arch))
    }

    fn set_jobs(&mut self, most: u64) {
        self.pool.jobs = self.settings.jobs.unwrap_or(jobs(self.experiment, most));
    }

    fn checkpoint(&self, work: &str) -> Option<Checkpoint> {
        Some(Checkpoint {
            file: self.run.checkpoint(work),
            every: self.experiment.checkpoint,
        })
    }

    fn record(&mut self, ended: &[(Key, &Ended)]) -> Result<(), Error> {
        let results = ended.iter();
        let results = results.map(|(key, ended)| (*key, &ended.result, ended.timing));
        self.journal.record(results)
    }

    fn tell_watcher(&mut self, ended: &Ended) {
        (self.watch)(Event::Ended {
            name: &ended.name,
            result: &ended.result,
            goal: &self.goal,
        });
    }
}

impl Handed {
    /// The subject for one seed, counted from 0.
    fn subject(&self, seed: usize, run: &Run) -> Subject {
        match self {
            Handed::Arch(arch) => Subject::Arch(arch.clone()),
            Handed::Works(of) => {
                let Handing { work, done } = &of[seed];
                Subject::Weights(done.arch.clone(), run.weights(work))
            }
        }
    }

    /// The same for the bench of an analysis.
    fn on_bench(&self, name: &str, seed: usize, run: &Run) -> OnBench {
        let (arch, weights, reports) = match self {
            Handed::Arch(arch) => (arch, None, vec![]),
            Handed::Works(of) => {
                let Handing { work, done } = &of[seed];
                (&done.arch, Some(run.weights(work)), done.reports.clone())
            }
        };
        OnBench {
            name: name.into(),
            arch: arch.clone(),
            weights,
            reports,
        }
    }
}

/// How the workers of a study are started.
struct Launch {
    program: Program,
    start: Start,
    stop: Arc<AtomicBool>,
    /// How long a worker may take for an answer.
    limit: Duration,
}

impl Launch {
    fn new(experiment: &Experiment, run: &Run, settings: &Settings) -> Self {
        Launch {
            program: settings.program.clone(),
            start: Start {
                plugins: settings.plugins.clone(),
                task: experiment.task.clone(),
                device: settings.device.clone(),
                threads: experiment.threads,
                logs: run.logs(),
            },
            stop: Arc::clone(&settings.stop),
            limit: Duration::try_from_secs_f64(experiment.limits.seconds).unwrap_or(Duration::MAX),
        }
    }

    /// A worker that has loaded the plugins and made the task; `watch` hears what it downloads for that.
    fn worker(&self, name: &str, watch: &mut dyn FnMut(Event)) -> Result<(Worker, Goal), Halt> {
        let mut worker =
            Worker::start(&self.program, &self.start.logs.join(format!("{name}.log")))?;
        worker.send(Request::Start(self.start.clone()));
        loop {
            let reply = match worker.receive(self.deadline(), &self.stop) {
                Heard::Stopped => return Err(Halt::Interrupted),
                Heard::Gone | Heard::Late => {
                    return Err(Error::new("the worker ended while it loaded the plugins")
                        .caused_by(worker.kill())
                        .into());
                }
                Heard::Reply(reply) => *reply,
            };
            return match reply {
                Reply::Fetching { file, done, total } => {
                    watch(Event::Fetching {
                        file: &file,
                        done,
                        total,
                    });
                    continue;
                }
                // A local version, such as 2.11.0+cpu, is the same libtorch built elsewhere.
                Reply::Ready { goal, libtorch } if libtorch.split('+').next() == Some(LIBTORCH) => {
                    Ok((worker, goal))
                }
                Reply::Ready { libtorch, .. } => Err(Error::new("the worker has another libtorch")
                    .found(libtorch)
                    .expected(LIBTORCH)
                    .into()),
                Reply::Failed(error) => Err(error.into()),
                other => Err(out_of_turn(&other).into()),
            };
        }
    }

    /// When a worker that is asked now should have answered.
    fn deadline(&self) -> Instant {
        // A limit beyond what a clock can hold is none; a century will do.
        let century = Duration::from_secs(100 * 365 * 24 * 3600);
        Instant::now() + self.limit.saturating_add(GRACE).min(century)
    }
}

fn out_of_turn(reply: &Reply) -> Error {
    Error::new("the worker answered what was not asked")
        .found(format!("{reply:?}"))
        .help("`pleach` and `pleach-worker` must be of one version")
}
