//! What a report says, as data.

mod search;
mod used;

use std::path::Path;

use chrono::{DateTime, SecondsFormat, Utc};
use plugin_api_data::{Arch, Decision, Error, Goal, Named, Recipe, Table};
use serde::Serialize;

use crate::cards::Catalog;
use crate::claims::Reproduction;
use crate::experiment::{self, Experiment, Verb};
use crate::journal::{Entry, Journal};
use crate::lock::Lock;
use crate::protocol::{Done, Step};
use crate::run::{Environment, Run, Status};
use crate::study::best;
use crate::summary::Summary;
use crate::worker::Program;

pub use search::{Credit, Failure, Search, Trial};
pub use used::{Contribution, Used};

/// A run, as it is now.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// What the run is called.
    pub name: String,
    /// How far it is.
    pub status: Status,
    /// What is learned.
    pub task: Recipe,
    /// What is to be optimised.
    pub goal: Goal,
    /// When it was begun, in UTC.
    pub begun: String,
    /// When the last of its works ended so far, in UTC.
    pub last: Option<String>,
    /// How long its works took, one after the other.
    pub seconds: f64,
    /// The first seed.
    pub seed: u64,
    /// How many seeds stages other than searches run for.
    pub seeds: u64,
    /// The command that does the same again, with the same plugin files.
    pub repeat: String,
    /// What came out.
    pub summary: Summary,
    /// The claims that it measures, where it reproduces some.
    pub reproduction: Option<Reproduction>,
    /// Its stages, in order.
    pub stages: Vec<Stage>,
    /// The architectures that stages have handed on, each once.
    pub networks: Vec<Network>,
    /// The plugins that took part, and with what.
    pub plugins: Vec<Contribution>,
    /// The resolved experiment.
    pub experiment: String,
    /// Where it was begun.
    pub environment: Environment,
}

/// A stage so far.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// What it does: `search`, or its steps, such as `train, prune`.
    pub verb: String,
    /// How many works it is.
    pub works: u64,
    /// How many of them have ended, failed ones included.
    pub ended: u64,
    /// How long they took, one after the other.
    pub seconds: f64,
    /// What came of each seed; nothing for a search, whose trials stand in `search`.
    pub seeds: Vec<Seed>,
    /// The tables that its steps reported: curves, and rows with names.
    pub tables: Vec<Reported>,
    /// Its trials, where it is a search.
    pub search: Option<Search>,
}

/// What came of a seed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Seed {
    /// The seed.
    pub seed: u64,
    /// What was measured.
    pub metrics: Named<f64>,
    /// How long it took.
    pub seconds: Option<f64>,
}

/// A table that steps of a stage reported, for each seed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reported {
    /// Which step of the stage reported it, counted from 0.
    pub step: usize,
    /// Its name.
    pub name: String,
    /// It, by seed.
    pub seeds: Vec<(u64, Table)>,
}

/// An architecture, and where it is from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Network {
    /// The stages that handed it on: of a search the best trial, of others the first seed.
    pub stages: Vec<String>,
    /// It.
    pub arch: Arch,
}

impl Report {
    /// What is known of a run now; `folder` is what a person calls it. Plugins whose cards are not known any more are asked
    /// from this program.
    ///
    /// # Errors
    /// Where a file of the run cannot be read, or nothing of it has begun.
    pub fn of(run: &Run, folder: &Path, program: Option<Program>) -> Result<Self, Error> {
        let shown = folder.display();
        let lock = Lock::read(run.folder())?;
        let catalog = Catalog::locked(&lock, program);
        let source = run.source()?;
        let experiment = experiment::read(&source, &catalog).map_err(|refused| {
            Error::new("the experiment of the run cannot be read").found(refused.render(false))
        })?;
        let goal = run.goal()?.ok_or_else(|| {
            Error::new(format!("no stage of the run `{shown}` has begun"))
                .help(format!("to begin: pleach resume {shown}"))
        })?;
        let journal = Journal::look(&run.journal())?;
        let mut stages = vec![];
        let mut networks = vec![];
        let mut ends = vec![];
        for (index, stage) in experiment.stages.iter().enumerate() {
            let entries = journal.entries(index)?;
            ends.extend(entries.iter().filter_map(|entry| entry.finished.clone()));
            network(stage, &entries, &goal, &mut networks);
            let decisions = run.decisions(&stage.name)?;
            stages.push(Stage::of(&experiment, index, &entries, (&goal, &decisions)));
        }
        let name = run.folder().file_name().unwrap_or_default();
        let begun = DateTime::<Utc>::from(run.begun()?);
        Ok(Report {
            name: name.to_string_lossy().into_owned(),
            status: run.status()?,
            task: experiment.task.clone(),
            begun: begun.to_rfc3339_opts(SecondsFormat::Secs, true),
            last: ends.into_iter().max(),
            seconds: stages.iter().map(|stage| stage.seconds).sum(),
            seed: experiment.seed,
            seeds: experiment.seeds,
            repeat: format!("pleach run {shown} --locked {shown}"),
            summary: Summary::of(&experiment, run, &goal)?,
            reproduction: Reproduction::read(run.folder())?,
            plugins: used::contributions(&source.text, &networks, &lock, &catalog)?,
            stages,
            networks,
            experiment: source.text,
            environment: run.environment()?,
            goal,
        })
    }
}

