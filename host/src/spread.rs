//! Mean, standard deviation and interval of a sample, as of a metric over seeds, and of what two differ by, seed by seed.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

/// What part of such intervals holds the mean that the sample was drawn around.
pub const CONFIDENCE: f64 = 0.95;

/// Mean and spread of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// How many there are.
    pub n: usize,
    /// The mean.
    pub mean: f64,
    /// The standard deviation of a sample; one value has none.
    pub sd: Option<f64>,
    /// The 95 % interval of the mean, by Student's t; one value has none.
    pub interval: Option<(f64, f64)>,
}

impl Spread {
    /// Over these values; there is none over nothing.
    pub fn over(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let values: Vec<f64> = values.into_iter().collect();
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
        let sd = (n > 1.0).then(|| (squares / (n - 1.0)).sqrt());
        let half = sd.and_then(|sd| Some(quantile(n - 1.0)? * sd / n.sqrt()));
        (n > 0.0).then(|| Spread {
            n: values.len(),
            mean,
            sd,
            interval: half.map(|half| (mean - half, mean + half)),
        })
    }

    /// `0.9123 ± 0.0042`, with so many digits behind the point.
    pub fn show(&self, digits: usize) -> String {
        let mean = self.mean;
        match self.sd {
            // Sizes rarely depend on the seed.
            None | Some(0.0) => format!("{mean:.digits$}"),
            Some(sd) => format!("{mean:.digits$} ± {sd:.digits$}"),
        }
    }
}

/// A stage less the reference.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// The stage.
    pub stage: String,
    /// Of its values less those of the reference, over the seeds that both have; nothing where there is none.
    pub difference: Option<Spread>,
}

/// Each of these samples less the first, over the seeds that both have: what the seeds share, such as the order of the data,
/// falls out.
pub fn compare(samples: &[(String, Vec<(u64, f64)>)]) -> Vec<Difference> {
    let Some(((_, reference), others)) = samples.split_first() else {
        return vec![];
    };
    let paired = |values: &[(u64, f64)]| {
        let pair = |(seed, value): &(u64, f64)| {
            let (_, other) = reference.iter().find(|(of, _)| of == seed)?;
            Some(value - other)
        };
        Spread::over(values.iter().filter_map(pair))
    };
    let difference = |(stage, values): &(String, Vec<(u64, f64)>)| Difference {
        stage: stage.clone(),
        difference: paired(values),
    };
    others.iter().map(difference).collect()
}

/// How many standard errors an interval reaches to either side.
fn quantile(freedom: f64) -> Option<f64> {
    let t = StudentsT::new(0.0, 1.0, freedom).ok()?;
    Some(t.inverse_cdf(0.5 + CONFIDENCE / 2.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against Student's own table, to its digits.
    #[test]
    fn intervals_are_those_of_the_table() {
        for (n, t) in [
            (2, 12.706),
            (3, 4.303),
            (5, 2.776),
            (10, 2.262),
            (31, 2.042),
        ] {
            let values: Vec<f64> = (0..n).map(f64::from).collect();
            let spread = Spread::over(values).unwrap();
            let (low, high) = spread.interval.unwrap();
            let error = spread.sd.unwrap() / f64::from(n).sqrt();
            assert!(((high - spread.mean) / error - t).abs() < 5e-4, "{n}");
            assert!((high + low - 2.0 * spread.mean).abs() < 1e-9, "{n}");
        }
    }

    /// Against the one-sample t interval of the differences, written out by hand.
    #[test]
    fn differences_are_those_of_equal_seeds() {
        let reference = vec![(0, 0.90), (1, 0.80), (2, 0.70), (9, 0.10)];
        // 0.02, 0.04 and 0.03 better, in another order; seed 5 has nothing to compare with.
        let other = vec![(2, 0.73), (0, 0.92), (5, 0.99), (1, 0.84)];
        let samples = [
            ("a".into(), reference),
            ("b".into(), other),
            ("c".into(), vec![]),
        ];
        let [b, c] = &compare(&samples)[..] else {
            panic!("two are compared with the first");
        };
        let spread = b.difference.unwrap();
        assert_eq!((b.stage.as_str(), spread.n), ("b", 3));
        assert!((spread.mean - 0.03).abs() < 1e-12);
        // sd 0.01, t(0.975, 2) = 4.3027
        let half = 4.302_653 * 0.01 / 3.0_f64.sqrt();
        let (low, high) = spread.interval.unwrap();
        assert!((low - (0.03 - half)).abs() < 1e-8 && (high - (0.03 + half)).abs() < 1e-8);
        assert_eq!(c.difference, None);
        assert_eq!(compare(&[]), []);
    }

    #[test]
    fn one_value_has_no_spread_and_none_has_no_mean() {
        let one = Spread::over([0.5]).unwrap();
        assert_eq!(
            (one.n, one.mean, one.sd, one.interval),
            (1, 0.5, None, None)
        );
        assert_eq!(Spread::over([]), None);
    }
}
