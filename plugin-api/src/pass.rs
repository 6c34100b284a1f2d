//! What a layer may ask of the forward pass that it takes part in.

use plugin_api_macros::boundary;

use crate::{Choice, Error, Result, Tensor};

/// One forward pass, as a layer sees it; lent for the time of a call.
#[boundary(lent)]
pub trait Pass {
    /// Whether the network is being trained.
    fn train(&self) -> bool;
    /// Training steps done before this pass.
    fn step(&self) -> i64;
    /// Shows a value under a name; the layer goes on with what comes back.
    fn tap(&self, name: &str, x: Tensor) -> Tensor;
    /// What the options of a decision weigh in this pass; `None` where nobody chooses.
    fn choice(&self, decision: &str) -> Option<Choice>;
    /// Puts a new value into a buffer of the layer, as running statistics are; only in training, else it is dropped.
    fn keep(&self, buffer: &str, value: Tensor);
    /// Uniform numbers in `[0, 1)`, float32, from the stream of seed, path, step and the number of the draw.
    fn uniform(&self, size: &[i64]) -> Tensor;
    /// Each number of `x` zeroed with probability `rate`, where [`Pass::uniform`] falls below it, and the others times
    /// `1 / (1 - rate)`.
    #[since(1.1)]
    fn dropout(&self, x: &Tensor, rate: f64) -> Result<Tensor> {
        dropped(x, &self.uniform(&x.size()), rate)
    }
}

/// [`Pass::dropout`] by operations of libtorch, with these uniform numbers, one for each of `x`.
///
/// # Errors
/// Where the rate is none.
pub fn dropped(x: &Tensor, uniform: &Tensor, rate: f64) -> Result<Tensor> {
    if !(0.0..1.0).contains(&rate) {
        return Err(Error::new("this is no rate of dropout")
            .found(rate)
            .expected("0 <= rate < 1")
            .into());
    }
    let kept = uniform.f_ge(rate)?.f_to_kind(x.kind())?;
    let factors = kept.f_mul_scalar(1.0 / (1.0 - rate))?;
    Ok(x.f_mul(&factors.f_to_device(x.device())?)?.into())
}

/// Looks at taps, and may replace what they show.
#[boundary(lent)]
pub trait Hook {
    /// The value at a tap, and what takes its place.
    fn at(&self, tap: &str, x: Tensor) -> Tensor;
}

/// For wrappers: the same pass one level down, with a hook on the taps of what is wrapped.
pub struct Within<'a> {
    /// The wrapper's own pass.
    pub outer: &'a dyn Pass,
    /// What is wrapped, by name: its tap `x` is `inner/x` seen from outside, its weight `w` is `inner.w`.
    pub name: &'a str,
    /// Looks at the inner taps first.
    pub hook: Option<&'a dyn Hook>,
}

impl Pass for Within<'_> {
    fn train(&self) -> bool {
        self.outer.train()
    }

    fn step(&self) -> i64 {
        self.outer.step()
    }

    fn tap(&self, name: &str, x: Tensor) -> Tensor {
        let x = match self.hook {
            Some(hook) => hook.at(name, x),
            None => x,
        };
        self.outer.tap(&format!("{}/{name}", self.name), x)
    }

    fn choice(&self, decision: &str) -> Option<Choice> {
        self.outer.choice(decision)
    }

    fn keep(&self, buffer: &str, value: Tensor) {
        self.outer.keep(&format!("{}.{buffer}", self.name), value);
    }

    fn uniform(&self, size: &[i64]) -> Tensor {
        self.outer.uniform(size)
    }

    fn dropout(&self, x: &Tensor, rate: f64) -> Result<Tensor> {
        self.outer.dropout(x, rate)
    }
}
