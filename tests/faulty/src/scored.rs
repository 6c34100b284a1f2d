//! Random points, with a look at whether scorers that are asked together say what each says alone.

use plugin_api::prelude::*;
use plugin_api::tracing;

/// Proposes what another strategy does, after it has compared the scores of several scorers with those of each alone.
#[component(strategy = "scored")]
struct Scored {
    /// The other one.
    #[param(default = "baselines/random")]
    inner: Use<dyn Strategy>,
    /// Who scores.
    #[param(default = [])]
    scorers: Vec<RecipeOf<dyn Scorer>>,
}

impl Strategy for Scored {
    fn begin(&mut self, setting: &Setting) -> Result<()> {
        self.inner.begin(setting)
    }

    fn ask(&mut self, n: i64, host: &dyn Host) -> Result<Vec<Proposal>> {
        let proposals = self.inner.ask(3 * n, host)?;
        let points: Vec<Point> = proposals.iter().map(|p| p.point.clone()).collect();
        let scorers: Vec<Recipe> = self.scorers.iter().map(|s| s.recipe.clone()).collect();
        let together = host.score(&scorers, &points)?;
        for (scorer, row) in scorers.iter().zip(&together) {
            let alone = host.score(std::slice::from_ref(scorer), &points)?;
            ensure!(
                alone == [row.clone()],
                "`{}` says {alone:?} alone and {row:?} beside others",
                scorer.component
            );
            tracing::warn!("scores of {}: {row:?}", scorer.component);
        }
        Ok(proposals.into_iter().take(usize::try_from(n)?).collect())
    }

    fn tell(&mut self, seen: &[Observation], host: &dyn Host) -> Result<()> {
        self.inner.tell(seen, host)
    }
}
