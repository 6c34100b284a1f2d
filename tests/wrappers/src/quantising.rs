//! Low precision: any layer in fixed point numbers, and a search for weights, layers and bits in one round (after Zhao et
//! al. 2020).

use plugin_api::boundary::raise;
use plugin_api::prelude::*;

/// Any layer in fixed point numbers: decisions choose the bits of its weights, and of what it shows at its taps.
#[component(
    layer = "quantised",
    exempt(gradients = "rounding passes gradients straight through")
)]
struct Quantised {
    /// The layer.
    inner: Use<dyn Layer>,
    /// What there is to choose from; 32 leaves numbers as they are.
    #[param(range = "1 <= x <= 32")]
    bits: Vec<i64>,
    /// The decision between them for weights.
    weights: String,
    /// The decision between them for taps.
    taps: String,
}

impl Quantised {
    /// The mean over the precisions that are chosen.
    fn round(&self, x: &Tensor, choice: &Choice) -> Result<Tensor> {
        let mut mean = x.f_zeros_like()?;
        for option in choice.active() {
            let bits = *self.bits.get(option).context("more options than bits")?;
            let weight = choice.weights.f_get(i64::try_from(option)?)?;
            mean = mean.f_add(&fixed_point(x, bits)?.f_mul(&weight)?)?;
        }
        Ok(mean)
    }
}

/// Of so many bits, in steps of a power of two that just hold the largest number: a gradient passes where a number is
/// not cut off.
fn fixed_point(x: &Tensor, bits: i64) -> Result<Tensor> {
    if bits == 32 {
        return Ok(x.shallow_clone());
    }
    let largest = x.f_detach()?.f_abs()?.f_max()?.f_double_value(&[])?;
    let exponent = if largest > 0.0 {
        largest.log2().ceil()
    } else {
        0.0
    };
    let step = (exponent + 1.0 - bits as f64).exp2();
    let end = 1 << (bits - 1);
    Ok(x.f_fake_quantize_per_tensor_affine(step, 0, -end, end - 1)?)
}

/// Rounds what the inner layer shows.
struct Rounding<'a> {
    layer: &'a Quantised,
    choice: &'a Choice,
}

impl Hook for Rounding<'_> {
    fn at(&self, _: &str, x: plugin_api::Tensor) -> plugin_api::Tensor {
        let rounded = self.layer.round(&x, self.choice);
        rounded.unwrap_or_else(|e| raise(e)).into()
    }
}

impl Layer for Quantised {
    fn weights(&self, inputs: &Shapes) -> Result<Vec<WeightSpec>> {
        let inner = self.inner.weights(inputs)?;
        Ok(inner.into_iter().map(|spec| spec.under("inner.")).collect())
    }

    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        self.inner.shapes(inputs)
    }

    fn forward(&self, w: &Tensors, x: &Batch, pass: &dyn Pass) -> Result<Batch> {
        let chosen = |decision: &str| {
            let choice = pass.choice(decision);
            choice.with_context(|| format!("nobody chooses `{decision}`"))
        };
        let (weights, taps) = (chosen(&self.weights)?, chosen(&self.taps)?);
        let w = w.under("inner.");
        let rounded = w
            .iter()
            .map(|(name, t)| Ok((name, self.round(t, &weights)?)));
        let rounding = Rounding {
            layer: self,
            choice: &taps,
        };
        let within = Within {
            outer: pass,
            name: "inner",
            hook: Some(&rounding),
        };
        self.inner
            .forward(&rounded.collect::<Result<_>>()?, x, &within)
    }

    /// Bits are one more axis of each weight, whose length is chosen.
    fn cost(&self, inputs: &Shapes) -> Result<Vec<Cost>> {
        let most = self.bits.iter().max().copied();
        let bits = axis("bits", most).chosen(&self.weights);
        let weights = self.inner.weights(inputs)?.into_iter().map(|spec| {
            let axes = spec.axes.into_iter().chain([bits.clone()]);
            Cost::new("bits", 1.0, axes)
        });
        Ok(self
            .inner
            .cost(inputs)?
            .into_iter()
            .chain(weights)
            .collect())
    }
}

