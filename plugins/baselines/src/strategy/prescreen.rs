//! Another strategy's points, thinned by a cheap score: of `of` times as many as wanted, the best go on.
//!
//! Points of equal score stay in the order in which they were proposed; those that could not be scored come last. The
//! inner strategy is told of the points that went on, and so of nothing else.
//!
//! Source: the "warm-up" and "move proposal" of Abdelfattah et al. 2021, section 5, in their simplest form.

use plugin_api::prelude::*;

/// Proposes the best, by a cheap score, of many points of another strategy.
#[component(strategy = "prescreen")]
struct Prescreen {
    /// The strategy that proposes the many.
    #[param(default = "baselines/random")]
    inner: Use<dyn Strategy>,
    /// What scores them.
    #[param(default = "baselines/grad-norm")]
    scorer: RecipeOf<dyn Scorer>,
    /// Points scored for each one that is proposed.
    #[param(default = 10, range = "1 <= x <= 1000")]
    of: i64,
    /// What was proposed already: an equal point has an equal score, and would win again and again.
    #[serde(skip)]
    proposed: Vec<Point>,
}

impl Strategy for Prescreen {
    fn begin(&mut self, setting: &Setting) -> Result<()> {
        self.proposed.clear();
        self.inner.begin(setting)
    }

    fn ask(&mut self, n: i64, host: &dyn Host) -> Result<Vec<Proposal>> {
        let proposals = self.inner.ask(n * self.of, host)?;
        let points: Vec<Point> = proposals
            .iter()
            .map(|proposal| proposal.point.clone())
            .collect();
        let scores = host.score(std::slice::from_ref(&self.scorer.recipe), &points)?;
        // What is no number counts as not scored, and that is below any score, minus infinity too.
        let scores = scores
            .into_iter()
            .flatten()
            .map(|score| score.filter(|s| !s.is_nan()));
        let mut ranked: Vec<(Option<f64>, Proposal)> = scores.zip(proposals).collect();
        ranked.sort_by(|(a, _), (b, _)| b.partial_cmp(a).expect("scores are numbers"));
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
}
