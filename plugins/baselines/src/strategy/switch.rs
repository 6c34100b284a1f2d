//! Several strategies one after the other: the next takes over after so many trials, or on a plateau.
//!
//! A strategy's turn ends once `trials` results came in during it, once the last `plateau` of them have not improved the
//! best one, or where it has no more proposals; the last one's turn does not end. All are told of all trials, so that who takes
//! over knows what was found.

use plugin_api::prelude::*;
use plugin_api::{schemars, serde, serde_json};

use super::members::Members;
use super::{goal, worth};

/// Several strategies one after the other, by number of trials or on a plateau.
#[component(strategy = "switch")]
struct Switch {
    /// The strategies in their order: `{ name, strategy, trials, plateau }`.
    #[param(example = serde_json::json!([{ "name": "random", "strategy": "baselines/random", "trials": 20 }, { "name": "evolution", "strategy": "baselines/evolution" }]))]
    turns: Vec<Turn>,
    /// The search.
    #[serde(skip)]
    at_work: Option<AtWork>,
}

/// One of the strategies.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "plugin_api::serde", deny_unknown_fields)]
#[schemars(crate = "plugin_api::schemars", inline)]
struct Turn {
    /// What it is called, in credits.
    name: String,
    /// The strategy.
    strategy: RecipeOf<dyn Strategy>,
    /// How many trials its turn lasts; no limit where it is left out.
    #[serde(default)]
    trials: Option<u64>,
    /// After how many trials without a better one its turn ends; never where it is left out.
    #[serde(default)]
    plateau: Option<u64>,
}

struct AtWork {
    members: Members,
    /// Whose turn it is.
    turn: usize,
    /// Trials seen in this turn.
    trials: u64,
    /// Those of them that came after the last improvement.
    flat: u64,
    /// What the best trial is worth.
    best: Option<f64>,
}

impl Strategy for Switch {
    fn begin(&mut self, setting: &Setting) -> Result<()> {
        goal(setting)?;
        let turns = self.turns.iter();
        let members = turns.map(|turn| (turn.name.as_str(), &turn.strategy.recipe));
        self.at_work = Some(AtWork {
            members: Members::begin(setting, members)?,
            turn: 0,
            trials: 0,
            flat: 0,
            best: None,
        });
        Ok(())
    }

    fn ask(&mut self, n: i64, host: &dyn Host) -> Result<Vec<Proposal>> {
        let at_work = self.at_work.as_mut();
        let at_work = at_work.context("asked before the search began")?;
        loop {
            let proposals = at_work.members.ask(at_work.turn, n, host)?;
            if !proposals.is_empty() || at_work.turn + 1 == self.turns.len() {
                return Ok(proposals);
            }
            at_work.next();
        }
    }

    fn tell(&mut self, seen: &[Observation], host: &dyn Host) -> Result<()> {
        let at_work = self.at_work.as_mut();
        let at_work = at_work.context("told before the search began")?;
        for seen in seen {
            at_work.take_in(seen)?;
            let turn = &self.turns[at_work.turn];
            let over = |most: Option<u64>, n| most.is_some_and(|most| n >= most);
            let over = over(turn.trials, at_work.trials) || over(turn.plateau, at_work.flat);
            if over && at_work.turn + 1 < self.turns.len() {
                at_work.next();
            }
        }
        at_work.members.tell(seen, host)
    }

    fn inherits(&self) -> bool {
        let at_work = self.at_work.as_ref();
        at_work.is_some_and(|at_work| at_work.members.inherit())
    }
}

impl AtWork {
    fn next(&mut self) {
        self.turn += 1;
        (self.trials, self.flat) = (0, 0);
    }

    fn take_in(&mut self, seen: &Observation) -> Result<()> {
        let worth = worth(self.members.goal()?, seen);
        self.trials += 1;
        self.flat += 1;
        if worth.is_some_and(|worth| self.best.is_none_or(|best| worth > best)) {
            (self.best, self.flat) = (worth, 0);
        }
        Ok(())
    }
}
