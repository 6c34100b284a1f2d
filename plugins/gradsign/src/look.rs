//! The signs of every sample's gradients, added up.

use std::cell::RefCell;

use plugin_api::Tensor;
use plugin_api::prelude::*;

/// What is looked at, and how.
pub(crate) struct Look<'a> {
    pub(crate) samples: i64,
    pub(crate) split: &'a str,
    pub(crate) select: &'a str,
    pub(crate) training: bool,
}

/// The share of gradients that may be no numbers: their signs count as 0.
const LOST: f64 = 0.01;

impl Look<'_> {
    /// Adds the signs up, sample by sample; the session stays as it is.
    pub(crate) fn at(&self, session: &dyn Session) -> Result<Agreed> {
        if session.weights(self.select)?.is_empty() {
            return Err(Error::new("the network has no weights that count")
                .found(format!("none that `{}` selects", self.select))
                .expected(
                    "a layer with a matrix or a kernel of its own, such as `baselines/linear`",
                )
                .help("name other weights: select = \"model\"")
                .into());
        }
        let batch = self.batch(session)?;
        let norms = Norms::default();
        let ask = match self.training {
            true if session.specs("#norm")?.is_empty() => Ask::train().dry(),
            true => Ask::train().dry().hooked(&norms),
            false => Ask::eval(),
        };
        let mut adding = Adding {
            norms: &norms,
            agreed: None,
        };
        session.each_gradient(&batch, &ask, &Of::Loss, self.select, &mut adding)?;
        let agreed = adding.agreed.context("the batch is empty")?;
        agreed.check()?;
        Ok(agreed)
    }

    /// The samples: the same for all networks whose sessions have one seed.
    fn batch(&self, session: &dyn Session) -> Result<Batch> {
        let at = At {
            size: self.samples,
            seed: session.seed("gradsign"),
            ..At::ALL
        };
        let batch = session
            .batch(self.split, &at)?
            .ok_or_else(|| Error::new(format!("the task has no batch of `{}`", self.split)))?;
        for (port, value) in batch.iter() {
            let Value::Tensor(t) = value else { continue };
            let there = t.size().first().copied().unwrap_or(0);
            if there < self.samples || there == 0 {
                return Err(Error::new(format!("`{}` has too few samples", self.split))
                    .found(format!("{there} at `{port}`"))
                    .expected(format!("{}, as `samples` says", self.samples.max(1)))
                    .help("ask for fewer samples, or for all of them: samples = 0")
                    .into());
            }
            if t.is_floating_point() && !bool::try_from(&t.f_isfinite()?.f_all()?)? {
                return Err(Error::new(format!("not all of `{port}` is finite"))
                    .expected("samples without NaN and infinite numbers")
                    .into());
            }
        }
        Ok(batch)
    }
}

/// Looks for norms that see one value of each channel: what they give does not depend on it, and no gradient gets past
/// them. Norms over the batch show what they give at taps called `normalised`.
#[derive(Default)]
struct Norms {
    /// The tap of the first such norm, and its shape.
    blind: RefCell<Option<(String, Vec<i64>)>>,
}

impl Hook for Norms {
    fn at(&self, tap: &str, x: Tensor) -> Tensor {
        let size = x.size();
        let channels = size.get(1).copied().unwrap_or(1);
        if tap.ends_with("/normalised") && size.iter().product::<i64>() == channels {
            self.blind.borrow_mut().get_or_insert((tap.into(), size));
        }
        x
    }
}

/// Adds signs up as gradients come, so that those of one sample are gone before the next one's are there.
struct Adding<'a> {
    norms: &'a Norms,
    agreed: Option<Agreed>,
}

impl Sink for Adding<'_> {
    fn take(&mut self, _: i64, gradients: &Tensors) -> Result<()> {
        if let Some((tap, size)) = &*self.norms.blind.borrow() {
            return Err(Error::new("a norm over the batch sees one value of each channel, so that no gradient gets past it")
                .found(format!("{size:?} at `{tap}`"))
                .expected("more than one place, as an image has, where a batch is a single sample")
                .help("run passes as in evaluation: training = false")
                .into());
        }
        // One tensor for all: a handful of operations for each sample, however many weights there are.
        let all = gradients.values().map(|gradient| gradient.f_flatten(0, -1));
        let mut all = tch::Tensor::f_cat(&all.collect::<Result<Vec<_>, _>>()?, 0)?;
        // A sum is no number where one of its terms is none.
        let lost = match f64::try_from(&all.f_sum(None)?)?.is_finite() {
            true => 0,
            false => i64::try_from(&all.f_isnan()?.f_sum(Kind::Int64)?)?,
        };
        let signs = all.f_sign_()?;
        match &mut self.agreed {
            Some(agreed) => {
                let _ = agreed.sums.f_add_(&signs)?;
                agreed.samples += 1;
                agreed.lost += lost;
            }
            None => {
                self.agreed = Some(Agreed {
                    numbers: (gradients.iter())
                        .map(|(path, gradient)| (path, gradient.numel() as i64))
                        .collect(),
                    sums: signs,
                    samples: 1,
                    lost,
                });
            }
        }
        Ok(())
    }
}

/// What came of it.
pub(crate) struct Agreed {
    /// How many numbers each weight has, by path.
    numbers: Named<i64>,
    /// For every number of the weights, one behind the other, the sum of the signs. Floats hold such whole numbers exactly,
    /// up to 16 million samples.
    sums: tch::Tensor,
    samples: i64,
    /// Gradients that were no numbers.
    lost: i64,
}

impl Agreed {
    /// Over all weights, how far the samples agree.
    pub(crate) fn score(&self) -> Result<f64> {
        Ok(f64::try_from(&self.sums.f_abs()?.f_sum(Kind::Double)?)?)
    }

    /// The sums of signs of each weight, flat, by path.
    pub(crate) fn by_weight(&self) -> Result<Vec<(&str, tch::Tensor)>> {
        let numbers: Vec<i64> = self.numbers.values().copied().collect();
        let sums = self.sums.f_split_with_sizes(numbers, 0)?;
        Ok(self.numbers.names().zip(sums).collect())
    }

    /// Refuses a network that has lost its gradients: it would rank behind all others without a word.
    fn check(&self) -> Result<()> {
        let all = self.sums.numel() as f64 * self.samples as f64;
        let share = self.lost as f64 / all;
        if share > LOST {
            return Err(Error::new("too many gradients are no numbers")
                .found(format!("{:.1} % of them", 100.0 * share))
                .expected(format!(
                    "{:.0} % at most, whose signs count as 0",
                    100.0 * LOST
                ))
                .help("look at the loss of the network as it begins")
                .into());
        }
        Ok(())
    }
}
