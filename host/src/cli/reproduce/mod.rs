//! `pleach reproduce`: runs what a plugin claims, and shows the paper's figures beside those that were measured.

mod job;
mod page;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use pleach::cards::Catalog;
use pleach::claims::{self, Claims};
use pleach::error::Context;
use pleach::worker::Program;
use plugin_api_data::Error;
use serde_json::json;

use super::study::{Manner, device};
use super::{Failure, Search, print, print_json};
use job::{Host, Job};

/// The folder, among the runs, of those that reproduce something.
const FOLDER: &str = "reproduce";

#[derive(Args)]
#[command(
    after_help = "What was begun goes on, and what is complete is not run again, as long as the plugins are the same. `holds?` is NO where a \
required claim does not hold; the command then exits with 1.

Examples:
  pleach reproduce
  pleach reproduce mine
  pleach reproduce mine --claim accuracy --seeds 3
  pleach reproduce mine --smoke
  pleach reproduce --all --out docs/results.md"
)]
pub(super) struct Reproduce {
    /// The plugin whose claims are reproduced; without it, the claims of all plugins are listed
    #[arg(conflicts_with = "all")]
    plugin: Option<String>,
    /// Reproduce this claim alone; may be repeated
    #[arg(
        long = "claim",
        value_name = "NAME",
        requires = "plugin",
        conflicts_with = "all"
    )]
    claims: Vec<String>,
    /// Run the small versions of the experiments, which show that all is in place rather than what comes out
    #[arg(long, requires = "plugin", conflicts_with = "all")]
    smoke: bool,
    /// Use so many seeds instead of the experiments'; `--all` leaves such runs out
    #[arg(long, value_name = "N", requires = "plugin", conflicts_with = "all", value_parser = clap::value_parser!(u64).range(1..))]
    seeds: Option<u64>,
    /// Where to compute: cpu, cuda or cuda:N
    #[arg(long, requires = "plugin", conflicts_with = "all", default_value = "cpu", value_parser = device)]
    device: String,
    /// Write what all plugins have reproduced so far as a page of Markdown, and run nothing; of each experiment the latest
    /// run
    #[arg(long)]
    all: bool,
    /// Where that page goes
    #[arg(
        long,
        value_name = "FILE",
        requires = "all",
        default_value = "docs/results.md"
    )]
    out: PathBuf,
    /// The folder in which runs are kept
    #[arg(long, value_name = "DIR", default_value = "runs")]
    runs: PathBuf,
    #[command(flatten)]
    search: Search,
    #[command(flatten)]
    manner: Manner,
}

impl Reproduce {
    pub(super) fn run(self) -> Result<(), Failure> {
        if self.all {
            return self.page();
        }
        let program = Program::find()?;
        let plugins = self.search.find()?;
        let catalog = Catalog::new(&plugins, Some(program.clone()));
        let Some(name) = &self.plugin else {
            return self.list(&catalog);
        };
        let card = catalog.plugin(name).map_err(Failure::Usage)?;
        let claims = Claims::of(card)?.ok_or_else(|| {
            let error = Error::new(format!("the plugin `{name}` claims nothing"));
            Failure::Usage(error.help("`pleach reproduce` lists what plugins claim"))
        })?;
        let wanted = claims.named(&self.claims).map_err(Failure::Usage)?;
        let host = Host {
            program,
            plugins,
            catalog,
        };
        // All at once: what is wrong with the last experiment is told before the first has run.
        let jobs: Result<Vec<Job>, Failure> = claims
            .experiments(&wanted)
            .map(|(name, smoke)| self.job(&claims, name, smoke, &host.catalog))
            .collect();
        let mut verdicts = vec![];
        for job in jobs? {
            let judged = self.reproduce(job, &host)?;
            verdicts.extend(judged.into_iter().filter(|of| wanted.contains(&&of.claim)));
        }
        if self.manner.json {
            print_json(&verdicts)?;
        } else {
            print(&format!("\n{}", claims::table(&verdicts)));
        }
        let failed = verdicts.iter().filter(|verdict| verdict.has_failed());
        let failed: Vec<&str> = failed.map(|verdict| verdict.claim.name.as_str()).collect();
        if failed.is_empty() {
            return Ok(());
        }
        let error = Error::new("not all that is required holds");
        Err(error.found(failed.join(", ")).into())
    }

    /// What plugins claim.
    fn list(&self, catalog: &Catalog) -> Result<(), Failure> {
        let mut all = vec![];
        for name in catalog.names() {
            // What is wrong with a plugin is told where it is asked for.
            if let Ok(card) = catalog.plugin(name) {
                all.extend(Claims::of(card)?);
            }
        }
        if self.manner.json {
            let shown = { all.iter() }
                .map(|of| json!({ "plugin": of.plugin, "paper": of.paper, "claims": of.claims }));
            return print_json(&shown.collect::<Vec<_>>());
        }
        if all.is_empty() {
            print("no plugin that was found claims anything");
        }
        for of in &all {
            print(&format!("{}: {}", of.plugin, of.paper));
            for claim in &of.claims {
                let required = if claim.required { ", required" } else { "" };
                print(&format!("  {}{required}: {}", claim.name, claim.says));
            }
        }
        Ok(())
    }
}

/// The folders of runs that reproduce something.
fn stored(runs: &Path) -> Result<Vec<PathBuf>, Error> {
    let folder = runs.join(FOLDER);
    if !folder.is_dir() {
        return Ok(vec![]);
    }
    let attempt = || format!("cannot look into `{}`", folder.display());
    let entries = fs::read_dir(&folder).context(attempt)?;
    let folders: io::Result<Vec<PathBuf>> = entries.map(|entry| Ok(entry?.path())).collect();
    folders.context(attempt)
}
