//! `pleach doctor`.

use std::time::Duration;

use clap::Args;
use pleach::plugins::{self, TARGET};
use pleach::protocol;
use pleach::worker::Program;
use plugin_api_data::{Error, LIBTORCH};
use serde_json::json;

use super::plugins::list;
use super::{Failure, Search, print, print_json};

/// A worker that has not loaded libtorch by then never will.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

#[derive(Args)]
#[command(after_help = "Example:
  pleach doctor")]
pub(super) struct Doctor {
    #[command(flatten)]
    search: Search,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut problems = vec![];
        let mut note = |error: Error| problems.push(error);
        let program = Program::find().map_err(&mut note).ok();
        let worker = program.as_ref().and_then(|p| {
            p.query::<protocol::Doctor>(&["doctor"], LIMIT)
                .map_err(&mut note)
                .ok()
        });
        let folders = plugins::folders(&self.search.folders);
        let found = plugins::find(&folders)
            .map_err(&mut note)
            .unwrap_or_default();
        if let Some(worker) = &worker {
            problems.extend(worker.problems.iter().cloned());
            problems.extend(
                worker
                    .libtorch
                    .as_ref()
                    .and_then(|version| wrong_libtorch(version)),
            );
        }
        let usable = found
            .iter()
            .filter(|p| p.problem.is_none() && p.shadowed_by.is_none())
            .count();
        for plugin in &found {
            problems.extend(plugin.problem.clone().map(|problem| {
                Error::new(format!("`{}` cannot be used", plugin.path.display())).caused_by(problem)
            }));
        }
        if usable == 0 {
            problems.push(Error::new("no plugin can be used").help(
                "put plugins into one of the folders above, or name their folder in PLEACH_PLUGINS",
            ));
        }
        if self.json {
            print_json(&json!({
                "pleach": env!("CARGO_PKG_VERSION"),
                "target": TARGET,
                "worker": program.as_ref().map(|p| p.path()),
                "libtorch": worker.as_ref().map(|w| &w.libtorch),
                "libtorch_folder": worker.as_ref().map(|w| &w.libtorch_folder),
                "cuda": worker.as_ref().map(|w| &w.cuda),
                "folders": folders,
                "plugins": found,
                "problems": problems,
            }))?;
        } else {
            print(&format!(
                "pleach {} for {TARGET}",
                env!("CARGO_PKG_VERSION")
            ));
            print(&format!(
                "worker: {}",
                program.map_or("missing".into(), |p| p.path().display().to_string())
            ));
            if let Some(worker) = worker {
                print(&format!(
                    "libtorch: {}{}",
                    worker.libtorch.as_deref().unwrap_or("missing"),
                    (worker.libtorch_folder.as_ref())
                        .map_or(String::new(), |folder| format!(" in {}", folder.display()))
                ));
                print(&format!(
                    "cuda: {}",
                    if worker.cuda.is_empty() {
                        "none".into()
                    } else {
                        worker.cuda.join(", ")
                    }
                ));
            }
            print("plugin folders, nearest first:");
            folders
                .iter()
                .for_each(|folder| print(&format!("  {}", folder.path.display())));
            print(&list(&found));
            problems
                .iter()
                .for_each(|problem| eprintln!("error: {problem}"));
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Failure::Reported)
        }
    }
}

fn wrong_libtorch(version: &str) -> Option<Error> {
    let same = version.split('+').next() == Some(LIBTORCH);
    (!same).then(|| {
        Error::new("the worker has another libtorch")
            .found(version)
            .expected(LIBTORCH)
            .help("`cargo xtask setup` fetches the right one")
    })
}
