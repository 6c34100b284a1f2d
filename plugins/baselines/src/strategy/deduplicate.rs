//! Another strategy's points, each of them once.
//!
//! A point that was proposed before is left out, and the inner strategy, which is not told of it, asked again. Where it
//! proposes nothing new `tries` times in a row, the first point takes its place, in the order of `baselines/grid`, that was
//! not proposed yet: so the search goes on until a space has no more points, and then ends. Where a real number is open
//! there is no such order, and the search ends at once.

use std::collections::HashSet;

use plugin_api::Tensor;
use plugin_api::prelude::*;

use super::{key, order};

/// Another strategy's points, none of them twice; ends when the space is exhausted.
#[component(strategy = "deduplicate")]
struct Deduplicate {
    /// The strategy.
    #[param(default = "baselines/random")]
    inner: Use<dyn Strategy>,
    /// How often it is asked for something new.
    #[param(default = 20, range = "1 <= x <= 1000000")]
    tries: usize,
    /// What is open.
    #[serde(skip)]
    decisions: Vec<Decision>,
    /// What was proposed.
    #[serde(skip)]
    proposed: HashSet<String>,
    /// In the order of the grid, the first point that may not have been proposed yet.
    #[serde(skip)]
    rest: Option<Point>,
}

impl Strategy for Deduplicate {
    fn begin(&mut self, setting: &Setting) -> Result<()> {
        self.decisions = setting.decisions.clone();
        self.proposed.clear();
        let mut decisions = self.decisions.iter();
        let countable = decisions.all(|d| !matches!(d.domain, Domain::Real(..)));
        self.rest = countable.then(|| order::first(&self.decisions));
        self.inner.begin(setting)
    }

    fn ask(&mut self, n: i64, host: &dyn Host) -> Result<Vec<Proposal>> {
        let mut fresh: Vec<Proposal> = vec![];
        let mut tries = 0;
        while (fresh.len() as i64) < n {
            let proposals = self.inner.ask(n - fresh.len() as i64, host)?;
            if proposals.is_empty() {
                break;
            }
            let before = fresh.len();
            for proposal in proposals {
                if self.proposed.insert(key(&proposal.point)?) {
                    fresh.push(proposal);
                }
            }
            tries = if fresh.len() > before { 0 } else { tries + 1 };
            if tries == self.tries {
                let Some(point) = self.left()? else { break };
                fresh.push(point.into());
                tries = 0;
            }
        }
        Ok(fresh)
    }

    fn tell(&mut self, seen: &[Observation], host: &dyn Host) -> Result<()> {
        self.inner.tell(seen, host)
    }

    fn inherits(&self) -> bool {
        self.inner.inherits()
    }

    fn embed(&self, points: &[Point], host: &dyn Host) -> Result<Option<Tensor>> {
        self.inner.embed(points, host)
    }

    fn sample(&self, seen: &Tensor, seed: u64, host: &dyn Host) -> Result<Option<Vec<Point>>> {
        self.inner.sample(seen, seed, host)
    }

    fn control(
        &mut self,
        add: &[(String, Recipe)],
        drop: &[String],
        host: &dyn Host,
    ) -> Result<()> {
        self.inner.control(add, drop, host)
    }
}

impl Deduplicate {
    /// The first point of the grid that was not proposed yet, which now is.
    fn left(&mut self) -> Result<Option<Point>> {
        while let Some(point) = self.rest.take() {
            self.rest = order::following(&self.decisions, &point, 1);
            if self.proposed.insert(key(&point)?) {
                return Ok(Some(point));
            }
        }
        Ok(None)
    }
}
