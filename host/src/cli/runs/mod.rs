//! `pleach runs`: what is in a folder of runs.

mod diff;
mod gc;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::{Args, Subcommand};
use comfy_table::{CellAlignment, Table, presets};
use indicatif::BinaryBytes;
use pleach::error::Context;
use pleach::journal::Journal;
use pleach::run::{Run, Status};
use pleach::study::best;
use plugin_api_data::{Error, Goal};
use serde::Serialize;

use super::{Failure, print, print_json};

#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  pleach runs
  pleach runs elsewhere --json
  pleach runs diff runs/first-1 runs/first-2"
)]
pub(super) struct Runs {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    list: List,
}

#[derive(Subcommand)]
enum What {
    /// Show what differs between two runs: experiment, plugins, environment, result
    Diff(diff::Diff),
    /// Free the space of what nothing needs any more
    Gc(gc::Gc),
}

/// The list, where nothing else is asked.
#[derive(Args)]
struct List {
    /// The folder in which runs are kept
    #[arg(default_value = "runs")]
    folder: PathBuf,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

/// A run in the list.
#[derive(Serialize)]
struct Listed {
    /// Its folder.
    run: PathBuf,
    status: Status,
    /// How many works have ended: trials, and seeds of other stages.
    works: u64,
    /// The task's main metric; known once the run is complete.
    metric: Option<String>,
    /// Its best value on `val`, of the last stage that has one.
    best: Option<f64>,
    /// Bytes of all its files.
    size: u64,
    #[serde(skip)]
    begun: SystemTime,
}

impl Runs {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.what {
            Some(What::Diff(diff)) => diff.run(),
            Some(What::Gc(gc)) => gc.run(),
            None => self.list.run(),
        }
    }
}

/// The runs in a folder, in the order of their names.
fn runs_in(folder: &Path) -> Result<Vec<Run>, Failure> {
    let attempt = || format!("cannot look into `{}`", folder.display());
    let entries = fs::read_dir(folder)
        .context(attempt)
        .map_err(Failure::Usage)?;
    let mut runs = vec![];
    for entry in entries {
        // Whatever else lies there is no run.
        runs.extend(Run::look(&entry.context(attempt)?.path()).ok());
    }
    runs.sort_by(|a, b| a.folder().cmp(b.folder()));
    Ok(runs)
}

impl List {
    fn run(self) -> Result<(), Failure> {
        let mut all = vec![];
        for run in runs_in(&self.folder)? {
            match Listed::of(&run) {
                Ok(listed) => all.push(listed),
                // The others are there all the same.
                Err(error) => eprintln!("warning: {error}"),
            }
        }
        all.sort_by(|a, b| (a.begun, &a.run).cmp(&(b.begun, &b.run)));
        match self.json {
            true => print_json(&all),
            false => {
                print(&table(&all));
                Ok(())
            }
        }
    }
}

impl Listed {
    fn of(run: &Run) -> Result<Self, Error> {
        let folder = run.folder();
        let journal = run.journal().is_file();
        let journal = journal.then(|| Journal::look(&run.journal())).transpose()?;
        let (best, metric) = match (run.summary()?, run.goal()?, &journal) {
            (Some(summary), ..) => (summary.best, Some(summary.metric)),
            (None, Some(goal), Some(journal)) => (so_far(run, journal, &goal)?, Some(goal.metric)),
            _ => (None, None),
        };
        Ok(Listed {
            run: folder.into(),
            status: run.status()?,
            works: journal.map_or(Ok(0), |journal| journal.ended())?,
            best,
            metric,
            size: size(folder),
            begun: run.begun()?,
        })
    }
}

/// The best that the last stage has come to of which anything is worth something.
fn so_far(run: &Run, journal: &Journal, goal: &Goal) -> Result<Option<f64>, Error> {
    for stage in (0..run.stages()?.len()).rev() {
        let results = journal.results(stage)?;
        if let Some((_, value, _)) = best(&results, goal) {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// Bytes of all files below; one that goes meanwhile has none.
fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let of = |entry: fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => size(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    };
    entries.map(of).sum()
}

fn table(all: &[Listed]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["run", "status", "works", "best", "size"]);
    for listed in all {
        let best = listed.metric.as_ref().zip(listed.best);
        let best = best.map(|(metric, best)| format!("val.{metric} {best:.4}"));
        let name = listed.run.file_name().unwrap_or_default();
        table.add_row([
            name.to_string_lossy().into_owned(),
            listed.status.to_string(),
            listed.works.to_string(),
            best.unwrap_or_default(),
            BinaryBytes(listed.size).to_string(),
        ]);
    }
    for number in [2, 4] {
        if let Some(column) = table.column_mut(number) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}
