//! Experiments: what a TOML file says, resolved against the plugins' cards.
//!
//! Reading only validates into plain data, and finds all errors at once. What it returns is complete: every default is
//! filled in, every stage has a name and says what it starts from. Written by [`Experiment::to_toml`] it can be read
//! again by the same reader.

mod comments;
mod component;
mod diagnostic;
mod editor;
mod fields;
mod limits;
mod origin;
mod parameters;
mod resolve;
mod schema;
mod search;
mod set;
mod steps;
mod write;

use std::collections::BTreeSet;
use std::path::PathBuf;

use plugin_api_data::{Arch, Json, Named, Params, Recipe};
use serde::{Deserialize, Serialize};

use crate::cards::Catalog;
use crate::keep::Keep;
use crate::protocol::{Change, Limits, Step};

pub use comments::keep_comments;
pub use diagnostic::{Diagnostic, Refused, Source};
pub use editor::editor_schema;
pub use parameters::{Parameter, parameters};
pub use resolve::{read, read_change};
pub use set::set;
pub use write::write_point;

/// What stands between the name of a group and that of an arm; no name that a person gives holds it.
pub(crate) const ARM: char = '.';

/// The full name of an arm.
pub(crate) fn arm_name(group: &str, arm: &str) -> String {
    format!("{group}{ARM}{arm}")
}

/// The plugin that takes part unnamed: layers of any plugin may take their initializers from here.
pub const STANDARD: &str = "baselines";

/// A resolved experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct Experiment {
    /// What is to be learned.
    pub task: Recipe,
    /// The first seed; a search and all its candidates use it.
    pub seed: u64,
    /// How many seeds the stages other than searches run for.
    pub seeds: u64,
    /// Threads of libtorch in a child.
    pub threads: u32,
    /// What a child may use.
    pub limits: Limits,
    /// How much of a child's time may be lost where it is killed, in seconds.
    pub checkpoint: f64,
    /// Whose weights its run keeps once it is complete.
    pub keep: Keep,
    /// What is done, in order.
    pub stages: Vec<Stage>,
}

/// A stage of an experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// Its name, unique in the experiment; `GROUP.ARM` where it is one of several arms that are compared.
    pub name: String,
    /// What it does.
    pub verb: Verb,
}

/// What a stage does.
#[derive(Debug, Clone, PartialEq)]
pub enum Verb {
    /// Looks for the best point of a space, trial by trial.
    Search(Search),
    /// Looks for the best point of a space in its supernet, all options at once.
    Relax(Relax),
    /// Applies steps to a subject, once for each seed.
    Steps(Origin, Vec<Step>),
}

impl Stage {
    /// The group whose arm it is, and which.
    pub fn arm(&self) -> Option<(&str, &str)> {
        self.name.split_once(ARM)
    }

    /// Whether it only looks at what others have made.
    pub fn is_analysis(&self) -> bool {
        matches!(&self.verb, Verb::Steps(_, steps) if matches!(steps[..], [Step::Analyse { .. }]))
    }
}

/// A search.
#[derive(Debug, Clone, PartialEq)]
pub struct Search {
    /// Who proposes points.
    pub strategy: Recipe,
    /// What is searched.
    pub space: Recipe,
    /// What is done with each candidate before it is evaluated.
    pub each: Vec<Step>,
    /// What may be spent on candidates.
    pub budget: Budget,
    /// What becomes of a candidate that was tried before.
    pub equal: Equal,
    /// How many points are asked before the first of them is told.
    pub ahead: u64,
    /// How many candidates one process evaluates at most, one after the other.
    pub batch: u64,
    /// Who joins the strategy and leaves it, and when.
    pub mix: Vec<Mix>,
}

/// What a search may spend.
#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    /// How many candidates are evaluated at most.
    pub trials: u64,
    /// What is counted beside them, by the metric of a trial such as `train.epochs`: once the sum over all trials has come to
    /// one of these, no other is proposed.
    pub costs: Named<f64>,
}

/// What becomes of a trial whose point was tried before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Equal {
    /// It is evaluated as any other.
    #[default]
    Evaluate,
    /// It ends as the earlier one did, and costs no time.
    Reuse,
    /// It fails.
    Forbid,
}

/// A change of a search while it runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Mix {
    /// Before this trial is asked for.
    pub at: u64,
    /// Who joins and who leaves.
    #[serde(flatten)]
    pub change: Change,
}

