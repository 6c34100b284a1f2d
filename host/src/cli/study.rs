//! `pleach run` and `pleach resume`.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::Args;
use indicatif::HumanDuration;
use pleach::cards::Catalog;
use pleach::error::Context;
use pleach::experiment::{self, Experiment, Mix, Source, Verb};
use pleach::journal::Journal;
use pleach::keep::{Keep, Spare};
use pleach::lock::Lock;
use pleach::plugins::Plugin;
use pleach::run;
use pleach::study::{self, Halt, Settings};
use pleach::summary::Summary;
use pleach::worker::Program;
use plugin_api_data::Error;
use serde_json::json;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::estimate::Estimate;
use super::{Failure, Search, print, print_json, progress, report};

#[derive(Args)]
#[command(after_help = "Examples:
  pleach run first.toml
  pleach run first.toml --dry-run
  pleach run first.toml --set seeds=5 --set stage.0.budget=20 --jobs 2
  pleach run runs/first-1 --locked runs/first-1")]
pub(super) struct Run {
    /// The experiment, a TOML file; or the folder of a run, to do the same again
    #[arg(value_name = "FILE|RUN")]
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
    /// Change a value first, such as `seeds=5`, `stage.0.budget=20` or `stage.tuned.train.epochs=3`; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
    /// Only check the experiment, print it as it would run, every default filled in, and how much work it is
    #[arg(long)]
    dry_run: bool,
    /// Refuse other plugin files than those of this lock, a `plugins.lock` or the folder of a run
    #[arg(long, value_name = "LOCK")]
    locked: Option<PathBuf>,
    #[command(flatten)]
    manner: Manner,
}

#[derive(Args)]
#[command(after_help = "Example:
  pleach resume runs/first-1")]
pub(super) struct Resume {
    /// The folder of the run
    run: PathBuf,
    #[command(flatten)]
    manner: Manner,
}

/// How work is done and shown; it changes no result.
#[derive(Args)]
pub(super) struct Manner {
    /// How many trials run at once [default: as many as there are cores for]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Print the result as JSON
    #[arg(long)]
    pub(super) json: bool,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
}

pub(super) fn device(text: &str) -> Result<String, String> {
    let number = text
        .strip_prefix("cuda:")
        .is_some_and(|n| n.parse::<u32>().is_ok());
    if number || matches!(text, "cpu" | "cuda") {
        Ok(text.into())
    } else {
        Err("expected cpu, cuda or cuda:N".into())
    }
}

pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.trim().into(), value.trim().into()))
}

impl Run {
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut source = self.source()?;
        let seed = self.seed.map(|seed| ("seed".to_owned(), seed.to_string()));
        for (key, value) in self.set.iter().chain(&seed) {
            source = experiment::set(&source, key, value).map_err(Failure::Usage)?;
        }
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
        if self.file.is_dir() {
            as_it_went(&mut experiment, &run::Run::look(&self.file)?)?;
        }
        let names = experiment.plugins(&catalog);
        warn_of_shadows(&names, &plugins);
        if self.dry_run {
            return self.show(&experiment, &source);
        }
        let (run, experiment) = run::Run::create(
            (&self.runs, &self.stem()),
            (&experiment, &source),
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
        let done = self.manner.study(&experiment, &run, &shown, settings);
        if let (Err(Failure::Failed(_)), Ok(None)) = (&done, run.goal()) {
            // Its task could not be made: there is nothing to go on with.
            run.give_up()?;
        }
        done
    }

    /// The experiment as text; that of a run, where its folder was given.
    fn source(&self) -> Result<Source, Failure> {
        if self.file.is_dir() {
            let run = run::Run::look(&self.file).map_err(Failure::Usage)?;
            return Ok(run.source()?);
        }
        let text = fs::read_to_string(&self.file)
            .context(|| format!("cannot read the experiment `{}`", self.file.display()))
            .map_err(Failure::Usage)?;
        Ok(Source {
            path: self.file.clone(),
            text,
        })
    }

