//! Which point to try next.

use plugin_api::prelude::*;
use plugin_api::{Goal, schemars, serde, serde_json};

mod deduplicate;
mod evolution;
mod grid;
mod local_search;
mod members;
mod order;
mod portfolio;
mod prescreen;
mod random;
mod switch;

/// A strategy, and what it is called in credits and reports.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "plugin_api::serde", deny_unknown_fields)]
#[schemars(crate = "plugin_api::schemars", inline)]
pub(crate) struct NamedStrategy {
    /// What it is called.
    pub(crate) name: String,
    /// The strategy.
    pub(crate) strategy: RecipeOf<dyn Strategy>,
}

/// The one metric that a search is for.
fn goal(setting: &Setting) -> Result<&Goal> {
    match &setting.goals[..] {
        [goal] => Ok(goal),
        several => {
            let metrics: Vec<&str> = several.iter().map(|goal| goal.metric.as_str()).collect();
            Err(Error::new("the strategy is for searches with one goal")
                .found(metrics.join(", "))
                .into())
        }
    }
}

/// What a trial is worth, the more the better; `None` where it failed or gave no number.
fn worth(goal: &Goal, seen: &Observation) -> Option<f64> {
    let Outcome::Done(metrics) = &seen.outcome else {
        return None;
    };
    let value = metrics.get(&goal.metric).filter(|value| !value.is_nan())?;
    Some(if goal.higher_is_better {
        *value
    } else {
        -value
    })
}

/// What equal points have in common, in whichever order they name their decisions.
fn key(point: &Point) -> Result<String> {
    let mut decided: Vec<_> = point.iter().collect();
    decided.sort_by_key(|(name, _)| *name);
    Ok(serde_json::to_string(&decided)?)
}
