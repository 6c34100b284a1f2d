//! How many weights are alive.

use plugin_api::prelude::*;

/// The weights that are tagged `prunable`, and those of them that no mask prunes.
pub(crate) struct Alive {
    /// Of each tensor, in the network's order.
    tensors: Vec<Tensorwise>,
}

/// One tensor.
struct Tensorwise {
    path: String,
    weights: f64,
    alive: f64,
}

impl Alive {
    /// What [`rows`](Alive::rows) say.
    pub(crate) const COLUMNS: [&str; 2] = ["weights", "alive"];

    /// Those of a session.
    pub(crate) fn of(session: &dyn Session) -> Result<Self> {
        let masks = session.masks()?;
        let of = |spec: WeightSpec| {
            let weights = spec.size().iter().product::<i64>() as f64;
            let alive = match masks.get(&spec.name) {
                Some(mask) => mask.f_sum(Kind::Double)?.f_double_value(&[])?,
                None => weights,
            };
            Ok(Tensorwise {
                path: spec.name,
                weights,
                alive,
            })
        };
        let specs = session.specs("#prunable")?.into_iter();
        Ok(Alive {
            tensors: specs.map(of).collect::<Result<_>>()?,
        })
    }

    /// Paths of the tensors.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.tensors.iter().map(|tensor| tensor.path.as_str())
    }

    /// A row for each tensor.
    pub(crate) fn rows(&self) -> Vec<(String, Vec<f64>)> {
        let row = |t: &Tensorwise| (t.path.clone(), vec![t.weights, t.alive]);
        self.tensors.iter().map(row).collect()
    }

    /// All that are alive.
    pub(crate) fn alive(&self) -> f64 {
        self.tensors.iter().map(|tensor| tensor.alive).sum()
    }

    /// The part of all that is alive.
    pub(crate) fn fraction(&self) -> f64 {
        let weights: f64 = self.tensors.iter().map(|tensor| tensor.weights).sum();
        self.alive() / weights
    }

    /// The report with both of these.
    pub(crate) fn metrics(&self, report: Report) -> Report {
        report
            .metric("alive", self.alive())
            .metric("fraction", self.fraction())
    }
}
