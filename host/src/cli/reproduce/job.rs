//! One experiment of a plugin's claims: read, run or gone on with, and judged.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use pleach::cards::Catalog;
use pleach::claims::{Claim, Claims, Reproduction, Verdict};
use pleach::error::Context;
use pleach::experiment::{self, Experiment, Source};
use pleach::lock::Lock;
use pleach::plugins::{Plugin, sha256};
use pleach::run::Run;
use pleach::study::Settings;
use pleach::worker::Program;
use plugin_api_data::Error;
use tempfile::TempDir;

use super::{FOLDER, Failure, Reproduce, stored};
use crate::cli::study::pair;
use crate::cli::{print, report};

/// With what experiments are run.
pub(super) struct Host {
    pub(super) program: Program,
    pub(super) plugins: Vec<Plugin>,
    pub(super) catalog: Catalog,
}

/// An experiment that is to be run, and what it measures.
pub(super) struct Job<'a> {
    reproduction: Reproduction,
    /// All claims that it measures, whichever were asked for.
    claims: Vec<&'a Claim>,
    experiment: Experiment,
    source: Source,
    /// The plugins that it uses.
    uses: Vec<String>,
    /// Holds the files of `source` until the run has copied them.
    _unpacked: TempDir,
}

impl Reproduce {
    /// Reads the experiment of this name.
    pub(super) fn job<'a>(
        &self,
        claims: &'a Claims,
        name: &str,
        smoke: &[String],
        catalog: &Catalog,
    ) -> Result<Job<'a>, Failure> {
        let attempt = || format!("cannot make a folder for the experiment `{name}`");
        let unpacked = tempfile::tempdir().context(attempt)?;
        let mut source = claims.unpack(name, unpacked.path())?;
        let smoke = smoke.iter().filter(|_| self.smoke);
        let changes = smoke.filter_map(|change| pair(change).ok());
        let seeds = { self.seeds }.map(|seeds| ("seeds".to_owned(), seeds.to_string()));
        for (key, value) in changes.chain(seeds) {
            source = experiment::set(&source, &key, &value)?;
        }
        let experiment = experiment::read(&source, catalog).map_err(Failure::Experiment)?;
        let of = [&*self.device, &source.text, &claims.beside()].join("\n");
        Ok(Job {
            reproduction: Reproduction {
                plugin: claims.plugin.clone(),
                paper: claims.paper.clone(),
                experiment: name.into(),
                smoke: self.smoke,
                seeds: self.seeds,
                of: sha256(of.as_bytes()),
                commit: { catalog.file(&claims.plugin) }.and_then(|file| commit(&file.path)),
                verdicts: vec![],
            },
            claims: claims.of_experiment(name).collect(),
            uses: experiment.plugins(catalog),
            experiment,
            source,
            _unpacked: unpacked,
        })
    }

    /// Runs an experiment, goes on with a run of it, or takes what a complete run has measured; and judges its claims.
    pub(super) fn reproduce(&self, job: Job, host: &Host) -> Result<Vec<Verdict>, Failure> {
        let (run, experiment) = self.begun(&job, host)?;
        let mut reproduction = job.reproduction;
        if !run.is_complete() {
            reproduction.write(run.folder())?;
            let files = job.uses.iter();
            let settings = Settings {
                program: host.program.clone(),
                plugins: files
                    .filter_map(|name| host.catalog.file(name).cloned())
                    .collect(),
                device: self.device.clone(),
                jobs: None,
                stop: Arc::default(),
            };
            self.manner.work(&experiment, &run, &as_given(), settings)?;
        } else if let Some(kept) = Reproduction::read(run.folder())? {
            // Of the day on which it ran.
            reproduction.commit = kept.commit;
        }
        for claim in job.claims {
            let verdict = Verdict::of(claim, self.smoke, &run, &experiment)?;
            reproduction.verdicts.push(verdict);
        }
        reproduction.write(run.folder())?;
        let name = run.folder().file_name().unwrap_or_default();
        let shown = self.runs.join(FOLDER).join(name);
        let page = report::write_beside(&run, &shown)?;
        if !self.manner.json {
            print(&format!("{}: {}", reproduction.experiment, page.display()));
        }
        Ok(reproduction.verdicts)
    }

    /// The latest run of it with the same plugin files; a new one where there is none.
    fn begun(&self, job: &Job, host: &Host) -> Result<(Run, Experiment), Failure> {
        let Host {
            plugins, catalog, ..
        } = host;
        if let Some(folder) = self.earlier(job, plugins)? {
            let run = Run::open(&folder)?;
            let experiment =
                experiment::read(&run.source()?, catalog).map_err(Failure::Experiment)?;
            return Ok((run, experiment));
        }
        let of = &job.reproduction;
        let smoke = if of.smoke { "-smoke" } else { "" };
        let stem = format!("{}-{}{smoke}", of.plugin, of.experiment);
        let made = Run::create(
            (&self.runs.join(FOLDER), &stem),
            (&job.experiment, &job.source),
            &job.uses,
            catalog,
            &self.device,
        );
        Ok(made?)
    }

    fn earlier(&self, job: &Job, plugins: &[Plugin]) -> Result<Option<PathBuf>, Error> {
        let mut found = vec![];
        for folder in stored(&self.runs)? {
            let of = Reproduction::read(&folder)?;
            let is_same = of.is_some_and(|of| of.of == job.reproduction.of);
            // A folder without an experiment was given up before it became a run.
            if let (true, Ok(run)) = (is_same, Run::look(&folder))
                && Lock::read(&folder)?.check(&job.uses, plugins).is_ok()
            {
                found.push((run.begun()?, folder));
            }
        }
        Ok(found.into_iter().max().map(|(_, folder)| folder))
    }
}

/// The command as it was given, which goes on where this one is stopped.
fn as_given() -> String {
    let arguments = env::args()
        .skip(1)
        .map(|argument| match shlex::try_quote(&argument) {
            Ok(quoted) => quoted.into_owned(),
            // No shell could have given it.
            Err(_) => argument,
        });
    let arguments: Vec<String> = arguments.collect();
    format!("pleach {}", arguments.join(" "))
}

/// The state of the sources in whose folder this file lies, as far as git knows it.
fn commit(file: &Path) -> Option<String> {
    let git = Command::new("git")
        .arg("-C")
        .arg(file.parent()?)
        .args(["describe", "--always", "--dirty"])
        .output()
        .ok()?;
    let text = String::from_utf8(git.stdout).ok()?;
    git.status.success().then(|| text.trim().to_owned())
}
