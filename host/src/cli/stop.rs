//! `pleach stop`.

use std::path::PathBuf;

use clap::Args;
use pleach::run::Run;
use serde_json::json;

use super::{Failure, print, print_json};

/// What `--help` says below the options.
const MORE: &str = "\
The process that works on the run stops as after Ctrl-C, with the code 130. What has ended is kept; `pleach resume` goes on, \
with the same results as if the run had never been stopped. A run that nobody works on stays as it is.

Example:
  pleach stop runs/demo-1 && pleach resume runs/demo-1 --jobs 2";

#[derive(Args)]
#[command(after_help = MORE)]
pub(super) struct Stop {
    /// The folder of the run
    run: PathBuf,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

impl Stop {
    pub(super) fn run(self) -> Result<(), Failure> {
        let run = Run::look(&self.run)?;
        let stopped = run.stop()?;
        let complete = run.summary()?.is_some();
        if self.json {
            let said = json!({ "run": self.run, "stopped": stopped, "complete": complete });
            return print_json(&said);
        }
        let shown = self.run.display();
        print(&match (stopped, complete) {
            (false, true) => format!("nobody works on {shown}; it is complete"),
            (false, false) => {
                format!("nobody works on {shown}; to go on: pleach resume {shown}")
            }
            (true, true) => format!("{shown} came to its end first; it is complete"),
            (true, false) => format!("stopped {shown}; to go on: pleach resume {shown}"),
        });
        Ok(())
    }
}