/// A draw of one option for each decision, whose gradient reaches all of them; three levels are learned in turns: weights
/// on `train`, layers on `val`, bits on `val` with the size of the network.
#[component(
    relaxation = "three-levels",
    exempt(gradients = "the option that is drawn has the gradient of its probability")
)]
struct ThreeLevels {
    /// The decisions between bits; all others are between layers.
    #[param(default = [])]
    bits: Vec<String>,
    /// What the size counts in the loss of the bits, as a part of what it is at most.
    #[param(default = 0.1, range = "0 <= x")]
    size: f64,
    /// Training steps before bits are learned.
    #[param(default = 0, range = "0 <= x")]
    warm: i64,
    /// From gradients to updates, at each level.
    #[param(default = ["baselines/adam"])]
    transforms: Vec<RecipeOf<dyn Transform>>,
}

impl Relaxation for ThreeLevels {
    fn weights(&self, decisions: &[Decision]) -> Result<Vec<WeightSpec>> {
        let spec = |decision: &Decision| {
            let Domain::Options(options) = &decision.domain else {
                bail!("`{}` has no options", decision.name);
            };
            let axes = [axis("options", options.len() as i64)];
            let spec = WeightSpec::new(&decision.name, axes, "baselines/zeros");
            let level = match self.bits.contains(&decision.name) {
                true => "bits",
                false => "layers",
            };
            Ok(spec.group(Group::Choice).tag(level))
        };
        decisions.iter().map(spec).collect()
    }

    /// The best option of logits with Gumbel noise, in training; without it else.
    fn mix(&self, w: &Tensors, decisions: &[Decision], draw: &Draw) -> Result<Choices> {
        let choice = |decision: &Decision| {
            let mut logits = w[&decision.name].shallow_clone();
            if draw.train {
                let name = format!("{}:{}", decision.name, draw.step);
                let uniform = random::uniform(&logits.size(), stream(draw.seed, &name));
                let noise = uniform.f_log()?.f_neg()?.f_log()?.f_neg()?;
                logits = logits.f_add(&noise)?;
            }
            let p = logits.f_softmax(0, None)?;
            let best = p.f_argmax(0, false)?;
            // Exactly one, with the gradient of the probability.
            let one = p.f_sub(&p.f_detach()?)?.f_add_scalar(1.0)?;
            let weights = best.f_one_hot(p.size()[0])?.f_mul(&one)?;
            let best = usize::try_from(best.f_int64_value(&[])?)?;
            Ok((decision.name.clone(), Choice::new(weights, [best])))
        };
        decisions.iter().map(choice).collect()
    }

    fn update(&self, session: &mut dyn Session) -> Result<Report> {
        let warm = session.steps() >= self.warm;
        let mut report = Report::default();
        for level in ["model", "#layers", "#bits"] {
            if session.specs(level)?.is_empty() || (level == "#bits" && !warm) {
                continue;
            }
            if !session.chains()?.iter().any(|chain| chain == level) {
                let transforms = self.transforms.iter().map(|t| t.recipe.clone());
                session.chain(level, &transforms.collect::<Vec<_>>(), level)?;
            }
            let (split, ask) = match level {
                "model" => ("train", Ask::train()),
                _ => ("val", Ask::train().dry()),
            };
            let batch = session.next(split, 0)?;
            let mut loss = session.loss(&session.forward(&batch, &ask)?, &batch)?;
            if level == "#bits" {
                let size = self.expected_size(session)?.f_mul_scalar(self.size)?;
                loss = loss.f_add(&size)?.into();
            }
            session.apply(
                level,
                &gradients_of(&loss, &session.weights(level)?, false)?,
            )?;
            report = report.metric(level, loss.f_double_value(&[])?);
        }
        Ok(report)
    }

    fn decide(&self, session: &mut dyn Session) -> Result<Tensors> {
        Ok(session.weights("choice")?.under("relaxation."))
    }
}

impl ThreeLevels {
    /// The expected bits of all weights, as a part of the most that they can be.
    fn expected_size(&self, session: &dyn Session) -> Result<Tensor> {
        let logits = session.weights("choice")?.under("relaxation.");
        let probabilities = logits.iter().map(|(d, t)| Ok((d, t.f_softmax(0, None)?)));
        let expected = session.cost("bits", &probabilities.collect::<Result<_>>()?)?;
        let most = session.cost("bits", &Tensors::new())?.f_double_value(&[])?;
        Ok(expected.f_div_scalar(most)?)
    }
}
