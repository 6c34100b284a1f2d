//! The resolved experiment as TOML.

use std::path::Path;

use plugin_api_data::{Error, Json, Named, Params, Recipe};
use serde::Serialize;

use super::{Budget, Equal, Experiment, Mix, Origin, Stage, Verb};
use crate::error::Context;
use crate::protocol::{Limits, Step};

#[derive(Serialize)]
struct Top<'a> {
    task: &'a Recipe,
    seed: u64,
    seeds: u64,
    threads: u32,
    limits: Limits,
    checkpoint: f64,
    stage: Vec<Fields<'a>>,
}

/// A stage or a step; what does not belong to its verb is left out.
#[derive(Serialize, Default)]
struct Fields<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arch: Option<Arch<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    weights: Option<&'a Path>,
    #[serde(skip_serializing_if = "Named::is_empty")]
    arms: Named<Fields<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    search: Option<&'a Recipe>,
    #[serde(skip_serializing_if = "Option::is_none")]
    space: Option<&'a Recipe>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    each: Vec<Fields<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    budget: Option<Spend<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ahead: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    equal: Option<Equal>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    mix: &'a [Mix],
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    train: Option<&'a Recipe>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prune: Option<&'a Recipe>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sparsity: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cut: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<&'a Recipe>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generate: Option<&'a Recipe>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    analyse: Option<&'a Recipe>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    subjects: &'a [String],
}

#[derive(Serialize)]
#[serde(untagged)]
enum Arch<'a> {
    File(&'a Path),
    Files(Vec<&'a Path>),
    Point(Recipe),
}

#[derive(Serialize)]
#[serde(untagged)]
enum Spend<'a> {
    Trials(u64),
    Costs {
        trials: u64,
        #[serde(flatten)]
        costs: &'a Named<f64>,
    },
}

impl<'a> Spend<'a> {
    fn of(budget: &'a Budget) -> Self {
        let Budget { trials, costs } = budget;
        match costs.is_empty() {
            true => Spend::Trials(*trials),
            false => Spend::Costs {
                trials: *trials,
                costs,
            },
        }
    }
}

impl<'a> Fields<'a> {
    fn step(step: &'a Step) -> Self {
        match step {
            Step::Train(trainer) => Fields {
                train: Some(trainer),
                ..Fields::default()
            },
            Step::Prune {
                pruner,
                sparsity,
                global,
            } => {
                let scope = if *global { "global" } else { "layer" };
                Fields {
                    prune: Some(pruner),
                    sparsity: Some(*sparsity),
                    scope: Some(scope),
                    ..Fields::default()
                }
            }
            Step::Cut => Fields {
                cut: Some("masked"),
                ..Fields::default()
            },
            Step::Score(scorer) => Fields {
                score: Some(scorer),
                ..Fields::default()
            },
            Step::Generate { hypernet, target } => Fields {
                generate: Some(hypernet),
                target: Some(target),
                ..Fields::default()
            },
            Step::Relax {
                relaxation,
                space,
                steps,
            } => Fields::relax(relaxation, space, *steps),
            Step::Analyse { analysis, subjects } => Fields {
                analyse: Some(analysis),
                subjects,
                ..Fields::default()
            },
        }
    }

    fn relax(relaxation: &'a Recipe, space: &'a Recipe, steps: u64) -> Self {
        Fields {
            search: Some(relaxation),
            space: Some(space),
            steps: Some(steps),
            ..Fields::default()
        }
    }

    fn verb(verb: &'a Verb) -> Self {
        match verb {
            Verb::Search(search) => Fields {
                search: Some(&search.strategy),
                space: Some(&search.space),
                each: search.each.iter().map(Fields::step).collect(),
                budget: Some(Spend::of(&search.budget)),
                ahead: Some(search.ahead),
                batch: Some(search.batch),
                equal: Some(search.equal),
                mix: &search.mix,
                ..Fields::default()
            },
            Verb::Relax(relax) => Fields::relax(&relax.relaxation, &relax.space, relax.steps),
            Verb::Steps(origin, steps) => {
                let done = match &steps[..] {
                    [step @ Step::Analyse { .. }] => return Fields::step(step),
                    [step] => Fields::step(step),
                    steps => Fields {
                        each: steps.iter().map(Fields::step).collect(),
                        ..Fields::default()
                    },
                };
                match origin {
                    Origin::Stage(from) => Fields {
                        from: Some(from),
                        ..done
                    },
                    Origin::File(path, _, weights) => Fields {
                        arch: Some(Arch::File(path)),
                        weights: weights.as_deref(),
                        ..done
                    },
                    Origin::Saved(files) => Fields {
                        arch: Some(match &files[..] {
                            [one] => Arch::File(&one.path),
                            files => Arch::Files(files.iter().map(|f| &*f.path).collect()),
                        }),
                        ..done
                    },
                    Origin::Point(space, point) => Fields {
                        arch: Some(Arch::Point(at(space, point))),
                        ..done
                    },
                }
            }
        }
    }

    /// The stages as they are written: those that are arms of one group in one.
    fn stages(stages: &'a [Stage]) -> Vec<Self> {
        let same_group = |a: &Stage, b: &Stage| match (a.arm(), b.arm()) {
            (Some((a, _)), Some((b, _))) => a == b,
            _ => false,
        };
        let whole = |stages: &'a [Stage]| match stages[0].arm() {
            None => Fields {
                name: Some(&stages[0].name),
                ..Fields::verb(&stages[0].verb)
            },
            Some((group, _)) => {
                let arms = stages.iter().filter_map(|stage| {
                    let (_, arm) = stage.arm()?;
                    Some((arm, Fields::verb(&stage.verb)))
                });
                Fields {
                    name: Some(group),
                    arms: arms.collect(),
                    ..Fields::default()
                }
            }
        };
        stages.chunk_by(same_group).map(whole).collect()
    }
}

fn at(space: &Recipe, point: &Params) -> Recipe {
    space.clone().with("point", Json::Object(point.clone()))
}

/// A point of a space, a value of each decision, as a stage takes it: `arch = { use = SPACE, point = { … } }`.
///
/// # Errors
/// Where a value cannot be written as TOML.
pub fn write_point(space: &Recipe, point: &Params) -> Result<String, Error> {
    let mut arch = String::from("arch = ");
    at(space, point)
        .serialize(toml::ser::ValueSerializer::new(&mut arch))
        .context(|| format!("a point of `{}` cannot be written", space.component))?;
    Ok(arch)
}

impl Experiment {
    /// The experiment as TOML, for the same reader.
    ///
    /// # Errors
    /// Where a parameter cannot be written as TOML.
    pub fn to_toml(&self) -> Result<String, Error> {
        let top = Top {
            task: &self.task,
            seed: self.seed,
            seeds: self.seeds,
            threads: self.threads,
            limits: self.limits,
            checkpoint: self.checkpoint,
            stage: Fields::stages(&self.stages),
        };
        toml::to_string(&top).context(|| "the resolved experiment cannot be written".into())
    }
}
