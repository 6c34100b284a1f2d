//! `pleach predict`.

use std::path::{PathBuf, absolute};

use clap::Args;
use pleach::error::Context;
use pleach::frame::{Format, Frame};
use pleach::study::Purpose;
use plugin_api_data::Error;
use serde_json::json;

use super::made::Made;
use super::study::device;
use super::{Failure, table};

/// What `--help` says below the options.
const MORE: &str = "\
The run's task reads the file, and treats it as the data that was learned from: `baselines/table` a CSV with the same columns \
(the target may be missing), `baselines/arrays` an npz with `x`, `baselines/images` an image, a folder of images or a .txt file \
with a path in each line, `baselines/graph-nodes` an npz with a whole graph. A row of the answer belongs to each sample, in \
their order: classes by their names with the probability of each, numbers in the unit of the data.

Examples:
  pleach predict runs/iris-1 --input new.csv
  pleach predict runs/iris-1 --input new.csv --stage tuned --seed 2 --out answers.csv
  pleach predict runs/photos-1 --input holiday/ --out answers.parquet";

#[derive(Args)]
#[command(after_help = MORE)]
pub(super) struct Predict {
    /// The folder of the run
    run: PathBuf,
    /// The samples: a file, or a folder, of the kind that the run's task reads
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// The stage that has made the network [default: the last that handed on weights]
    #[arg(long, value_name = "NAME")]
    stage: Option<String>,
    /// The seed with which it was made [default: the first]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Where to write the answers, by its ending as CSV or Parquet [default: CSV, to standard output]
    #[arg(long, value_name = "FILE.csv|FILE.parquet")]
    out: Option<PathBuf>,
    /// Where to compute: cpu, cuda or cuda:N [default: where the run was begun]
    #[arg(long, value_parser = device)]
    device: Option<String>,
    /// Print the rows as JSON; with --out, what was written
    #[arg(long)]
    json: bool,
}

impl Predict {
    pub(super) fn run(self) -> Result<(), Failure> {
        let format = self.out.as_deref().map(Format::of);
        let format = format.transpose().map_err(Failure::Usage)?;
        if !self.input.exists() {
            let what = format!("there is no file `{}`", self.input.display());
            return Err(Failure::Usage(Error::new(what)));
        }
        let input = absolute(&self.input).context(|| "there is no working directory".into())?;
        let made = Made::open(&self.run, &[])?;
        let seed = self.seed.unwrap_or(made.experiment.seed);
        let (stage, seeds) = made.networks(self.stage.as_deref(), Some(seed))?;
        made.hangs_on_weights(stage)?;
        let settings = made.settings_on(self.device)?;
        // Answers on standard output are not to be mixed with progress on a terminal.
        let quiet = self.json || self.out.is_none();
        let done = made.look(&settings, (stage, &seeds), &Purpose::Predict(input), quiet)?;
        let answers = done.first().and_then(|done| done.answers.as_ref());
        let answers = answers.ok_or_else(|| Error::new("the worker gave no answers"))?;
        let about = json!({ "stage": stage, "seed": seed });
        table::show(
            &Frame::from(answers),
            self.out.zip(format),
            about,
            self.json,
        )
    }
}
