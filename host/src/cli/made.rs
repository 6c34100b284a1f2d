//! The networks that a run has made, for the commands that look at them.

use std::path::Path;
use std::sync::Arc;

use pleach::cards::Catalog;
use pleach::experiment::{self, Experiment, Verb};
use pleach::journal::Journal;
use pleach::plugins::Plugin;
use pleach::protocol::Done;
use pleach::run::Run;
use pleach::study::{self, Halt, Purpose, Settings};
use pleach::worker::Program;
use plugin_api_data::Error;

use super::study::stop_when_asked;
use super::{Failure, progress};

/// A run, and all that it takes to look at its networks.
pub(super) struct Made {
    pub(super) run: Run,
    pub(super) experiment: Experiment,
    program: Program,
    plugins: Vec<Plugin>,
}

impl Made {
    /// Opens a run, with these changes of its task.
    pub(super) fn open(folder: &Path, set: &[(String, String)]) -> Result<Self, Failure> {
        let run = Run::open(folder)?;
        if set.is_empty() {
            run.check_data()?;
        }
        let mut source = run.source()?;
        for (key, value) in set {
            if key != "task" && !key.starts_with("task.") {
                return Err(Failure::Usage(
                    Error::new("networks that were made are looked at on another task, and nothing else changes")
                        .found(key)
                        .expected("`task`, or a key in it such as `task.file`"),
                ));
            }
            source = experiment::set(&source, key, value).map_err(Failure::Usage)?;
        }
        let program = Program::find()?;
        let plugins = run.plugins()?;
        let catalog = Catalog::new(&plugins, Some(program.clone()));
        let experiment = experiment::read(&source, &catalog).map_err(Failure::Experiment)?;
        Ok(Made {
            run,
            experiment,
            program,
            plugins,
        })
    }

    /// The stage whose networks are meant, by default the last that has handed some on, and their seeds: all that it has
    /// handed on, or this one.
    pub(super) fn networks(
        &self,
        wanted: Option<&str>,
        seed: Option<u64>,
    ) -> Result<(&str, Vec<u64>), Failure> {
        let stages = self.experiment.stages.iter();
        // An analysis hands on what it was given.
        let steps = { stages.clone() }
            .filter(|stage| matches!(stage.verb, Verb::Steps(..)) && !stage.is_analysis());
        let names: Vec<&str> = steps.map(|stage| stage.name.as_str()).collect();
        if let Some(wanted) = wanted
            && !names.contains(&wanted)
            && let Some(stage) = stages.clone().find(|stage| stage.name == wanted)
        {
            let what = match stage.is_analysis() {
                true => format!("stage `{wanted}` looks at networks, and makes none"),
                false => format!("stage `{wanted}` hands on an architecture, and no weights"),
            };
            let expected = match names.is_empty() {
                true => "a stage that trains what it has found".into(),
                false => names.join(", "),
            };
            let error = Error::new(what).expected(expected);
            return Err(Failure::Usage(match stage.is_analysis() {
                true => error,
                false => error.help(
                    "a stage behind it, such as `train = \"baselines/backprop\"`, makes weights",
                ),
            }));
        }
        let (first, count) = (self.experiment.seed, self.experiment.seeds);
        let seeds: Vec<u64> = match seed {
            Some(seed) => vec![seed],
            None => (first..first + count).collect(),
        };
        let there = |name: &str| -> Vec<u64> {
            let is_there = |seed: &u64| self.run.weights(&format!("{name}-s{seed}")).is_file();
            seeds.iter().copied().filter(is_there).collect()
        };
        let stages = names
            .iter()
            .rev()
            .filter(|name| wanted.is_none_or(|w| w == **name));
        let mut found = stages.map(|name| (*name, there(name)));
        found
            .find(|(_, seeds)| !seeds.is_empty())
            .ok_or_else(|| self.none_there(&names, wanted, seed))
    }

    /// Why there are no weights of this stage, or of any, with this seed, or with any.
    fn none_there(&self, names: &[&str], wanted: Option<&str>, seed: Option<u64>) -> Failure {
        let of_seed = seed.map_or(String::new(), |seed| format!(" of seed {seed}"));
        let error = Error::new(match wanted {
            None => format!("no stage has handed on weights{of_seed}"),
            Some(stage) => format!("stage `{stage}` has handed on no weights{of_seed}"),
        });
        if let Some(by) = self.run.who_removed() {
            let again = self.run.folder().display();
            return Failure::Failed(
                error
                    .found(format!("weights of this run were removed, by {by}"))
                    .help(format!("to make them again: pleach run {again}")),
            );
        }
        let (first, seeds) = (self.experiment.seed, self.experiment.seeds);
        Failure::Usage(error.expected(format!(
            "{}, seeds {first} to {}, of a run that has come so far",
            names.join(", "),
            first + seeds.saturating_sub(1)
        )))
    }

    /// Refuses a stage whose component measures itself what it has fitted, such as a kernel machine: what its weights say is
    /// not what the journal speaks of.
    pub(super) fn hangs_on_weights(&self, stage: &str) -> Result<(), Failure> {
        let mut stages = self.experiment.stages.iter();
        let index = stages.position(|s| s.name == stage).unwrap_or_default();
        let results = Journal::look(&self.run.journal())?.results(index)?;
        let mut reports = results
            .values()
            .flatten()
            .filter_map(|done| done.reports.last());
        if reports.all(|report| report.measured.is_empty()) {
            return Ok(());
        }
        let what = format!(
            "what stage `{stage}` is worth hangs on more than its weights: its component measured it itself"
        );
        let folder = self.run.folder().display();
        Err(Failure::Usage(Error::new(what).help(format!(
            "what it measured: pleach trials {folder} --stage {stage}"
        ))))
    }

    /// How its workers are started: on this device, or on that on which the run was begun.
    pub(super) fn settings_on(&self, device: Option<String>) -> Result<Settings, Error> {
        let of_run = || Ok(self.run.environment()?.device);
        Ok(self.settings(device.map_or_else(of_run, Ok)?))
    }

    /// The same on this device.
    pub(super) fn settings(&self, device: String) -> Settings {
        Settings {
            program: self.program.clone(),
            plugins: self.plugins.iter().map(Plugin::file).collect(),
            device,
            jobs: None,
            stop: Arc::default(),
        }
    }

    /// Has workers look at networks.
    pub(super) fn look(
        &self,
        settings: &Settings,
        networks: (&str, &[u64]),
        purpose: &Purpose,
        quiet: bool,
    ) -> Result<Vec<Done>, Failure> {
        stop_when_asked(&settings.stop, &self.run)?;
        let mut watch = progress::watcher(quiet);
        let (experiment, run) = (&self.experiment, &self.run);
        study::saved(experiment, run, settings, networks, purpose, &mut *watch).map_err(|halt| {
            match halt {
                Halt::Interrupted => Failure::Interrupted("stopped".into()),
                Halt::Failed(error) => Failure::Failed(error),
            }
        })
    }
}
