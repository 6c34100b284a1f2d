//! `pleach report`.

use std::path::{Path, PathBuf};

use clap::Args;
use pleach::error::Context;
use pleach::files::write_whole;
use pleach::report::{self, Report};
use pleach::run::Run;
use pleach::worker::Program;
use plugin_api_data::Error;

use super::{Failure, print, print_json};

/// Its name in the folder of a run.
const PAGE: &str = "report.html";

#[derive(Args)]
#[command(after_help = "Examples:
  pleach report runs/first-1
  pleach report runs/first-1 --out first.html
  pleach report runs/first-1 --json | jq .summary")]
pub(super) struct Command {
    /// The folder of the run; it may be complete, stopped or running
    run: PathBuf,
    /// Where the page goes [default: report.html in the folder of the run]
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    out: Option<PathBuf>,
    /// Print what the page shows as JSON, and write no page
    #[arg(long)]
    json: bool,
}

impl Command {
    pub(super) fn run(self) -> Result<(), Failure> {
        let run = Run::look(&self.run).map_err(Failure::Usage)?;
        if self.json {
            return print_json(&data(&run, &self.run)?);
        }
        let file = self.out.unwrap_or_else(|| self.run.join(PAGE));
        write(&run, &self.run, &file)?;
        print(&file.display().to_string());
        Ok(())
    }
}

/// Writes the page of a run into its folder, and says where; `shown` is what the user calls that folder.
pub(super) fn write_beside(run: &Run, shown: &Path) -> Result<PathBuf, Error> {
    write(run, shown, &run.folder().join(PAGE))?;
    Ok(shown.join(PAGE))
}

fn write(run: &Run, shown: &Path, file: &Path) -> Result<(), Error> {
    let page = report::page(&data(run, shown)?)?;
    let attempt = || format!("cannot write the report `{}`", file.display());
    write_whole(file, page.as_bytes()).context(attempt)
}

fn data(run: &Run, shown: &Path) -> Result<Report, Error> {
    // Without a worker, plugins that nobody has asked before cannot say what they are.
    Report::of(run, shown, Program::find().ok())
}
