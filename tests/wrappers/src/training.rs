//! What training is made of: trainer, objective, transform, schedule, pruner, scorer.

use plugin_api::prelude::*;

/// Trains twice with another trainer, and reports how often.
#[component(trainer = "trainer")]
struct Again {
    /// The other one.
    inner: Use<dyn Trainer>,
}

impl Trainer for Again {
    fn fit(&self, session: &mut dyn Session) -> Result<Report> {
        self.inner.fit(session)?;
        Ok(self.inner.fit(session)?.metric("fits", 2.0))
    }
}

/// Twice the term of another objective, and the mean square of a tap and of a companion's outputs, where they are named.
#[component(objective = "objective")]
struct Doubled {
    /// The other one.
    inner: Use<dyn Objective>,
    /// A tap to look at.
    tap: Option<String>,
    /// A companion whose outputs `y` to look at.
    companion: Option<String>,
}

impl Objective for Doubled {
    fn needs(&self) -> Result<Needs> {
        let mut needs = self.inner.needs()?;
        needs.taps.extend(self.tap.clone());
        needs
            .companions
            .extend(self.companion.clone().map(|name| (name, vec![])));
        Ok(needs)
    }

    fn value(
        &self,
        seen: &Seen,
        batch: &Batch,
        companions: &Named<Seen>,
    ) -> Result<Option<plugin_api::Tensor>> {
        let Some(term) = self.inner.value(seen, batch, companions)? else {
            return Ok(None);
        };
        let mut term = term.f_mul_scalar(2.0)?;
        if let Some(tap) = &self.tap {
            term = term.f_add(&seen.taps[tap].f_square()?.f_mean(None::<Kind>)?)?;
        }
        if let Some(companion) = &self.companion {
            let y = companions[companion].outputs.tensor("y")?;
            term = term.f_add(&y.f_square()?.f_mean(None::<Kind>)?)?;
        }
        Ok(Some(term.into()))
    }
}

/// Half the updates of another transform.
#[component(transform = "transform")]
struct Shorter {
    /// The other one.
    inner: Use<dyn Transform>,
}

impl Transform for Shorter {
    fn init(&self, specs: &[WeightSpec], arch: &Arch) -> Result<Tensors> {
        self.inner.init(specs, arch)
    }

    fn update(
        &self,
        gradients: Tensors,
        weights: &Tensors,
        state: &mut Tensors,
        tick: &Tick,
    ) -> Result<Tensors> {
        let updates = self.inner.update(gradients, weights, state, tick)?;
        Ok(updates.map(|_, t| t * 0.5))
    }
}

/// Another schedule, at every other step.
#[component(schedule = "schedule")]
struct Faster {
    /// The other one.
    inner: Use<dyn Schedule>,
}

impl Schedule for Faster {
    fn at(&self, step: i64) -> f64 {
        self.inner.at(2 * step)
    }
}

/// Prunes first what another pruner would keep.
#[component(pruner = "pruner")]
struct Contrary {
    /// The other one.
    inner: Use<dyn Pruner>,
}

impl Pruner for Contrary {
    fn scores(&self, session: &mut dyn Session) -> Result<Tensors> {
        Ok(self.inner.scores(session)?.map(|_, t| -t))
    }
}

/// What another scorer says, the other way round.
#[component(scorer = "scorer")]
struct Reversed {
    /// The other one.
    inner: Use<dyn Scorer>,
}

impl Scorer for Reversed {
    fn score(&self, session: &mut dyn Session) -> Result<f64> {
        self.inner.score(session)
    }

    fn higher_is_better(&self) -> bool {
        !self.inner.higher_is_better()
    }
}
