//! Another strategy's points, thinned by cheap scores: of `of` times as many as wanted, the best go on.
//!
//! With several scorers a point is as good as the mean of its ranks among the points, one rank for each scorer; equal scores
//! share the mean of their ranks, and what could not be scored ranks last. Points of equal mean stay in the order in which
//! they were proposed. The inner strategy is told of the points that went on, and so of nothing else.
//!
//! Source: the "warm-up" and "move proposal" of Abdelfattah et al. 2021, section 5, in their simplest form; there several
//! proxies vote.

use plugin_api::Tensor;
use plugin_api::prelude::*;

/// Proposes the best, by cheap scores, of many points of another strategy.
#[component(strategy = "prescreen")]
struct Prescreen {
    /// The strategy that proposes the many.
    #[param(default = "baselines/random")]
    inner: Use<dyn Strategy>,
    /// What scores them: one, or several whose ranks are averaged.
    #[param(default = ["baselines/grad-norm"])]
    scorers: Vec<RecipeOf<dyn Scorer>>,
    /// Points scored for each one that is proposed.
    #[param(default = 10, range = "1 <= x <= 1000")]
    of: i64,
    /// What was proposed already: an equal point has equal scores, and would win again and again.
    #[serde(skip)]
    proposed: Vec<Point>,
}

impl Strategy for Prescreen {
    fn begin(&mut self, setting: &Setting) -> Result<()> {
        ensure!(!self.scorers.is_empty(), "there is no scorer");
        self.proposed.clear();
        self.inner.begin(setting)
    }

    fn ask(&mut self, n: i64, host: &dyn Host) -> Result<Vec<Proposal>> {
        let proposals = self.inner.ask(n * self.of, host)?;
        let points: Vec<Point> = proposals
            .iter()
            .map(|proposal| proposal.point.clone())
            .collect();
        let scorers = self.scorers.iter().map(|scorer| scorer.recipe.clone());
        let rows = host.score(&scorers.collect::<Vec<_>>(), &points)?;
        let mut sums = vec![0.0; points.len()];
        for row in rows {
            for (sum, rank) in sums.iter_mut().zip(ranks(&row)) {
                *sum += rank;
            }
        }
        let mut ranked: Vec<(f64, Proposal)> = sums.into_iter().zip(proposals).collect();
        ranked.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let (mut fresh, mut again): (Vec<Proposal>, _) = (vec![], vec![]);
        for (_, proposal) in ranked {
            let point = &proposal.point;
            match self.proposed.contains(point) || fresh.iter().any(|p| p.point == *point) {
                true => again.push(proposal),
                false => fresh.push(proposal),
            }
        }
        let best: Vec<Proposal> = fresh.into_iter().chain(again).take(n as usize).collect();
        self.proposed.extend(best.iter().map(|p| p.point.clone()));
        Ok(best)
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

/// The rank of each score, 0 for the best; equal ones share the mean of theirs.
fn ranks(scores: &[Option<f64>]) -> Vec<f64> {
    // What is no number counts as not scored, and that is below any score, minus infinity too.
    let scores: Vec<Option<f64>> = scores.iter().map(|s| s.filter(|s| !s.is_nan())).collect();
    let rank = |score: &Option<f64>| {
        let better = scores.iter().filter(|other| *other > score).count();
        let equal = scores.iter().filter(|other| *other == score).count();
        better as f64 + (equal as f64 - 1.0) / 2.0
    };
    scores.iter().map(rank).collect()
}
