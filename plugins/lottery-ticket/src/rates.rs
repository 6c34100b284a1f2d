//! Which part of which weights goes in a round.

use plugin_api::prelude::*;
use plugin_api::{schemars, serde};

/// The part that goes of some weights.
#[derive(Clone, serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "plugin_api::serde", deny_unknown_fields)]
#[schemars(crate = "plugin_api::schemars", inline)]
pub(crate) struct Rate {
    /// Selector of weights, such as `head.*`; of units, which have no tags, a name or its beginning.
    weights: String,
    /// The part that goes in a round, of what is alive then; 0 keeps them whole.
    rate: Part,
}

/// A part that may be none, but not all.
#[derive(Clone, Copy, serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "plugin_api::serde", try_from = "f64")]
#[schemars(
    crate = "plugin_api::schemars",
    inline,
    with = "f64",
    extend("minimum" = 0, "exclusiveMaximum" = 1)
)]
struct Part(f64);

impl TryFrom<f64> for Part {
    type Error = String;

    fn try_from(part: f64) -> Result<Self, String> {
        match (0.0..1.0).contains(&part) {
            true => Ok(Part(part)),
            false => Err(format!("{part} is out of range, expected 0 <= rate < 1")),
        }
    }
}

/// A rate for everything, and others for some.
pub(crate) struct Rates<'a> {
    rate: f64,
    others: &'a [Rate],
}

impl<'a> Rates<'a> {
    /// Those of `others` where one of them names a weight, the first one, and `rate` elsewhere.
    pub(crate) fn new(rate: f64, others: &'a [Rate]) -> Self {
        Rates { rate, others }
    }

    /// The rule that holds for each of these names, counted from 0, and its rate.
    ///
    /// # Errors
    /// Where a rule names none of them.
    pub(crate) fn of<'n>(
        &self,
        names: impl Iterator<Item = &'n str>,
        session: &dyn Session,
    ) -> Result<Vec<(usize, f64)>> {
        let specs = session.specs("all")?;
        let names: Vec<WeightSpec> = names.map(|name| named(name, &specs)).collect();
        if let Some(idle) = self.others.iter().find(|other| {
            let mut names = names.iter();
            !names.any(|name| name.matches(&other.weights))
        }) {
            let there = names.iter().map(|name| name.name.as_str());
            let what = format!("`{}` names nothing that is pruned", idle.weights);
            return Err(Error::new(what)
                .expected(format!(
                    "a selector of these: {}",
                    there.collect::<Vec<_>>().join(", ")
                ))
                .into());
        }
        let rule = |name: &WeightSpec| {
            let mut others = self.others.iter();
            match others.position(|other| name.matches(&other.weights)) {
                Some(other) => (other, self.others[other].rate.0),
                None => (self.others.len(), self.rate),
            }
        };
        Ok(names.iter().map(rule).collect())
    }
}

/// What selectors look at: a weight, or units by the name of their axis.
fn named(name: &str, specs: &[WeightSpec]) -> WeightSpec {
    let weight = specs.iter().find(|spec| spec.name == name).cloned();
    let axes: [Axis; 0] = [];
    weight.unwrap_or_else(|| WeightSpec::new(name, axes, "baselines/zeros"))
}
