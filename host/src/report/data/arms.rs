//! Stages that are compared seed by seed.

use plugin_api_data::Goal;
use serde::Serialize;

use super::Stage;
use crate::spread::{Difference, compare};

/// A group of stages that ran with the same seeds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Arms {
    /// Name of the group.
    pub group: String,
    /// What is compared, such as `test.accuracy`.
    pub metric: String,
    /// The stage that the others are compared with.
    pub reference: String,
    /// The others, in order.
    pub differences: Vec<Difference>,
}

impl Arms {
    /// The groups among these stages, on `val` and on `test`.
    pub(super) fn of(stages: &[Stage], goal: &Goal) -> Vec<Self> {
        let mut groups: Vec<(&str, Vec<&Stage>)> = vec![];
        for stage in stages {
            let Some(group) = &stage.group else {
                continue;
            };
            match groups.iter_mut().find(|(name, _)| name == group) {
                Some((_, arms)) => arms.push(stage),
                None => groups.push((group, vec![stage])),
            }
        }
        let on = |split: &'static str| {
            let metric = format!("{split}.{}", goal.metric);
            let groups = groups.iter();
            groups.filter_map(move |(group, arms)| Arms::compared(group, arms, &metric))
        };
        on("val").chain(on("test")).collect()
    }

    fn compared(group: &str, arms: &[&Stage], metric: &str) -> Option<Self> {
        let sample = |stage: &&Stage| (stage.name.clone(), stage.values(metric));
        let samples: Vec<_> = arms.iter().map(sample).collect();
        let differences = compare(&samples);
        let is_known = differences.iter().any(|of| of.difference.is_some());
        is_known.then(|| Arms {
            group: group.into(),
            metric: metric.into(),
            reference: samples[0].0.clone(),
            differences,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn stages_of_a_name_are_a_group() {
        let stage = |name: &str, value: f64| Stage {
            name: name.into(),
            verb: "train".into(),
            group: name.split_once('.').map(|(group, _)| group.into()),
            works: 1,
            ended: 1,
            seconds: 0.0,
            seeds: vec![super::super::Seed {
                seed: 0,
                metrics: [("val.accuracy", value)].into_iter().collect(),
                seconds: None,
            }],
            tables: vec![],
            search: None,
        };
        let stages = [
            stage("first", 0.1),
            stage("rate.low", 0.5),
            stage("rate.high", 0.75),
            stage("alone.x", 0.2),
        ];
        let goal = Goal {
            metric: "accuracy".into(),
            higher_is_better: true,
        };
        let [arms] = &Arms::of(&stages, &goal)[..] else {
            panic!("one group has two arms");
        };
        assert_eq!(
            (&*arms.group, &*arms.metric, &*arms.reference),
            ("rate", "val.accuracy", "rate.low")
        );
        assert_eq!(arms.differences[0].difference.unwrap().mean, 0.25);
    }
}
