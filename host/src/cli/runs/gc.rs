//! `pleach runs gc`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use indicatif::BinaryBytes;
use pleach::keep::{Keep, Spare};
use pleach::run::Run;
use pleach::summary::aligned;
use serde::Serialize;

use super::{Failure, Status, print, print_json, runs_in};

/// What `--help` says below the options.
const MORE: &str = "\
What is removed: of a complete run all checkpoints, and the weights that --keep-weights does not keep; of a stopped one the \
checkpoints of what has ended. Never a journal, an experiment or what came out, and nothing of a run that is worked on. \
Afterwards `resume` and `runs` show a complete run as before; `export`, `evaluate` and `predict` find the weights that were \
kept.

Examples:
  pleach runs gc --dry-run --keep-weights best
  pleach runs gc runs/demo-1 --keep-weights last";

#[derive(Args)]
#[command(after_help = MORE)]
pub(super) struct Gc {
    /// The folder in which runs are kept, or that of one run
    #[arg(value_name = "DIR", default_value = "runs")]
    folder: PathBuf,
    /// Whose weights complete runs keep
    #[arg(long, value_enum, value_name = "WHICH", default_value_t = Which::All)]
    keep_weights: Which,
    /// Only show what would be removed
    #[arg(long)]
    dry_run: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Which {
    /// Those of all stages
    All,
    /// Those of the last stage that has some
    Last,
    /// Of these the one that is best on `val`
    Best,
    /// None
    None,
}

impl Which {
    fn keep(self) -> Keep {
        match self {
            Which::All => Keep::All,
            Which::Last => Keep::Last,
            Which::Best => Keep::Best,
            Which::None => Keep::None,
        }
    }
}

/// What became of a run.
#[derive(Serialize)]
struct Freed {
    run: PathBuf,
    status: Status,
    /// What was removed, or would be.
    #[serde(flatten)]
    spare: Spare,
}

impl Gc {
    pub(super) fn run(self) -> Result<(), Failure> {
        let runs = match Run::look(&self.folder) {
            Ok(run) => vec![run],
            Err(_) => runs_in(&self.folder)?,
        };
        let mut all = vec![];
        for run in runs {
            match self.free(&run) {
                Ok(freed) => all.push(freed),
                // The others are freed all the same.
                Err(error) => eprintln!("warning: {error}"),
            }
        }
        if self.json {
            return print_json(&all);
        }
        let header = ["run", "status", "files", "size"].map(String::from);
        let rows = all.iter().map(|freed| {
            vec![
                freed.run.display().to_string(),
                freed.status.to_string(),
                freed.spare.files.len().to_string(),
                BinaryBytes(freed.spare.bytes).to_string(),
            ]
        });
        print(&aligned(header.into(), rows));
        let bytes = BinaryBytes(all.iter().map(|freed| freed.spare.bytes).sum());
        print(&match self.dry_run {
            true => format!("{bytes} could be freed"),
            false => format!("{bytes} freed"),
        });
        Ok(())
    }

    fn free(&self, run: &Run) -> Result<Freed, plugin_api_data::Error> {
        let keep = self.keep_weights.keep();
        let status = run.status()?;
        let spare = match (status, self.dry_run) {
            (Status::Running, _) => Spare::default(),
            (_, true) => Spare::of(run, keep)?,
            (_, false) => {
                // Held, so that nobody begins to work on it meanwhile.
                let run = Run::open(run.folder())?;
                let spare = Spare::of(&run, keep)?;
                spare.remove(&run, "`pleach runs gc`")?;
                spare
            }
        };
        Ok(Freed {
            run: run.folder().into(),
            status,
            spare,
        })
    }
}
