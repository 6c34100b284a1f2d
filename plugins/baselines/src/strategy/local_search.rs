//! Local search: from a random point to its best neighbour, for as long as that is better; then from another random point.
//!
//! All neighbours of a point are tried before the search goes on from the best of them; those that were tried before are
//! not tried again, but count. Neighbours differ in one decision: by any other option, by one up or down in a whole number,
//! by `step` of its range up or down in a real number, by one thing in a subset. What becomes active by that takes its first
//! value. While neighbours are tried, no others are proposed; what is not proposed by a strategy around this one is waited
//! for in vain, so none should pick among the points. The search ends where no point is left that was not tried.
//!
//! Source: White et al. 2021, "Exploring the loss landscape in neural architecture search", algorithm 1.

use std::collections::{HashMap, HashSet, VecDeque};

use plugin_api::prelude::*;

use super::{goal, key, order, worth};

/// Local search: to the best neighbour for as long as it is better, then anew from a random point (White et al. 2021).
#[component(strategy = "local-search")]
struct LocalSearch {
    /// How far neighbours lie apart in a real number, as a share of its range.
    #[param(default = 0.1, range = "0 < x <= 1")]
    step: f64,
    /// What the search is about.
    #[serde(skip)]
    setting: Option<Setting>,
    /// Starts so far.
    #[serde(skip)]
    starts: u64,
    /// Where the search stands, and what that is worth; nowhere before a start has succeeded.
    #[serde(skip)]
    at: Option<(Point, f64)>,
    /// The start, or the neighbours of where the search stands.
    #[serde(skip)]
    round: Vec<Point>,
    /// Those of them that are yet to be proposed.
    #[serde(skip)]
    queue: VecDeque<Point>,
    /// All that was proposed.
    #[serde(skip)]
    proposed: HashSet<String>,
    /// What all that was seen is worth.
    #[serde(skip)]
    seen: HashMap<String, Option<f64>>,
}

/// Draws at a start after which all points count as tried.
const DRAWS: u64 = 1000;

impl Strategy for LocalSearch {
    fn begin(&mut self, setting: &Setting) -> Result<()> {
        goal(setting)?;
        *self = LocalSearch {
            step: self.step,
            setting: Some(setting.clone()),
            starts: 0,
            at: None,
            round: vec![],
            queue: VecDeque::new(),
            proposed: HashSet::new(),
            seen: HashMap::new(),
        };
        Ok(())
    }

    fn ask(&mut self, n: i64, host: &dyn Host) -> Result<Vec<Proposal>> {
        let mut proposals = vec![];
        while (proposals.len() as i64) < n {
            match self.queue.pop_front() {
                Some(point) => proposals.push(point.into()),
                None if self.is_over()? => {
                    if !self.go_on(host)? {
                        break;
                    }
                }
                None => break,
            }
        }
        Ok(proposals)
    }

    fn tell(&mut self, seen: &[Observation], _: &dyn Host) -> Result<()> {
        let setting = self.setting.as_ref();
        let goal = goal(setting.context("told before the search began")?)?;
        for seen in seen {
            self.seen.insert(key(&seen.point)?, worth(goal, seen));
        }
        Ok(())
    }
}

impl LocalSearch {
    /// Whether all points of the round were seen.
    fn is_over(&self) -> Result<bool> {
        for point in &self.round {
            if !self.seen.contains_key(&key(point)?) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Begins the next round; whether there is one.
    fn go_on(&mut self, host: &dyn Host) -> Result<bool> {
        match self.better()? {
            Some((point, worth)) => {
                self.round = self.neighbours(&point)?;
                self.at = Some((point, worth));
            }
            None => {
                let Some(start) = self.start(host)? else {
                    return Ok(false);
                };
                self.round = vec![start];
                self.at = None;
            }
        }
        for point in &self.round {
            if self.proposed.insert(key(point)?) {
                self.queue.push_back(point.clone());
            }
        }
        Ok(true)
    }

    /// The best point of the round, the first of equals, where it is better than where the search stands.
    fn better(&self) -> Result<Option<(Point, f64)>> {
        let mut best: Option<(&Point, f64)> =
            self.at.as_ref().map(|(point, worth)| (point, *worth));
        let mut found = false;
        for point in &self.round {
            let Some(worth) = self.seen.get(&key(point)?).copied().flatten() else {
                continue;
            };
            if best.is_none_or(|(_, before)| worth > before) {
                (best, found) = (Some((point, worth)), true);
            }
        }
        Ok(best
            .filter(|_| found)
            .map(|(point, worth)| (point.clone(), worth)))
    }

    /// A random point that was not tried.
    fn start(&mut self, host: &dyn Host) -> Result<Option<Point>> {
        let setting = self.setting.as_ref();
        let setting = setting.context("asked before the search began")?;
        let seed = stream(setting.seed, &format!("start:{}", self.starts));
        self.starts += 1;
        for draw in 0..DRAWS {
            let seed = stream(seed, &draw.to_string());
            let drawn = host.sample(&setting.decisions, 1, seed)?.pop();
            let point = drawn.context("no point was drawn")?;
            if !self.proposed.contains(&key(&point)?) {
                return Ok(Some(point));
            }
        }
        Ok(None)
    }

    fn neighbours(&self, point: &Point) -> Result<Vec<Point>> {
        let setting = self.setting.as_ref();
        let decisions = &setting.context("asked before the search began")?.decisions;
        let mut neighbours = vec![];
        for decision in decisions {
            let Some(decided) = point.get(&decision.name) else {
                continue;
            };
            for other in self.others(&decision.domain, decided) {
                let changed = point.clone().with(&decision.name, other);
                neighbours.push(order::completed(decisions, &changed));
            }
        }
        Ok(neighbours)
    }

    /// What a decision may be in a neighbour.
    fn others(&self, domain: &Domain, decided: &Decided) -> Vec<Decided> {
        match (domain, decided) {
            (Domain::Options(options), Decided::Option(i)) => {
                let others = (0..options.len()).filter(|other| other != i);
                others.map(Decided::Option).collect()
            }
            (Domain::Integer(low, high), Decided::Integer(i)) => {
                let down = (i > low).then(|| i - 1);
                let up = (i < high).then(|| i + 1);
                down.into_iter().chain(up).map(Decided::Integer).collect()
            }
            (Domain::Real(low, high), Decided::Real(x)) => {
                let step = self.step * (high - low);
                let both = [(x - step).max(*low), (x + step).min(*high)].into_iter();
                both.filter(|y| y != x).map(Decided::Real).collect()
            }
            (Domain::Subset(n), Decided::Subset(of)) => {
                let flipped = |i| (0..*n).filter(|j| of.contains(j) != (*j == i)).collect();
                (0..*n).map(flipped).map(Decided::Subset).collect()
            }
            _ => vec![],
        }
    }
}
