//! How smooth features become, hop by hop: the paper's graph smoothing level.
//!
//! ```text
//! GSL(k) = mean over nodes i of a_i^k (1 - b_i^k),   a, b as in `dgmlp/propagation`
//! ```
//!
//! With `limit = "symmetric"` it tends to 0, with `"reference"` to what the two limits differ by. Of the features of the task the report has the table
//! `levels` (`hop`, `level`), and the metrics `level` (after the last hop) and `half` (the first hop after which the level is
//! less than half of that of the first one; the number of hops where there is none). Source: Zhang et al. 2021, section 3.1.

use plugin_api::prelude::*;

use crate::smoothness::{Limit, Smoothness, step};

/// How smooth the features of a task's nodes become over the graph, hop by hop (Zhang et al. 2021).
#[component(analysis = "smoothing")]
struct Smoothing {
    /// Hops that are looked at.
    #[param(default = 20, range = "1 <= x <= 1000")]
    hops: i64,
    /// What counts as the state that smoothing tends to.
    #[param(default = "reference")]
    limit: Limit,
}

impl Analysis for Smoothing {
    fn measure(&self, bench: &dyn Bench, _: &dyn Host) -> Result<Report> {
        let subjects = bench.subjects()?;
        let subject = subjects
            .first()
            .context("there is no subject, whose task has the graph")?;
        let batch = bench.subject(subject)?.batch("train", &At::ALL)?;
        let batch = batch.context("the task has no batch")?;
        let (x, graph) = (batch.tensor("x")?, batch.graph("graph")?);
        let smoothing = graph.with_self_loops()?.normalised()?;
        let smoothness = Smoothness::new(x, graph, self.limit)?;
        let mut hop = smoothness.start();
        let mut levels = vec![];
        for k in 0..=self.hops {
            if k > 0 {
                hop = step(&smoothing, hop)?;
            }
            let level = smoothness.of(&hop)?.f_mean(Kind::Double)?;
            levels.push(level.f_double_value(&[])?);
        }
        let begin = levels[1];
        let half = levels.iter().skip(1).position(|level| *level < begin / 2.0);
        let half = half.map_or(self.hops, |after| after as i64 + 1);
        let rows = levels
            .iter()
            .enumerate()
            .map(|(k, level)| vec![k as f64, *level]);
        Ok(Report::default()
            .metric("level", levels[levels.len() - 1])
            .metric("half", half as f64)
            .table("levels", &["hop", "level"], rows.collect()))
    }
}
