//! Regularised evolution: the oldest of a population dies, not the worst.
//!
//! Points are drawn at random until `population` trials have succeeded. From then on each point is a child: `sample` of
//! the population are drawn, with replacement, and the best of them is mutated by one decision. With probability
//! `crossover` it is crossed before with the best of another such draw. Whatever succeeds joins the population, in the
//! order of the trials, and its oldest leaves; failed trials never join.
//!
//! Source: Real et al. 2019, algorithm 1.

use std::collections::VecDeque;

use plugin_api::prelude::*;
use rand::RngExt;

use super::{goal, worth};

/// Regularised evolution: children of the best of a few, in a population whose oldest dies (Real et al. 2019).
#[component(strategy = "evolution")]
struct Evolution {
    /// How many live at once.
    #[param(default = 100, range = "1 <= x <= 1000000")]
    population: usize,
    /// How many are drawn for the best of them to become a parent.
    #[param(default = 25, range = "1 <= x <= 1000000")]
    sample: usize,
    /// The share of children of two parents.
    #[param(default = 0.0, range = "0 <= x <= 1")]
    crossover: f64,
    /// What the search is about.
    #[serde(skip)]
    setting: Option<Setting>,
    /// Points that were proposed.
    #[serde(skip)]
    proposed: u64,
    /// The population with what each is worth, the oldest first.
    #[serde(skip)]
    alive: VecDeque<(Point, f64)>,
}

impl Strategy for Evolution {
    fn begin(&mut self, setting: &Setting) -> Result<()> {
        goal(setting)?;
        self.setting = Some(setting.clone());
        self.proposed = 0;
        self.alive.clear();
        Ok(())
    }

    fn ask(&mut self, n: i64, host: &dyn Host) -> Result<Vec<Proposal>> {
        let setting = self.setting.as_ref();
        let setting = setting.context("asked before the search began")?;
        let first = self.proposed;
        self.proposed += u64::try_from(n)?;
        let seeds = (first..self.proposed).map(|i| stream(setting.seed, &i.to_string()));
        let proposals = seeds.map(|seed| match self.alive.len() < self.population {
            true => {
                let drawn = host.sample(&setting.decisions, 1, seed)?.pop();
                Ok(drawn.context("no point was drawn")?.into())
            }
            false => Ok(self.child(&setting.decisions, seed, host)?.into()),
        });
        proposals.collect()
    }

    fn tell(&mut self, seen: &[Observation], _: &dyn Host) -> Result<()> {
        let setting = self.setting.as_ref();
        let goal = goal(setting.context("told before the search began")?)?;
        for seen in seen {
            if let Some(worth) = worth(goal, seen) {
                self.alive.push_back((seen.point.clone(), worth));
            }
            if self.alive.len() > self.population {
                self.alive.pop_front();
            }
        }
        Ok(())
    }
}

impl Evolution {
    fn child(&self, decisions: &[Decision], seed: u64, host: &dyn Host) -> Result<Point> {
        let parent = self.parent(stream(seed, "parent"));
        let crossed = random::generator(stream(seed, "whether")).random_bool(self.crossover);
        let child = match crossed {
            true => {
                let other = self.parent(stream(seed, "other"));
                host.crossover(decisions, parent, other, stream(seed, "crossover"))?
            }
            false => parent.clone(),
        };
        host.mutate(decisions, &child, stream(seed, "mutate"))
    }

    /// The best of a few, the first drawn of equals.
    fn parent(&self, seed: u64) -> &Point {
        let mut generator = random::generator(seed);
        let mut draw = || &self.alive[generator.random_range(0..self.alive.len())];
        let first = draw();
        let rest = (1..self.sample).map(|_| draw());
        let best = rest.fold(
            first,
            |best, next| if next.1 > best.1 { next } else { best },
        );
        &best.0
    }
}