/// A search by relaxation.
#[derive(Debug, Clone, PartialEq)]
pub struct Relax {
    /// What chooses in the supernet.
    pub relaxation: Recipe,
    /// What is searched.
    pub space: Recipe,
    /// Steps of the search.
    pub steps: u64,
}

/// What a stage starts from.
#[derive(Debug, Clone, PartialEq)]
pub enum Origin {
    /// What this earlier stage hands on.
    Stage(String),
    /// The architecture in this file, with fresh weights, or with those of another file.
    File(PathBuf, Box<Arch>, Option<PathBuf>),
    /// The networks in these files, with their weights: one for each seed, or one for all.
    Saved(Vec<Saved>),
    /// A point of a space: a value of each decision.
    Point(Recipe, Params),
}

/// A network in a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Saved {
    /// Its file.
    pub path: PathBuf,
    /// Its architecture.
    pub arch: Arch,
}

impl Experiment {
    /// How many works each stage is: trials, or seeds.
    pub fn works(&self) -> Named<u64> {
        let works = |stage: &Stage| match &stage.verb {
            Verb::Search(search) => search.budget.trials,
            Verb::Relax(_) => 1,
            Verb::Steps(..) => self.seeds,
        };
        let stages = self.stages.iter();
        stages.map(|stage| (&stage.name, works(stage))).collect()
    }

    /// The plugins that it needs: those that it names anywhere, and the standard one, which takes part unnamed.
    pub fn plugins(&self, catalog: &Catalog) -> Vec<String> {
        let mut names = self.named_plugins();
        names.extend(
            catalog
                .names()
                .filter(|n| *n == STANDARD)
                .map(str::to_owned),
        );
        names.into_iter().collect()
    }

    fn named_plugins(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        let mut add = |recipe: &Recipe| {
            collect(
                &Json::String(recipe.component.clone()),
                &recipe.params,
                &mut names,
            )
        };
        add(&self.task);
        for stage in &self.stages {
            match &stage.verb {
                Verb::Search(search) => {
                    add(&search.strategy);
                    add(&search.space);
                    let joining = search.mix.iter().flat_map(|mix| mix.change.add.values());
                    joining.for_each(&mut add);
                    search.each.iter().filter_map(component).for_each(&mut add);
                }
                Verb::Relax(relax) => {
                    add(&relax.relaxation);
                    add(&relax.space);
                }
                Verb::Steps(origin, steps) => {
                    steps.iter().filter_map(component).for_each(&mut add);
                    match origin {
                        Origin::Stage(_) => {}
                        Origin::File(_, arch, _) => recipes(arch).into_iter().for_each(&mut add),
                        Origin::Saved(files) => {
                            let all = files.iter().flat_map(|saved| recipes(&saved.arch));
                            all.for_each(&mut add);
                        }
                        Origin::Point(space, _) => add(space),
                    }
                }
            }
        }
        names
    }
}

/// The component of a step.
fn component(step: &Step) -> Option<&Recipe> {
    match step {
        Step::Train(recipe) | Step::Score(recipe) => Some(recipe),
        Step::Prune { pruner, .. } => Some(pruner),
        Step::Cut => None,
        Step::Generate { hypernet, .. } => Some(hypernet),
        Step::Relax { relaxation, .. } => Some(relaxation),
        Step::Analyse { analysis, .. } => Some(analysis),
    }
}

/// The recipes in an architecture.
fn recipes(arch: &Arch) -> Vec<&Recipe> {
    arch.recipes()
        .into_iter()
        .chain(arch.generated.iter().map(|g| &g.hypernet))
        .collect()
}

/// Gathers the plugins of a component and of those in its parameters. Resolving has given every recipe its `use`.
fn collect(component: &Json, params: &Params, names: &mut BTreeSet<String>) {
    if let Some((plugin, _)) = component.as_str().and_then(|c| c.split_once('/')) {
        names.insert(plugin.into());
    }
    let mut open: Vec<&Json> = params.values().collect();
    while let Some(value) = open.pop() {
        match value {
            Json::Object(map) => {
                if let Some((plugin, _)) = map
                    .get("use")
                    .and_then(Json::as_str)
                    .and_then(|c| c.split_once('/'))
                {
                    names.insert(plugin.into());
                }
                open.extend(map.values());
            }
            Json::Array(items) => open.extend(items),
            _ => {}
        }
    }
}
