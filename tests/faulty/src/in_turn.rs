//! Every option of a decision in turn, for searches that shall meet each of them.

use plugin_api::prelude::*;
use plugin_api::tracing;

/// Proposes each option of a decision in turn, over and over, and traces what it is told of each.
#[component(strategy = "in-turn")]
struct InTurn {
    /// The decision; the others are as at random.
    #[param(default = "layer-0")]
    decision: String,
    /// What the search is about.
    #[serde(skip)]
    setting: Option<Setting>,
    /// How many points it has proposed.
    #[serde(skip)]
    proposed: usize,
}

impl Strategy for InTurn {
    fn begin(&mut self, setting: &Setting) -> Result<()> {
        self.setting = Some(setting.clone());
        self.proposed = 0;
        Ok(())
    }

    fn ask(&mut self, n: i64, host: &dyn Host) -> Result<Vec<Proposal>> {
        let setting = self.setting.as_ref();
        let setting = setting.context("asked before the search began")?;
        let seed = stream(setting.seed, &self.proposed.to_string());
        let points = host.sample(&setting.decisions, n, seed)?;
        let of = { setting.decisions.iter() }.find(|d| d.name == self.decision);
        let Some(Domain::Options(options)) = of.map(|decision| &decision.domain) else {
            bail!("`{}` is no decision between options", self.decision);
        };
        let first = self.proposed;
        self.proposed += points.len();
        let in_turn = (first..).zip(points).map(|(number, mut point)| {
            point.put(&self.decision, Decided::Option(number % options.len()));
            point.into()
        });
        Ok(in_turn.collect())
    }

    fn tell(&mut self, seen: &[Observation], _: &dyn Host) -> Result<()> {
        for Observation { trial, outcome, .. } in seen {
            match outcome {
                Outcome::Done(metrics) => tracing::warn!("told of {trial}: done, {metrics:?}"),
                Outcome::Failed(why) => tracing::warn!("told of {trial}: failed, {}", why.what),
            }
        }
        Ok(())
    }
}