    /// What would be run.
    fn show(&self, experiment: &Experiment, source: &Source) -> Result<(), Failure> {
        let works = experiment.works();
        let resolved = experiment::keep_comments(&experiment.to_toml()?, &source.text);
        let at_once = self.manner.jobs.map(usize::from);
        let estimate = Estimate::of(experiment, (&self.runs, &self.stem()), at_once);
        let seconds = estimate.as_ref().map(|estimate| &estimate.seconds);
        if self.manner.json {
            let shown = json!({ "experiment": resolved, "works": works, "seconds": seconds });
            return print_json(&shown);
        }
        print(&resolved);
        let about = |seconds: f64| HumanDuration(Duration::from_secs_f64(seconds));
        for (stage, works) in works.iter() {
            match seconds.and_then(|seconds| seconds.get(stage)) {
                Some(seconds) => eprintln!("{stage}: {works} to do, about {}", about(*seconds)),
                None => eprintln!("{stage}: {works} to do"),
            }
        }
        match &estimate {
            Some(Estimate { by, seconds }) => {
                eprintln!("in all about {}, by {by}", about(seconds.values().sum()));
            }
            None => eprintln!("how long it takes is known once there was a run of it"),
        }
        Ok(())
    }

    /// What runs of it are called: `first` for `first.toml`, and for the run `first-3`.
    fn stem(&self) -> String {
        let stem = self.file.file_stem().unwrap_or(OsStr::new("run"));
        let stem = stem.to_string_lossy();
        match stem.rsplit_once('-') {
            Some((stem, number)) if self.file.is_dir() && number.parse::<u64>().is_ok() => {
                stem.into()
            }
            _ => stem.into_owned(),
        }
    }
}

/// Puts into an experiment what people changed of its searches while it ran.
fn as_it_went(experiment: &mut Experiment, run: &run::Run) -> Result<(), Error> {
    let journal = Journal::open(&run.journal())?;
    for (index, stage) in experiment.stages.iter_mut().enumerate() {
        let Verb::Search(search) = &mut stage.verb else {
            continue;
        };
        let wanted = journal.wanted(index)?.into_iter();
        let went = wanted.filter_map(|wanted| {
            let at = wanted.outcome?.ok()?;
            let change = wanted.change;
            Some(Mix { at, change })
        });
        search.mix.extend(went);
        search.mix.sort_by_key(|mix| mix.at);
    }
    Ok(())
}

impl Resume {
    pub(super) fn run(self) -> Result<(), Failure> {
        let run = run::Run::open(&self.run)?;
        run.check_data()?;
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
        let go_on = format!("pleach resume {}", shown.display());
        let summary = self.work(experiment, run, &go_on, settings)?;
        if self.json {
            print_json(&summary)?;
        } else {
            print(&summary.render(shown));
        }
        // Last, so that what came out is there whatever becomes of the page.
        let page = report::write_beside(run, shown)?;
        if !self.json {
            print(&format!("report: {}", page.display()));
        }
        Ok(())
    }

    /// Does what is left of a study, and keeps what came out; `go_on` is the command that goes on where this one is stopped.
    pub(super) fn work(
        &self,
        experiment: &Experiment,
        run: &run::Run,
        go_on: &str,
        settings: Settings,
    ) -> Result<Summary, Failure> {
        let settings = Settings {
            jobs: self.jobs.map(usize::from),
            ..settings
        };
        stop_when_asked(&settings.stop, run)?;
        let mut watch = progress::watcher(self.quiet);
        let goal =
            study::run(experiment, run, &settings, &mut *watch).map_err(|halt| match halt {
                Halt::Interrupted => Failure::Interrupted(format!("stopped; to go on: {go_on}")),
                // Without the task there is nothing to go on with.
                Halt::Failed(error) if error.help.is_none() && has_goal(run) => {
                    let help = format!("what is done is kept; to try the rest again: {go_on}");
                    Failure::Failed(error.help(help))
                }
                Halt::Failed(error) => Failure::Failed(error),
            })?;
        drop(watch);
        let summary = Summary::of(experiment, run, &goal)?;
        run.complete(&summary)?;
        if experiment.keep != Keep::All {
            let by = "`keep` in the experiment";
            Spare::of(run, experiment.keep)?.remove(run, by)?;
        }
        Ok(summary)
    }
}

fn has_goal(run: &run::Run) -> bool {
    matches!(run.goal(), Ok(Some(_)))
}

/// The first Ctrl-C stops the work in good order, and so does `pleach stop`; the second one ends the program at once.
pub(super) fn stop_when_asked(stop: &Arc<AtomicBool>, run: &run::Run) -> Result<(), Error> {
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, 130, Arc::clone(stop))
            .context(|| "cannot handle signals".into())?;
        flag::register(signal, Arc::clone(stop)).context(|| "cannot handle signals".into())?;
    }
    run.watch(stop);
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
