//! `pleach runs diff`.

use std::path::PathBuf;

use clap::Args;
use pleach::diff::{Changed, Difference};
use pleach::run::Run;
use pleach::spread::Spread;
use pleach::summary::aligned;
use plugin_api_data::Json;

use super::{Failure, print, print_json};

/// What `--help` says below the options.
const MORE: &str = "\
Experiments are compared as they were resolved, every default filled in, key by key, and their architectures; stages by their names. Long values are cut off, but for --json. Results are of \
the stages that both have, mean and standard deviation over seeds; the last column is the difference seed by seed, where both \
have the same seeds.

Example:
  pleach runs diff runs/demo-1 runs/demo-2";

/// How much of a value is shown.
const WIDTH: usize = 60;

#[derive(Args)]
#[command(after_help = MORE)]
pub(super) struct Diff {
    /// The folder of a run
    first: PathBuf,
    /// The folder of another
    second: PathBuf,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

impl Diff {
    pub(super) fn run(self) -> Result<(), Failure> {
        let (first, second) = (Run::look(&self.first)?, Run::look(&self.second)?);
        let difference = Difference::of(&first, &second)?;
        if self.json {
            return print_json(&difference);
        }
        print(&section("experiment", &difference.experiment));
        print(&section("plugins", &difference.plugins));
        print(&section("environment", &difference.environment));
        print(&self.results(&difference));
        Ok(())
    }

    /// The figures of both side by side.
    fn results(&self, difference: &Difference) -> String {
        if difference.results.is_empty() {
            return "results: no stage of both has been measured by one metric".into();
        }
        let name = |folder: &PathBuf| {
            let name = folder.file_name().unwrap_or(folder.as_os_str());
            name.to_string_lossy().into_owned()
        };
        let header = vec![
            "results".into(),
            "metric".into(),
            name(&self.first),
            name(&self.second),
            "paired difference".into(),
        ];
        let rows = difference.results.iter().map(|compared| {
            let shown = |spread: &Option<Spread>| spread.map_or("-".into(), |s| s.show(4));
            vec![
                compared.stage.clone(),
                compared.metric.clone(),
                shown(&compared.first),
                shown(&compared.second),
                shown(&compared.paired),
            ]
        });
        aligned(header, rows)
    }
}

/// A text of one line; a whole stage would fill the terminal.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(WIDTH) {
        None => text.into(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// A part of what both were begun with.
fn section(name: &str, changed: &[Changed]) -> String {
    if changed.is_empty() {
        return format!("{name}: the same");
    }
    let lines = changed.iter().map(|changed| {
        let shown = |value: &Option<Json>| match value {
            None => "(nothing)".into(),
            Some(value) => shortened(&value.to_string()),
        };
        let (first, second) = (shown(&changed.first), shown(&changed.second));
        format!("  {}: {first} -> {second}", changed.key)
    });
    let lines: Vec<String> = lines.collect();
    format!("{name}:\n{}", lines.join("\n"))
}
