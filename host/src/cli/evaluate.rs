//! `pleach evaluate`.

use std::path::{Path, PathBuf};

use clap::Args;
use pleach::spread::Spread;
use pleach::study::Purpose;
use pleach::summary::aligned;
use plugin_api_data::Named;
use serde::Serialize;

use super::made::Made;
use super::study::{device, pair};
use super::{Failure, print, print_json};

/// What `--help` says below the options.
const MORE: &str = "\
On the run's own task the figures are those of its journal, to the bit. Another task must give and want the same ports; it is \
made anew, so that its splits, and what it scales by, are those of its own data.

Examples:
  pleach evaluate runs/iris-1
  pleach evaluate runs/iris-1 --stage tuned --seed 2 --split train --split test
  pleach evaluate runs/iris-1 --set task.file=new.csv
  pleach evaluate runs/iris-1 --set \'task={ use = \"baselines/table\", file = \"new.csv\", target = \"species\", kind = \"classes\" }\'";

#[derive(Args)]
#[command(after_help = MORE)]
pub(super) struct Evaluate {
    /// The folder of the run
    run: PathBuf,
    /// The stage that has made the networks [default: the last that handed on weights]
    #[arg(long, value_name = "NAME")]
    stage: Option<String>,
    /// The seed with which the network was made [default: all]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// The split: train, val or test; may be repeated
    #[arg(long, value_name = "SPLIT", default_value = "test")]
    split: Vec<String>,
    /// Change the task first, such as `task.file=new.csv`; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
    /// Where to compute: cpu, cuda or cuda:N [default: where the run was begun]
    #[arg(long, value_parser = device)]
    device: Option<String>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

/// What the networks of a stage are worth.
#[derive(Serialize)]
struct Evaluated<'a> {
    stage: &'a str,
    /// Of each seed.
    seeds: Vec<OfSeed>,
    /// Over the seeds.
    metrics: Named<Spread>,
}

#[derive(Serialize)]
struct OfSeed {
    seed: u64,
    /// `test.accuracy`, …
    metrics: Named<f64>,
}

impl Evaluate {
    pub(super) fn run(self) -> Result<(), Failure> {
        let made = Made::open(&self.run, &self.set)?;
        let (stage, seeds) = made.networks(self.stage.as_deref(), self.seed)?;
        made.hangs_on_weights(stage)?;
        let settings = made.settings_on(self.device)?;
        let purpose = Purpose::Evaluate(self.split.clone());
        let done = made.look(&settings, (stage, &seeds), &purpose, self.json)?;
        let of_splits = |name: &str| {
            let split = name.split_once('.').map_or("", |(split, _)| split);
            self.split.iter().any(|wanted| wanted == split)
        };
        let seeds = seeds.iter().zip(&done).map(|(&seed, done)| OfSeed {
            seed,
            metrics: done
                .metrics
                .iter()
                .filter(|(name, _)| of_splits(name))
                .map(|(name, x)| (name, *x))
                .collect(),
        });
        let evaluated = Evaluated::of(stage, seeds.collect());
        match self.json {
            true => print_json(&evaluated),
            false => {
                print(&evaluated.render(&self.run));
                Ok(())
            }
        }
    }
}

impl<'a> Evaluated<'a> {
    fn of(stage: &'a str, seeds: Vec<OfSeed>) -> Self {
        let first = seeds.first().into_iter().flat_map(|of| of.metrics.names());
        let spread = |name: &str| {
            let values = seeds.iter().filter_map(|of| of.metrics.get(name).copied());
            Spread::over(values)
        };
        let metrics = first.filter_map(|name| Some((name, spread(name)?)));
        Evaluated {
            stage,
            metrics: metrics.collect(),
            seeds,
        }
    }

    /// A row for each seed, and below it mean and standard deviation.
    fn render(&self, folder: &Path) -> String {
        let header = ["seed"].into_iter().chain(self.metrics.names());
        let rows = self.seeds.iter().map(|of| {
            let cells = self.metrics.names().map(|name| match of.metrics.get(name) {
                Some(x) => format!("{x:.4}"),
                None => "-".into(),
            });
            [of.seed.to_string()].into_iter().chain(cells).collect()
        });
        let mean = self.metrics.values().map(|spread| spread.show(4));
        let mean = ["mean".to_owned()].into_iter().chain(mean).collect();
        let last = (self.seeds.len() > 1).then_some(mean);
        let table = aligned(header.map(Into::into).collect(), rows.chain(last));
        format!("{} of {}\n{table}", self.stage, folder.display())
    }
}
