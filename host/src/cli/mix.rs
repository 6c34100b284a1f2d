//! `pleach mix`: strategies join a running search and leave it.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use clap::Args;
use pleach::cards::Catalog;
use pleach::experiment::{self, Experiment, Source, Verb};
use pleach::journal::Journal;
use pleach::protocol::Change;
use pleach::run::Run;
use pleach::worker::Program;
use plugin_api_data::{Error, TrialId};
use serde_json::json;

use super::{Failure, print, print_json};

/// How often one looks whether the search has changed.
const PAUSE: Duration = Duration::from_millis(100);

/// The search must have a strategy that asks others by name, such as `baselines/portfolio`. It changes before it asks for
/// its next point; what it did is kept in the run, so that `pleach resume` and `pleach run RUN` do the same again.
#[derive(Args)]
#[command(after_help = "Examples:
  pleach mix runs/first-1 --drop random
  pleach mix runs/first-1 --add tpe=mine/tpe --add \'young={ use = \"baselines/evolution\", population = 20 }\'")]
pub(super) struct Mix {
    /// The folder of the run
    run: PathBuf,
    /// A strategy that joins, and its name in the search: a component, or a TOML table with its parameters; may be repeated
    #[arg(long, value_name = "NAME=STRATEGY", value_parser = named, required_unless_present = "drop")]
    add: Vec<(String, String)>,
    /// The name of a strategy that leaves; may be repeated
    #[arg(long, value_name = "NAME")]
    drop: Vec<String>,
    /// The stage [default: the first search that is not over]
    #[arg(long, value_name = "NAME")]
    stage: Option<String>,
    /// Do not wait until the search has changed
    #[arg(long)]
    no_wait: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

/// A name, and what stands behind it as TOML.
fn named(text: &str) -> Result<(String, String), String> {
    let (name, strategy) = text.split_once('=').ok_or("expected NAME=STRATEGY")?;
    let (name, strategy) = (name.trim(), strategy.trim());
    if name.is_empty() || strategy.is_empty() {
        return Err("expected NAME=STRATEGY".into());
    }
    let strategy = match strategy.starts_with(['{', '"', '\'']) {
        true => strategy.to_owned(),
        false => json!(strategy).to_string(),
    };
    Ok((name.into(), strategy))
}

impl Mix {
    pub(super) fn run(self) -> Result<(), Failure> {
        let run = Run::look(&self.run)?;
        let plugins = run.plugins()?;
        let catalog = Catalog::new(&plugins, Some(Program::find()?));
        let experiment = experiment::read(&run.source()?, &catalog).map_err(Failure::Experiment)?;
        let change = self.change(&catalog)?;
        let mut journal = Journal::open(&run.journal())?;
        let (stage, name, budget) = self.search(&experiment, &journal)?;
        let id = journal.want(stage, &change)?;
        let outcome = loop {
            // First: the search may change between one look and the next.
            let goes_on = run.is_worked_on()?;
            let is_over = journal.proposed(stage)? >= budget;
            let wanted = journal.wanted(stage)?.into_iter();
            let outcome = wanted.filter(|w| w.id == id).find_map(|w| w.outcome);
            if outcome.is_some() || !goes_on || self.no_wait {
                break outcome;
            }
            if is_over {
                let what =
                    format!("the search `{name}` had asked for its last point before it changed");
                return Err(Failure::Failed(Error::new(what)));
            }
            thread::sleep(PAUSE);
        };
        if let Some(Err(why)) = outcome {
            return Err(Failure::Failed(why));
        }
        let before = outcome.and_then(Result::ok);
        if self.json {
            return print_json(&json!({ "stage": name, "change": change, "before": before }));
        }
        print(&match before {
            Some(before) => format!("{name}: {}", line(&change, &Ok(before))),
            None => format!(
                "{name}: wanted; the search changes before it asks for its next point, once the run goes on"
            ),
        });
        Ok(())
    }

    /// What is wanted, held against the plugins of the run.
    fn change(&self, catalog: &Catalog) -> Result<Change, Failure> {
        let mut text = format!("drop = {}\n", json!(self.drop));
        for (name, strategy) in &self.add {
            text.push_str(&format!("add.{} = {strategy}\n", json!(name)));
        }
        let path = PathBuf::from("--add");
        experiment::read_change(&Source { path, text }, catalog).map_err(Failure::Experiment)
    }

    /// The search that is to change: its number, its name, and how many points it asks for.
    fn search(
        &self,
        experiment: &Experiment,
        journal: &Journal,
    ) -> Result<(usize, String, u64), Failure> {
        let mut over = vec![];
        for (index, stage) in experiment.stages.iter().enumerate() {
            let Verb::Search(search) = &stage.verb else {
                continue;
            };
            if self.stage.as_ref().is_some_and(|name| *name != stage.name) {
                continue;
            }
            if journal.proposed(index)? < search.budget.trials {
                return Ok((index, stage.name.clone(), search.budget.trials));
            }
            over.push(format!("`{}` is over", stage.name));
        }
        let what = match &self.stage {
            Some(name) => format!("the run has no search `{name}` that asks for more points"),
            None => "the run has no search that asks for more points".into(),
        };
        Err(Failure::Usage(Error::new(what).found(over.join(", "))))
    }
}

/// What came of a change, in a line.
pub(super) fn line(change: &Change, outcome: &Result<u64, Error>) -> String {
    let add = change.add.iter();
    let add = add.map(|(name, strategy)| format!("+ {name} ({})", strategy.component));
    let drop = change.drop.iter().map(|name| format!("- {name}"));
    let what: Vec<String> = add.chain(drop).collect();
    let what = what.join(", ");
    match outcome {
        Ok(before) => format!("{what}, before {}", TrialId(*before)),
        Err(why) => format!("{what}, refused: {why}"),
    }
}
