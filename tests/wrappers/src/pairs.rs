//! Arms that are compared seed by seed: of each seed both begin alike and see the same batches, so that what is left of a
//! difference is the arms' own.

use plugin_api::prelude::*;
use statrs::distribution::{ContinuousCDF, StudentsT};

/// So many steps, on the batches that the session gives next.
#[component(trainer = "steps")]
struct Steps {
    /// Steps.
    #[param(default = 10, range = "1 <= x")]
    steps: i64,
    /// Samples in a batch; 0 for all of them.
    #[param(default = 0, range = "0 <= x")]
    batch: i64,
    /// From gradients to updates.
    #[param(default = ["baselines/adam"])]
    transforms: Vec<RecipeOf<dyn Transform>>,
}

impl Trainer for Steps {
    fn fit(&self, session: &mut dyn Session) -> Result<Report> {
        let transforms: Vec<Recipe> = self.transforms.iter().map(|t| t.recipe.clone()).collect();
        session.chain("main", &transforms, "model")?;
        for _ in 0..self.steps {
            let batch = session.next("train", self.batch)?;
            session.step("main", &batch, &Ask::train())?;
        }
        Ok(Report::default())
    }
}

/// Trains the architectures of two subjects afresh, on the same seeds, and says by how much the first does better in the
/// main metric: the `mean` of the paired differences, its confidence interval from `low` to `high`, and `p`, how probable
/// a mean as far from zero would be without a difference (Student 1908). The table `pairs` has a row for each seed.
#[component(analysis = "paired")]
struct Paired {
    /// What trains the first.
    #[param(default = "wrappers/steps")]
    first: Use<dyn Trainer>,
    /// What trains the second.
    #[param(default = "wrappers/steps")]
    second: Use<dyn Trainer>,
    /// Pairs.
    #[param(default = 5, range = "2 <= x")]
    pairs: u64,
    /// How probable it is that the interval holds what the mean is of many more pairs.
    #[param(default = 0.95, range = "0 < x < 1")]
    level: f64,
    /// Decides the pairs' seeds.
    #[param(default = 0)]
    seed: u64,
}

impl Analysis for Paired {
    fn measure(&self, bench: &dyn Bench, host: &dyn Host) -> Result<Report> {
        let subjects = bench.subjects()?;
        let [first, second] = subjects.as_slice() else {
            bail!(
                "two subjects are compared, and there are {}",
                subjects.len()
            );
        };
        let arms = [(first, &self.first), (second, &self.second)];
        let arms = arms.map(|(subject, trainer)| Ok((bench.subject(subject)?.arch()?, trainer)));
        let arms = arms.into_iter().collect::<Result<Vec<_>>>()?;
        let mut pairs = vec![];
        for pair in 0..self.pairs {
            let seed = stream(self.seed, &pair.to_string());
            let mut row = vec![];
            for (arch, trainer) in &arms {
                let mut session = host.session(arch, On::SameTask, seed)?;
                trainer.fit(&mut *session)?;
                let metric = session.ports()?.metric;
                row.push(session.evaluate("val", &Ask::eval())?[&*metric]);
            }
            row.push(row[0] - row[1]);
            pairs.push(row);
        }
        let differences: Vec<f64> = pairs.iter().map(|row| row[2]).collect();
        let (mean, margin, p) = interval(&differences, self.level)?;
        Ok(Report::default()
            .metric("mean", mean)
            .metric("low", mean - margin)
            .metric("high", mean + margin)
            .metric("p", p)
            .table("pairs", &["first", "second", "difference"], pairs))
    }
}

/// The mean, how far its confidence interval reaches, and the probability of one so far from zero.
fn interval(differences: &[f64], level: f64) -> Result<(f64, f64, f64)> {
    let n = differences.len() as f64;
    let mean = differences.iter().sum::<f64>() / n;
    let squares = differences.iter().map(|d| (d - mean).powi(2));
    let error = (squares.sum::<f64>() / (n - 1.0) / n).sqrt();
    let t = StudentsT::new(0.0, 1.0, n - 1.0)?;
    let margin = t.inverse_cdf(0.5 + level / 2.0) * error;
    // Arms that never differ are no evidence of a difference.
    let p = match mean == 0.0 {
        true => 1.0,
        false => 2.0 * t.cdf(-(mean / error).abs()),
    };
    Ok((mean, margin, p))
}