impl Stage {
    fn of(
        experiment: &Experiment,
        index: usize,
        entries: &[Entry],
        (goal, decisions): (&Goal, &[Decision]),
    ) -> Self {
        let stage = &experiment.stages[index];
        let search = match &stage.verb {
            Verb::Search(search) => Some(Search::of(search, entries, (goal, decisions))),
            _ => None,
        };
        let seeds: Vec<(u64, &Entry, &Done)> = match &search {
            Some(_) => vec![],
            None => entries.iter().filter_map(done).collect(),
        };
        let seconds = |entry: &Entry| entry.timing.map(|timing| timing.seconds);
        let works = experiment.works();
        Stage {
            name: stage.name.clone(),
            verb: verb(&stage.verb),
            works: works.get(&stage.name).copied().unwrap_or_default(),
            ended: entries.iter().filter(|e| e.result.is_some()).count() as u64,
            seconds: entries.iter().filter_map(seconds).sum(),
            tables: reported(&seeds),
            seeds: { seeds.iter() }
                .map(|(seed, entry, done)| Seed {
                    seed: *seed,
                    metrics: done.metrics.clone(),
                    seconds: seconds(entry),
                })
                .collect(),
            search,
        }
    }

    /// What each seed measured of a metric.
    pub fn values(&self, metric: &str) -> Vec<(u64, f64)> {
        let seeds = self.seeds.iter();
        seeds
            .filter_map(|of| Some((of.seed, *of.metrics.get(metric)?)))
            .collect()
    }
}

/// The seed of a work that was done.
fn done(entry: &Entry) -> Option<(u64, &Entry, &Done)> {
    let done = entry.result.as_ref()?.as_ref().ok()?;
    Some((entry.seed, entry, done))
}

/// `search`, or what the steps do: `train, prune`.
fn verb(verb: &Verb) -> String {
    match verb {
        Verb::Search(_) | Verb::Relax(_) => "search".into(),
        Verb::Steps(_, steps) => steps.iter().map(Step::verb).collect::<Vec<_>>().join(", "),
    }
}

/// The tables of each step by name, as the first seed has them in order.
fn reported(seeds: &[(u64, &Entry, &Done)]) -> Vec<Reported> {
    let mut all: Vec<Reported> = vec![];
    for (seed, _, done) in seeds {
        for (step, report) in done.reports.iter().enumerate() {
            for (name, table) in report.tables.iter() {
                let known = all.iter_mut().find(|t| t.step == step && t.name == name);
                match known {
                    Some(reported) => reported.seeds.push((*seed, table.clone())),
                    None => all.push(Reported {
                        step,
                        name: name.into(),
                        seeds: vec![(*seed, table.clone())],
                    }),
                }
            }
        }
    }
    all
}

/// Adds what a stage has handed on. An analysis hands on what it was given.
fn network(stage: &experiment::Stage, entries: &[Entry], goal: &Goal, networks: &mut Vec<Network>) {
    let arch = match &stage.verb {
        _ if stage.is_analysis() => None,
        Verb::Search(_) => {
            let results = entries.iter();
            let results = results.filter_map(|e| Some((e.number, e.result.clone()?)));
            best(&results.collect(), goal).map(|(_, _, done)| done.arch.clone())
        }
        _ => { entries.iter().find_map(done) }.map(|(_, _, done)| done.arch.clone()),
    };
    let name = &stage.name;
    let Some(arch) = arch.filter(|arch| !arch.nodes.is_empty()) else {
        return;
    };
    match networks.iter_mut().find(|network| network.arch == arch) {
        Some(network) => network.stages.push(name.clone()),
        None => networks.push(Network {
            stages: vec![name.clone()],
            arch,
        }),
    }
}
