//! Exact pruning of what is alive, of weights as of units.

use plugin_api::prelude::*;

/// Scores that are ranked together.
pub(crate) struct Ranked {
    /// Those of what is dead already come last.
    scores: Tensors,
    /// How many are alive.
    alive: f64,
}

impl Ranked {
    /// These scores, of weights by path or of units by axis.
    pub(crate) fn of(session: &dyn Session, scores: &Tensors) -> Result<Self> {
        let mut ranked = Ranked {
            scores: Tensors::new(),
            alive: 0.0,
        };
        let masks = masks(session, scores)?;
        for (name, score) in scores.iter() {
            let dead = masks[name].f_logical_not()?;
            ranked.alive += alive(&masks[name])?;
            let score = score.f_masked_fill(&dead, f64::NEG_INFINITY)?;
            ranked.scores.put(name, score);
        }
        Ok(ranked)
    }

    /// Masks this part of what is alive, exactly `round(rate * alive)`; of equal scores the later go.
    ///
    /// # Errors
    /// Where nothing would be left of a tensor.
    pub(crate) fn prune(&self, session: &mut dyn Session, rate: f64) -> Result<()> {
        let left = self.alive - (rate * self.alive).round();
        let all: usize = self.scores.values().map(|score| score.numel()).sum();
        session.prune(&self.scores, &Keep::Overall(left / all as f64))?;
        for (name, mask) in masks(session, &self.scores)?.iter() {
            if alive(mask)? == 0.0 {
                return Err(Error::new(format!("nothing is left of `{name}`"))
                    .found(format!("{rate} to go of {} alive", self.alive))
                    .expected("a weight or more that the layer passes on")
                    .help(
                        "lower its rate, prune by `scope = \"layer\"`, or keep it whole: rate = 0",
                    )
                    .into());
            }
        }
        Ok(())
    }
}

/// What is alive of weights or units, shaped as their scores: 1, or 0 where it is masked.
fn masks(session: &dyn Session, scores: &Tensors) -> Result<Tensors> {
    let masks = session.masks()?;
    let is_weight = |name: &str| session.specs(name).map(|specs| !specs.is_empty());
    let mut units = Tensors::new();
    for name in scores.names() {
        if units.is_empty() && !is_weight(name)? {
            units = session.by_units(&masks)?; // the part of a unit's weights that is alive
        }
    }
    let mut alive = Tensors::new();
    for (name, score) in scores.iter() {
        let mask = match masks.get(name).or_else(|| units.get(name)) {
            Some(mask) => mask.f_ne(0.0)?,
            None => score.f_ones_like()?.f_to_kind(Kind::Bool)?,
        };
        alive.put(name, mask);
    }
    Ok(alive)
}

fn alive(mask: &Tensor) -> Result<f64> {
    Ok(mask.f_sum(Kind::Double)?.f_double_value(&[])?)
}
