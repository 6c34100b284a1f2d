//! What a study of searches is made of: a space of sparse networks (after Farahani 2024), and a comparison with chance
//! (after Yang et al. 2020).

use plugin_api::prelude::*;

/// Another space, and which units of a node live, beside its first, as a network of none is none: smaller networks begin
/// with the weights that the whole one has there.
#[component(space = "living")]
struct Living {
    /// The other one.
    inner: Use<dyn Space>,
    /// The node; the first where it is left out.
    node: Option<String>,
    /// Its units.
    #[param(range = "1 <= x")]
    units: usize,
}

/// The decision between units.
const LIVING: &str = "living";

impl Space for Living {
    /// None: units are no options, between which a relaxation could choose.
    fn supernet(&self, _: &Ports) -> Result<Option<Arch>> {
        Ok(None)
    }

    fn decisions(&self, ports: &Ports) -> Result<Vec<Decision>> {
        let mut decisions = self.inner.decisions(ports)?;
        decisions.push(Decision::new(LIVING, Domain::Subset(self.units - 1)));
        Ok(decisions)
    }

    fn arch(&self, ports: &Ports, point: &Point, host: &dyn Host) -> Result<Arch> {
        let mut point = point.clone();
        let Some(Decided::Subset(units)) = point.remove(LIVING) else {
            bail!("the point does not say which units live");
        };
        let mut arch = self.inner.arch(ports, &point, host)?;
        let node = match &self.node {
            Some(node) => arch.find_mut(node),
            None => arch.nodes.first_mut(),
        };
        let units = units.into_iter().map(|unit| i64::try_from(unit + 1));
        let units = [Ok(0)].into_iter().chain(units);
        let node = node.context("there is no such node")?;
        node.living.put("out", units.collect::<Result<_, _>>()?);
        Ok(arch)
    }
}

/// How much better the best networks of a search are than what chance finds in as many trials: on average, and at best;
/// the table `seeds` has a row for each search.
#[component(analysis = "relative-improvement")]
struct RelativeImprovement {
    /// What searches.
    strategy: RecipeOf<dyn Strategy>,
    /// What is searched.
    space: RecipeOf<dyn Space>,
    /// What trains each candidate.
    #[param(default = "baselines/backprop")]
    trainer: RecipeOf<dyn Trainer>,
    /// Candidates of a search.
    #[param(default = 20, range = "1 <= x")]
    trials: i64,
    /// Searches, by seeds from 0 on.
    #[param(default = 3, range = "1 <= x")]
    seeds: u64,
}

impl Analysis for RelativeImprovement {
    fn measure(&self, bench: &dyn Bench, _: &dyn Host) -> Result<Report> {
        let subjects = bench.subjects()?;
        let subject = subjects.first().context("there is no subject")?;
        let ports = bench.subject(subject)?.ports()?;
        ensure!(
            ports.higher_is_better,
            "an improvement of `{}`, of which less is better, is relative to nothing",
            ports.metric
        );
        let mut seeds = vec![];
        for seed in 0..self.seeds {
            let values = |strategy: &Recipe| {
                let seen = bench.search(&Searching {
                    strategy: strategy.clone(),
                    space: self.space.recipe.clone(),
                    trainer: self.trainer.recipe.clone(),
                    trials: self.trials,
                    seed,
                })?;
                measured(&seen, &ports.metric)
            };
            let found = best(&values(&self.strategy.recipe)?);
            let chance = values(&"baselines/random".into())?;
            seeds.push(vec![found, mean(&chance), best(&chance)]);
        }
        let column = |k: usize| mean(&seeds.iter().map(|row| row[k]).collect::<Vec<_>>());
        let over = |k: usize| column(0) / column(k) - 1.0;
        Ok(Report::default()
            .metric("over the mean", over(1))
            .metric("over the best", over(2))
            .table("seeds", &["found", "mean", "best"], seeds))
    }
}

/// The values of the trials that came to their end.
fn measured(seen: &[Observation], metric: &str) -> Result<Vec<f64>> {
    let values = seen
        .iter()
        .filter_map(|observation| match &observation.outcome {
            Outcome::Done(metrics) => metrics.get(metric).copied(),
            Outcome::Failed(_) => None,
        });
    let values: Vec<f64> = values.collect();
    ensure!(!values.is_empty(), "no trial came to its end");
    Ok(values)
}

fn best(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
