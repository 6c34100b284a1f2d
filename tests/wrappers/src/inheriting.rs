//! Trials that begin with the weights of earlier ones.

use plugin_api::TrialId;
use plugin_api::prelude::*;

/// Proposes the mutation of the best trial so far as its child; at first what another strategy proposes.
#[component(strategy = "lineage")]
struct Lineage {
    /// The other one.
    inner: Use<dyn Strategy>,
    /// What the search is about.
    #[serde(skip)]
    setting: Option<Setting>,
    /// The best trial so far, with its value.
    #[serde(skip)]
    best: Option<(TrialId, Point, f64)>,
}

impl Strategy for Lineage {
    fn begin(&mut self, setting: &Setting) -> Result<()> {
        (self.setting, self.best) = (Some(setting.clone()), None);
        self.inner.begin(setting)
    }

    fn ask(&mut self, n: i64, host: &dyn Host) -> Result<Vec<Proposal>> {
        let Some((trial, point, _)) = &self.best else {
            return self.inner.ask(n, host);
        };
        let Setting {
            decisions, seed, ..
        } = self.setting.as_ref().context("the search has not begun")?;
        let child = |i: i64| {
            let child = host.mutate(decisions, point, stream(*seed, &format!("{trial}:{i}")))?;
            Ok(Proposal::from(child).child_of(*trial))
        };
        (0..n).map(child).collect()
    }

    fn tell(&mut self, seen: &[Observation], host: &dyn Host) -> Result<()> {
        for observation in seen {
            let Outcome::Done(metrics) = &observation.outcome else {
                continue;
            };
            let value = *metrics.values().next().context("no goal was measured")?;
            if self.best.as_ref().is_none_or(|(.., best)| value > *best) {
                self.best = Some((observation.trial, observation.point.clone(), value));
            }
        }
        self.inner.tell(seen, host)
    }

    fn inherits(&self) -> bool {
        true
    }
}

/// Begins with the weights of the parent that have the same path and shape here, and goes on by another trainer.
#[component(trainer = "heir")]
struct Heir {
    /// The other one.
    inner: Use<dyn Trainer>,
}

impl Trainer for Heir {
    fn fit(&self, session: &mut dyn Session) -> Result<Report> {
        let mut inherited = Tensors::new();
        let mut shared = 0;
        if let Some(parent) = session.parent()? {
            let own = session.weights("model")?;
            let fits =
                |path: &str, t: &Tensor| own.get(path).is_some_and(|own| own.size() == t.size());
            let there = parent.arch()?.nodes;
            let here = session.arch()?.nodes;
            shared = here.iter().filter(|node| there.contains(node)).count();
            let theirs = parent.weights.into_iter();
            inherited = theirs.filter(|(path, t)| fits(path, t)).collect();
        }
        let decided = session.point()?.context("a trial has a point")?.len();
        session.set(&inherited)?;
        let report = self.inner.fit(session)?;
        Ok(report
            .metric("inherited", inherited.len() as f64)
            .metric("shared", shared as f64)
            .metric("decided", decided as f64))
    }
}
