//! `pleach trials`: the trials of a run as a table.

use std::path::PathBuf;

use clap::Args;
use pleach::error::nearest;
use pleach::frame::Format;
use pleach::journal::Journal;
use pleach::run::Run;
use pleach::trials;
use plugin_api_data::Error;
use serde_json::json;

use super::{Failure, table};

/// What `--help` says below the options.
const MORE: &str = "\
Columns: `number`, `seed`, `outcome` (`done` or `failed`; empty while it runs), `by` (which strategy proposed it, where one \
asks others), `from` (the trial whose weights it may inherit), `value` (the task's main metric on `val`), every metric by \
its name, `point.NAME` for each decision of the point (what was chosen, as one would write it), `seconds`, `attempts`, \
`error`. A cell without a value is empty. Real numbers read back as the same ones.

Examples:
  pleach trials runs/demo-1 > trials.csv
  pleach trials runs/demo-1 --out trials.parquet
  python -c 'import duckdb; print(duckdb.sql(\"from \\\"trials.parquet\\\" order by value desc limit 5\"))'";

#[derive(Args)]
#[command(after_help = MORE)]
pub(super) struct Trials {
    /// The folder of the run; another process may work on it
    run: PathBuf,
    /// The stage; of one that is no search its seeds [default: the last search that has begun]
    #[arg(long, value_name = "NAME")]
    stage: Option<String>,
    /// Where to write the table, by its ending as CSV or Parquet [default: CSV, to standard output]
    #[arg(long, value_name = "FILE.csv|FILE.parquet")]
    out: Option<PathBuf>,
    /// Print the rows as JSON; with --out, what was written
    #[arg(long)]
    json: bool,
}

impl Trials {
    pub(super) fn run(self) -> Result<(), Failure> {
        let format = self.out.as_deref().map(Format::of);
        let format = format.transpose().map_err(Failure::Usage)?;
        let run = Run::look(&self.run)?;
        let stages = run.stages()?.into_iter();
        let names: Vec<String> = stages.map(|stage| stage.name).collect();
        if !run.journal().is_file() {
            return Err(Failure::Failed(Error::new("no stage of the run has begun")));
        }
        let journal = Journal::look(&run.journal())?;
        let stage = self.stage(&names, &journal)?;
        let decisions = run.decisions(&names[stage])?;
        let rows = trials::table(&journal, stage, run.goal()?.as_ref(), &decisions)?;
        let about = json!({ "stage": names[stage] });
        table::show(&rows, self.out.zip(format), about, self.json)
    }

    /// The number of the stage.
    fn stage(&self, names: &[String], journal: &Journal) -> Result<usize, Failure> {
        if let Some(wanted) = &self.stage {
            return names.iter().position(|name| name == wanted).ok_or_else(|| {
                let error = Error::new(format!("the run has no stage `{wanted}`"));
                let near = nearest(wanted, names.iter().map(String::as_str));
                Failure::Usage(match near {
                    Some(near) => error.help(format!("did you mean `{near}`?")),
                    None => error.expected(names.join(", ")),
                })
            });
        }
        for stage in (0..names.len()).rev() {
            if journal.proposed(stage)? > 0 {
                return Ok(stage);
            }
        }
        let error = Error::new("no search of the run has begun");
        Err(Failure::Usage(error.help(format!(
            "`--stage` shows the seeds of another stage: {}",
            names.join(", ")
        ))))
    }
}
