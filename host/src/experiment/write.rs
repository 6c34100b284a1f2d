//! The resolved experiment as TOML.

use std::path::Path;

use plugin_api_data::{Error, Json, Params, Recipe};
use serde::Serialize;

use super::{Experiment, Mix, Origin, Verb};
use crate::error::Context;
use crate::keep::Keep;
use crate::protocol::{Limits, Step};

#[derive(Serialize)]
struct Top<'a> {
    task: &'a Recipe,
    seed: u64,
    seeds: u64,
    threads: u32,
    limits: Limits,
    checkpoint: f64,
    keep: Keep,
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
    search: Option<&'a Recipe>,
    #[serde(skip_serializing_if = "Option::is_none")]
    space: Option<&'a Recipe>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    each: Vec<Fields<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    budget: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ahead: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<u64>,
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
    Point(Recipe),
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
                budget: Some(search.budget),
                ahead: Some(search.ahead),
                batch: Some(search.batch),
                mix: &search.mix,
                ..Fields::default()
            },
            Verb::Relax(relax) => Fields::relax(&relax.relaxation, &relax.space, relax.steps),
            Verb::Step(_, step @ Step::Analyse { .. }) => Fields::step(step),
            Verb::Step(origin, step) => match origin {
                Origin::Stage(from) => Fields {
                    from: Some(from),
                    ..Fields::step(step)
                },
                Origin::File(path, _) => Fields {
                    arch: Some(Arch::File(path)),
                    ..Fields::step(step)
                },
                Origin::Point(space, point) => Fields {
                    arch: Some(Arch::Point(at(space, point))),
                    ..Fields::step(step)
                },
            },
        }
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
        let stage = self
            .stages
            .iter()
            .map(|s| Fields {
                name: Some(&s.name),
                ..Fields::verb(&s.verb)
            })
            .collect();
        let top = Top {
            task: &self.task,
            seed: self.seed,
            seeds: self.seeds,
            threads: self.threads,
            limits: self.limits,
            checkpoint: self.checkpoint,
            keep: self.keep,
            stage,
        };
        toml::to_string(&top).context(|| "the resolved experiment cannot be written".into())
    }
}
