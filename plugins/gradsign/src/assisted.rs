//! Any strategy whose mutations are the best of several by a score that needs no training.
//!
//! The inner strategy asks its host for a mutation of a point; in its place it gets the best of `of` mutations of that same
//! point, by `scorer`. All else of it stays: what it draws, whom it mutates, what it is told. So `baselines/evolution`
//! becomes the paper's G-REA, where the candidates are mutations of the winner of the tournament, and a portfolio has the
//! mutations of all its members assisted. With `around = "proposals"` the candidates are mutations of what the inner strategy
//! proposes, as of an architecture that a controller has sampled (G-REINFORCE). Random search with the best of uniform
//! draws (G-RS) is `baselines/prescreen`.
//!
//! Candidates that are equal are scored once, and scores are remembered. Of equal scores the first drawn counts; what could
//! not be scored is behind all others. Source: Zhang and Jia 2022, section 4.3.

use std::cell::RefCell;
use std::collections::HashMap;

use plugin_api::prelude::*;
use plugin_api::{Tensor, schemars, serde, serde_json};

/// Has the mutations of any strategy be the best of several by a score without training (Zhang and Jia 2022).
#[component(strategy = "assisted")]
struct Assisted {
    /// The strategy.
    #[param(default = "baselines/evolution")]
    inner: Use<dyn Strategy>,
    /// What scores the candidates.
    #[param(default = "gradsign/gradsign")]
    scorer: RecipeOf<dyn Scorer>,
    /// Candidates for each mutation.
    #[param(default = 10, range = "1 <= x <= 1000")]
    of: u64,
    /// What the candidates are mutations of.
    #[param(default = "parents")]
    around: Around,
    /// What the search is about.
    #[serde(skip)]
    setting: Option<Setting>,
    /// Points that were proposed.
    #[serde(skip)]
    proposed: u64,
    /// What was scored, and how.
    #[serde(skip)]
    scores: RefCell<HashMap<String, Option<f64>>>,
}

/// What candidates are mutations of.
#[derive(Clone, Copy, serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "plugin_api::serde", rename_all = "kebab-case")]
#[schemars(crate = "plugin_api::schemars", inline)]
enum Around {
    /// Of whatever the inner strategy mutates.
    Parents,
    /// Of what the inner strategy proposes.
    Proposals,
}

impl Strategy for Assisted {
    fn begin(&mut self, setting: &Setting) -> Result<()> {
        self.setting = Some(setting.clone());
        self.proposed = 0;
        self.scores.take();
        self.inner.begin(setting)
    }

    fn ask(&mut self, n: i64, host: &dyn Host) -> Result<Vec<Proposal>> {
        let setting = self.setting.as_ref();
        let setting = setting.context("asked before the search began")?;
        let candidates = Candidates {
            host,
            scorer: &self.scorer.recipe,
            of: self.of,
            scores: &self.scores,
        };
        if let Around::Parents = self.around {
            return self.inner.ask(n, &candidates);
        }
        let mut proposals = self.inner.ask(n, host)?;
        for proposal in &mut proposals {
            let seed = stream(setting.seed, &format!("assisted:{}", self.proposed));
            self.proposed += 1;
            proposal.point = candidates.mutate(&setting.decisions, &proposal.point, seed)?;
        }
        Ok(proposals)
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

/// A host whose mutations are the best of several.
struct Candidates<'a> {
    host: &'a dyn Host,
    scorer: &'a Recipe,
    of: u64,
    scores: &'a RefCell<HashMap<String, Option<f64>>>,
}

impl Host for Candidates<'_> {
    fn mutate(&self, decisions: &[Decision], point: &Point, seed: u64) -> Result<Point> {
        let mut drawn: Vec<Point> = vec![];
        for i in 0..self.of {
            // The first is the mutation that was asked for: of one candidate nothing changes.
            let seed = match i {
                0 => seed,
                _ => stream(seed, &format!("candidate:{i}")),
            };
            let candidate = self.host.mutate(decisions, point, seed)?;
            if !drawn.contains(&candidate) {
                drawn.push(candidate);
            }
        }
        self.best(drawn)
    }

    fn resolve(&self, supernet: &Arch, point: &Point) -> Result<Arch> {
        self.host.resolve(supernet, point)
    }

    fn sample(&self, decisions: &[Decision], n: i64, seed: u64) -> Result<Vec<Point>> {
        self.host.sample(decisions, n, seed)
    }

    fn crossover(
        &self,
        decisions: &[Decision],
        one: &Point,
        other: &Point,
        seed: u64,
    ) -> Result<Point> {
        self.host.crossover(decisions, one, other, seed)
    }

    fn encode(&self, decisions: &[Decision], points: &[Point]) -> Result<Tensor> {
        self.host.encode(decisions, points)
    }

    fn decode(&self, decisions: &[Decision], rows: &Tensor) -> Result<Vec<Point>> {
        self.host.decode(decisions, rows)
    }

    fn session(&self, arch: &Arch, on: On, seed: u64) -> Result<Box<dyn Session>> {
        self.host.session(arch, on, seed)
    }

    fn score(&self, scorers: &[Recipe], points: &[Point]) -> Result<Vec<Vec<Option<f64>>>> {
        self.host.score(scorers, points)
    }
}

impl Candidates<'_> {
    /// The best of these points, the first of equals.
    fn best(&self, points: Vec<Point>) -> Result<Point> {
        let scores = match points.len() {
            1 => vec![None],
            _ => self.scores(&points)?,
        };
        let scored = points.into_iter().zip(scores);
        let best = scored.reduce(|best, next| if next.1 > best.1 { next } else { best });
        Ok(best.context("no candidate was drawn")?.0)
    }

    /// The scores of these points, none below any; those that are not known yet are scored together.
    fn scores(&self, points: &[Point]) -> Result<Vec<Option<f64>>> {
        let mut known = self.scores.borrow_mut();
        let keys = points.iter().map(key).collect::<Result<Vec<_>>>()?;
        let unknown = points.iter().zip(&keys);
        let unknown = unknown.filter(|(_, key)| !known.contains_key(*key));
        let (points, fresh): (Vec<Point>, Vec<&String>) =
            unknown.map(|(point, key)| (point.clone(), key)).unzip();
        if !points.is_empty() {
            let rows = self
                .host
                .score(std::slice::from_ref(self.scorer), &points)?;
            let row = rows
                .into_iter()
                .next()
                .context("the scorer gave no scores")?;
            known.extend(fresh.into_iter().cloned().zip(row));
        }
        Ok(keys.iter().map(|key| known[key]).collect())
    }
}

/// What equal points have in common, in whichever order they name their decisions.
fn key(point: &Point) -> Result<String> {
    let mut decided: Vec<_> = point.iter().collect();
    decided.sort_by_key(|(name, _)| *name);
    Ok(serde_json::to_string(&decided)?)
}
