//! Group normalisation of channels: `y = (x - mean) / sqrt(var + eps) * weight + bias`, each sample by the mean and variance
//! of a group of channels that follow each other.
//!
//! `x`: `[batch, channels, ..]`, which stays. Units that are cut leave mean and variance, too; masked ones stay in them as
//! zeros. Source: Wu & He 2018.

use plugin_api::prelude::*;

/// Normalises groups of channels of each sample (Wu & He 2018).
#[component(layer = "group-norm")]
struct GroupNorm {
    /// Number of groups; 1 makes one of all channels, as many as there are channels normalise each by itself.
    #[param(default = 4, range = "1 <= x")]
    groups: i64,
    /// What is added to the variance.
    #[param(default = 1e-5, range = "0 < x")]
    eps: f64,
}

impl GroupNorm {
    fn channels(&self, inputs: &Shapes) -> Result<Axis> {
        let x = port(inputs, "x")?;
        let Some((channels, size)) = x.get(1).and_then(|axis| Some((axis, axis.size?))) else {
            return Err(Error::new("normalisation needs a known number of channels")
                .found(show(x))
                .expected("[batch, channels, ..]")
                .into());
        };
        if size % self.groups != 0 {
            return Err(Error::new(format!(
                "{size} channels cannot be split among {} groups",
                self.groups
            ))
            .expected("a multiple of `groups`")
            .help("set `groups`")
            .into());
        }
        Ok(channels.clone())
    }
}

impl Layer for GroupNorm {
    fn weights(&self, inputs: &Shapes) -> Result<Vec<WeightSpec>> {
        let channels = self.channels(inputs)?;
        let ones = Recipe::new("baselines/constant").with("value", 1.0);
        Ok(vec![
            WeightSpec::new("weight", [channels.clone()], ones).tag("norm"),
            WeightSpec::new("bias", [channels], "baselines/zeros").tag("norm"),
        ])
    }

    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        self.channels(inputs)?;
        Ok(Shapes::new().with("x", port(inputs, "x")?.clone()))
    }

    fn forward(&self, w: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        let (weight, bias) = (&w["weight"], &w["bias"]);
        let x = x.tensor("x")?;
        let y = x.f_group_norm(self.groups, Some(weight), Some(bias), self.eps, true)?;
        Ok(Batch::new().with("x", y))
    }

    fn export(&self, to: &str, inputs: &Shapes) -> Result<Option<Source>> {
        let (groups, eps) = (self.groups, self.eps);
        let y = match to {
            Source::PYTORCH => {
                format!("return torch.group_norm(x, {groups}, self.weight, self.bias, {eps:?})")
            }
            Source::ONNX => {
                // A factor for each channel: in opset 18 an operator of its own has one for each group.
                let channels = [vec![-1], vec![1; port(inputs, "x")?.len() - 2]].concat();
                format!(
                    "\
ones = Expand(1.0, [{groups}])
whole = InstanceNormalization(Reshape(x, [0, {groups}, -1]), ones, 0.0 * ones, epsilon={eps:?})
y = Reshape(whole, Shape(x)) * Reshape(self.weight, {channels:?})
return y + Reshape(self.bias, {channels:?})"
                )
            }
            _ => return Ok(None),
        };
        Ok(Some(Source::new(inputs, y)))
    }
}
