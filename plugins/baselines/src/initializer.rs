//! How weights begin.

use plugin_api::prelude::*;
use plugin_api::{schemars, serde};

mod constant;
mod glorot;
mod kaiming;
mod normal;
mod orthogonal;
mod uniform;
mod zeros;

/// How many numbers go into a unit of a weight, and how many units take a number that comes in.
///
/// Units lie along the axis `out`, else along the last; inputs along the axis `in`, else along the first other one. What
/// is left is the window of a convolution, which counts for both. A weight of one axis has as many of both.
pub(crate) fn fans(spec: &WeightSpec) -> Result<(f64, f64)> {
    let length = |axis: usize| spec.axes[axis].size.unwrap_or(0) as f64;
    let axes = || spec.axes.iter().enumerate();
    let find = |fits: &dyn Fn(&str) -> bool| axes().find(|(_, a)| fits(&a.name)).map(|(i, _)| i);
    let all: f64 = (0..spec.axes.len()).map(length).product();
    if spec.axes.is_empty() || all == 0.0 {
        return Err(Error::new(format!("nothing goes into `{}`", spec.name))
            .found(format!("{:?}", spec.size()))
            .help("use baselines/constant")
            .into());
    }
    let last = axes().rev().find(|(_, axis)| axis.name != "in");
    let out = find(&|name| name == "out").or(last.map(|(i, _)| i));
    let first = axes().find(|(i, _)| Some(*i) != out);
    let into = find(&|name| name == "in").or(first.map(|(i, _)| i));
    Ok(match (into, out) {
        (Some(into), Some(out)) => (all / length(out), all / length(into)),
        _ => (all, all),
    })
}

/// How random numbers around zero are distributed.
#[derive(Clone, Copy, serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "plugin_api::serde", rename_all = "kebab-case")]
#[schemars(crate = "plugin_api::schemars", inline)]
enum Distribution {
    /// All between two bounds alike.
    Uniform,
    /// Normally.
    Normal,
}

impl Distribution {
    /// A weight of this standard deviation.
    fn draw(self, deviation: f64, spec: &WeightSpec, seed: u64) -> Result<plugin_api::Tensor> {
        let size = spec.size();
        let made = match self {
            Distribution::Uniform => {
                let bound = 3.0_f64.sqrt() * deviation;
                let unit = random::uniform(&size, seed).f_to_kind(kind(spec.dtype))?;
                unit.f_mul_scalar(2.0 * bound)?.f_sub_scalar(bound)?
            }
            Distribution::Normal => {
                let unit = random::normal(&size, seed).f_to_kind(kind(spec.dtype))?;
                unit.f_mul_scalar(deviation)?
            }
        };
        Ok(made.into())
    }
}
