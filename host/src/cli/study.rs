//! `pleach run` and `pleach resume`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args;
use pleach::cards::Catalog;
use pleach::error::Context;
use pleach::experiment::{self, Experiment, Source};
use pleach::lock::Lock;
use pleach::plugins::Plugin;
use pleach::run;
use pleach::study::{self, Halt, Settings};
use pleach::summary::Summary;
use pleach::worker::Program;
use plugin_api_data::Error;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::{Failure, Search, print, print_json, progress};

#[derive(Args)]
pub(super) struct Run {
    /// The experiment, a TOML file
    file: PathBuf,
    /// The folder in which runs are kept
    #[arg(long, value_name = "DIR", default_value = "runs")]
    runs: PathBuf,
    #[command(flatten)]
    search: Search,
    /// Where to compute: cpu, cuda or cuda:N
    #[arg(long, default_value = "cpu", value_parser = device)]
    device: String,
    /// Use this first seed instead of the experiment's
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(0..=i64::MAX as u64))]
    seed: Option<u64>,
    /// Refuse other plugin files than those of this lock, a `plugins.lock` or the folder of a run
    #[arg(long, value_name = "LOCK")]
    locked: Option<PathBuf>,
    #[command(flatten)]
    manner: Manner,
}

#[derive(Args)]
pub(super) struct Resume {
    /// The folder of the run
    run: PathBuf,
    #[command(flatten)]
    manner: Manner,
}

/// How work is done and shown; it changes no result.
#[derive(Args)]
struct Manner {
    /// How many trials run at once [default: as many as there are cores for]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
}

fn device(text: &str) -> Result<String, String> {
    let number = text
        .strip_prefix("cuda:")
        .is_some_and(|n| n.parse::<u32>().is_ok());
    if number || matches!(text, "cpu" | "cuda") {
        Ok(text.into())
    } else {
        Err("expected cpu, cuda or cuda:N".into())
    }
}

impl Run {
    pub(super) fn run(self) -> Result<(), Failure> {
        let text = fs::read_to_string(&self.file)
            .context(|| format!("cannot read the experiment `{}`", self.file.display()))
            .map_err(Failure::Usage)?;
        let source = Source {
            path: self.file.clone(),
            text,
        };
        let program = Program::find()?;
        let plugins = self.search.find()?;
        let catalog = Catalog::new(&plugins, Some(program.clone()));
        let read = experiment::read(&source, &catalog);
        if let Some(lock) = &self.locked {
            // First: a plugin that is gone or has changed may be what is wrong with the experiment.
            let uses = read.as_ref().map(|experiment| experiment.plugins(&catalog));
            Lock::read(lock)?.check(&uses.unwrap_or_default(), &plugins)?;
        }
        let mut experiment = read.map_err(Failure::Experiment)?;
        experiment.seed = self.seed.unwrap_or(experiment.seed);
        let names = experiment.plugins(&catalog);
        warn_of_shadows(&names, &plugins);
        let stem = self
            .file
            .file_stem()
            .map_or("run".into(), |s| s.to_string_lossy().into_owned());
        let run = run::Run::create(
            &self.runs,
            &stem,
            &experiment,
            &names,
            &catalog,
            &self.device,
        )?;
        let files = names
            .iter()
            .filter_map(|name| catalog.file(name).cloned())
            .collect();
        let settings = Settings {
            program,
            plugins: files,
            device: self.device,
            jobs: None,
            stop: Arc::default(),
        };
        let shown = self.runs.join(run.folder().file_name().unwrap_or_default());
        self.manner.study(&experiment, &run, &shown, settings)
    }
}

impl Resume {
    pub(super) fn run(self) -> Result<(), Failure> {
        let run = run::Run::open(&self.run)?;
        let program = Program::find()?;
        let plugins = run.plugins()?;
        let catalog = Catalog::new(&plugins, Some(program.clone()));
        let experiment = experiment::read(&run.source()?, &catalog).map_err(Failure::Experiment)?;
        let files = plugins.iter().map(Plugin::file).collect();
        let settings = Settings {
            program,
            plugins: files,
            device: run.environment()?.device,
            jobs: None,
            stop: Arc::default(),
        };
        self.manner.study(&experiment, &run, &self.run, settings)
    }
}

impl Manner {
    /// Runs a study and shows what came out; `shown` is what the user calls the run's folder.
    fn study(
        self,
        experiment: &Experiment,
        run: &run::Run,
        shown: &Path,
        settings: Settings,
    ) -> Result<(), Failure> {
        let settings = Settings {
            jobs: self.jobs.map(usize::from),
            ..settings
        };
        stop_on_signals(&settings.stop)?;
        let mut watch = progress::watcher(self.quiet);
        let go_on = format!("pleach resume {}", shown.display());
        let goal =
            study::run(experiment, run, &settings, &mut *watch).map_err(|halt| match halt {
                Halt::Interrupted => Failure::Interrupted(format!("stopped; to go on: {go_on}")),
                Halt::Failed(error) if error.help.is_none() => Failure::Failed(error.help(
                    format!("what is done is kept; to try the rest again: {go_on}"),
                )),
                Halt::Failed(error) => Failure::Failed(error),
            })?;
        drop(watch);
        let summary = Summary::of(experiment, run, &goal)?;
        if self.json {
            return print_json(&summary);
        }
        print(&summary.render(shown));
        Ok(())
    }
}

/// The first Ctrl-C stops the study in good order; the second one ends the program at once.
pub(super) fn stop_on_signals(stop: &Arc<AtomicBool>) -> Result<(), Error> {
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, 130, Arc::clone(stop))
            .context(|| "cannot handle signals".into())?;
        flag::register(signal, Arc::clone(stop)).context(|| "cannot handle signals".into())?;
    }
    Ok(())
}

fn warn_of_shadows(names: &[String], plugins: &[Plugin]) {
    for plugin in plugins {
        if let (Some(name), Some(nearer)) = (plugin.name(), &plugin.shadowed_by)
            && names.iter().any(|n| n == name)
        {
            eprintln!(
                "warning: the plugin `{name}` is taken from {}, not from {}",
                nearer.display(),
                plugin.path.display()
            );
        }
    }
}
