//! Grid search: every point once, in a fixed order.
//!
//! The last decision changes first, as the digits of a number do; what is asked only where another decision took some
//! options has its turns there alone. Nothing is random, and nothing that is seen changes anything.

use plugin_api::prelude::*;

use super::order;

/// Grid search: every point once, the last decision changing first.
#[component(strategy = "grid")]
struct Grid {
    /// Values that are tried of each real number, from its lowest to its highest in equal steps.
    #[param(range = "1 <= x <= 1000000")]
    steps: Option<i64>,
    /// What is open.
    #[serde(skip)]
    decisions: Vec<Decision>,
    /// The point that comes next.
    #[serde(skip)]
    next: Option<Point>,
}

impl Strategy for Grid {
    fn begin(&mut self, setting: &Setting) -> Result<()> {
        let mut decisions = setting.decisions.iter();
        let real = decisions.find(|d| matches!(d.domain, Domain::Real(..)));
        if let (Some(real), None) = (real, self.steps) {
            let what = format!("a grid cannot try every value of `{}`", real.name);
            return Err(Error::new(what)
                .found("a real number")
                .help("set `steps` to the number of values that are tried of each real number")
                .into());
        }
        self.decisions = setting.decisions.clone();
        self.next = Some(order::first(&self.decisions));
        Ok(())
    }

    fn ask(&mut self, n: i64, _: &dyn Host) -> Result<Vec<Proposal>> {
        let mut proposals = vec![];
        while (proposals.len() as i64) < n
            && let Some(point) = self.next.take()
        {
            let steps = self.steps.unwrap_or(1);
            self.next = order::following(&self.decisions, &point, steps);
            proposals.push(point.into());
        }
        Ok(proposals)
    }

    fn tell(&mut self, _: &[Observation], _: &dyn Host) -> Result<()> {
        Ok(())
    }
}
