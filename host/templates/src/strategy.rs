//! Hill climbing: the best point so far, with one decision drawn anew.
//!
//! Until something is known, and with the chance `explore` later too, it proposes a point that is drawn at random.

use plugin_api::prelude::*;

/// Proposes the best point so far with one decision drawn anew.
#[component(strategy = "climb")]
struct Climb {
    /// Chance that all of a point is drawn at random.
    #[param(default = 0.2, range = "0 <= x <= 1")]
    explore: f64,
    /// What the search is about.
    #[serde(skip)]
    setting: Option<Setting>,
    /// The best point so far, and its value.
    #[serde(skip)]
    best: Option<(f64, Point)>,
    /// Points proposed so far.
    #[serde(skip)]
    proposed: u64,
}

impl Strategy for Climb {
    fn begin(&mut self, setting: &Setting) -> Result<()> {
        self.setting = Some(setting.clone());
        self.best = None;
        self.proposed = 0;
        Ok(())
    }

    fn ask(&mut self, n: i64, host: &dyn Host) -> Result<Vec<Proposal>> {
        let setting = (self.setting.as_ref()).context("asked before the search began")?;
        let mut proposals = vec![];
        for _ in 0..n {
            let seed = stream(setting.seed, &self.proposed.to_string());
            self.proposed += 1;
            let drawn = host.sample(&setting.decisions, 1, seed)?;
            let drawn = drawn.into_iter().next().context("no point was drawn")?;
            proposals.push(self.beside_the_best(drawn, seed)?.into());
        }
        Ok(proposals)
    }

    fn tell(&mut self, seen: &[Observation], _: &dyn Host) -> Result<()> {
        let setting = (self.setting.as_ref()).context("told before the search began")?;
        let goal = setting.goals.first().context("the search has no goal")?;
        for observation in seen {
            // A trial that failed has shown nothing to climb from.
            let Outcome::Done(metrics) = &observation.outcome else {
                continue;
            };
            let value = *metrics
                .get(&goal.metric)
                .with_context(|| format!("{} has no `{}`", observation.trial, goal.metric))?;
            let better = |best: f64| match goal.higher_is_better {
                true => value > best,
                false => value < best,
            };
            if self.best.as_ref().is_none_or(|(best, _)| better(*best)) {
                self.best = Some((value, observation.point.clone()));
            }
        }
        Ok(())
    }
}

impl Climb {
    /// The best point with one decision as it was drawn; all of it as drawn where it explores.
    fn beside_the_best(&self, drawn: Point, seed: u64) -> Result<Point> {
        let chances = Vec::<f32>::try_from(&*random::uniform(&[2], stream(seed, "choice")))?;
        let Some((_, best)) = &self.best else {
            return Ok(drawn);
        };
        if drawn.is_empty() || f64::from(chances[0]) < self.explore {
            return Ok(drawn);
        }
        let which = (chances[1] * drawn.len() as f32) as usize;
        let (name, decided) = drawn.iter().nth(which).context("no such decision")?;
        Ok(best.clone().with(name, decided.clone()))
    }
}
