//! Several strategies search together; those whose proposals improve the search are asked more often.
//!
//! Each proposal comes from the strategy `t` with the largest
//!
//! ```text
//! AUC_t + exploration * sqrt(2 log2(|A|) / |A_t|),    AUC_t = 2 / (n (n + 1)) * sum_i i V_t,i,    i = 1 .. n
//! ```
//!
//! where `A` are the last `window` proposals, `A_t` those of them by `t`, and `V_t,i` is 1 where the `i`-th of the `n` trials
//! by `t` among the last `window` was new and among the `elite` best until then: late improvements count for more. Who was
//! not asked yet goes first, who has no more proposals is passed over. All are told of all trials. Strategies may join and
//! leave while the search runs.
//!
//! Source: Fialho et al. 2010, "Toward comparison-based adaptive operator selection"; Ansel et al. 2014, "OpenTuner",
//! section 4.2, where `elite` is 1.

use std::collections::{HashSet, VecDeque};

use plugin_api::prelude::*;
use plugin_api::serde_json;

use super::members::{Members, proposer};
use super::{NamedStrategy, goal, key, worth};

/// Several strategies, of which those are asked whose proposals improve the search (Ansel et al. 2014).
#[component(strategy = "portfolio")]
struct Portfolio {
    /// The strategies: `{ name, strategy }`.
    #[param(example = serde_json::json!([{ "name": "evolution", "strategy": "baselines/evolution" }, { "name": "random", "strategy": "baselines/random" }]))]
    strategies: Vec<NamedStrategy>,
    /// How many of the last proposals and trials decide who is asked.
    #[param(default = 100, range = "1 <= x <= 1000000")]
    window: usize,
    /// How much it counts to have been asked little.
    #[param(default = 0.05, range = "0 <= x")]
    exploration: f64,
    /// How many of the best trials one must be among to have improved the search.
    #[param(default = 10, range = "1 <= x <= 1000000")]
    elite: usize,
    /// The search.
    #[serde(skip)]
    at_work: Option<AtWork>,
}

struct AtWork {
    members: Members,
    /// Who made the last proposals.
    asked: VecDeque<String>,
    /// Who proposed the last trials, and whether that improved the search.
    credits: VecDeque<(String, bool)>,
    /// What the best trials are worth, the best first.
    elite: Vec<f64>,
    /// Points that were seen.
    seen: HashSet<String>,
}

impl Strategy for Portfolio {
    fn begin(&mut self, setting: &Setting) -> Result<()> {
        goal(setting)?;
        let strategies = self.strategies.iter();
        let members = strategies.map(|inner| (inner.name.as_str(), &inner.strategy.recipe));
        self.at_work = Some(AtWork {
            members: Members::begin(setting, members)?,
            asked: VecDeque::new(),
            credits: VecDeque::new(),
            elite: vec![],
            seen: HashSet::new(),
        });
        Ok(())
    }

    fn ask(&mut self, n: i64, host: &dyn Host) -> Result<Vec<Proposal>> {
        let at_work = self.at_work.as_mut();
        let at_work = at_work.context("asked before the search began")?;
        let mut proposals = vec![];
        let mut exhausted: HashSet<String> = HashSet::new();
        while (proposals.len() as i64) < n {
            let Some(member) = at_work.next(self.exploration, &exhausted) else {
                break;
            };
            let name = at_work.members.name(member).to_string();
            match at_work.members.ask(member, 1, host)?.pop() {
                Some(proposal) => {
                    push(&mut at_work.asked, name, self.window);
                    proposals.push(proposal);
                }
                None => {
                    exhausted.insert(name);
                }
            }
        }
        Ok(proposals)
    }

    fn tell(&mut self, seen: &[Observation], host: &dyn Host) -> Result<()> {
        let at_work = self.at_work.as_mut();
        let at_work = at_work.context("told before the search began")?;
        for seen in seen {
            let improved = at_work.improves(seen, self.elite)?;
            if let Some((name, _)) = proposer(seen) {
                push(&mut at_work.credits, (name.into(), improved), self.window);
            }
        }
        at_work.members.tell(seen, host)
    }

    fn inherits(&self) -> bool {
        let at_work = self.at_work.as_ref();
        at_work.is_some_and(|at_work| at_work.members.inherit())
    }

    fn control(
        &mut self,
        add: &[(String, Recipe)],
        drop: &[String],
        host: &dyn Host,
    ) -> Result<()> {
        let at_work = self.at_work.as_mut();
        let at_work = at_work.context("changed before the search began")?;
        at_work.members.change(add, drop, host)
    }
}

impl AtWork {
    /// Whom to ask next: the first of equals.
    fn next(&self, exploration: f64, exhausted: &HashSet<String>) -> Option<usize> {
        let mut best: Option<(usize, f64)> = None;
        for (i, name) in self.members.names().enumerate() {
            let promise = self.promise(name, exploration);
            if !exhausted.contains(name) && best.is_none_or(|(_, most)| promise > most) {
                best = Some((i, promise));
            }
        }
        best.map(|(i, _)| i)
    }

    fn promise(&self, name: &str, exploration: f64) -> f64 {
        let asked = self.asked.iter().filter(|who| *who == name).count();
        if asked == 0 {
            return f64::INFINITY;
        }
        let little = (2.0 * (self.asked.len() as f64).log2() / asked as f64).sqrt();
        let credits = self.credits.iter().filter(|(who, _)| who == name);
        let (mut sum, mut n) = (0.0, 0.0);
        for (_, improved) in credits {
            n += 1.0;
            sum += if *improved { n } else { 0.0 };
        }
        let area = if n > 0.0 {
            2.0 * sum / (n * (n + 1.0))
        } else {
            0.0
        };
        area + exploration * little
    }

    /// Takes a trial in; whether it is new and among the best.
    fn improves(&mut self, seen: &Observation, elite: usize) -> Result<bool> {
        let Some(worth) = worth(self.members.goal()?, seen) else {
            return Ok(false);
        };
        if !self.seen.insert(key(&seen.point)?) {
            return Ok(false);
        }
        let place = self.elite.partition_point(|best| *best >= worth);
        self.elite.insert(place, worth);
        self.elite.truncate(elite);
        Ok(place < elite)
    }
}

/// Adds what came last, and forgets what came first.
fn push<T>(last: &mut VecDeque<T>, new: T, most: usize) {
    last.push_back(new);
    if last.len() > most {
        last.pop_front();
    }
}
