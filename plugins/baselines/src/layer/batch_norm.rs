//! Batch normalisation of each channel: `y = (x - mean) / sqrt(var + eps) * weight + bias`.
//!
//! In training with the mean and variance of the batch, which running ones follow; in evaluation with the running ones.
//! `x`: `[batch, channels, ..]`, which stays. The tap `normalised` shows `y` in training: where it holds one value of each
//! channel, that value is `bias`, whatever came in. Source: Ioffe & Szegedy 2015.

use plugin_api::prelude::*;

/// Normalises each channel over the batch (Ioffe & Szegedy 2015).
#[component(layer = "batch-norm")]
struct BatchNorm {
    /// How far the running statistics go towards those of a batch.
    #[param(default = 0.1, range = "0 <= x <= 1")]
    momentum: f64,
    /// What is added to the variance.
    #[param(default = 1e-5, range = "0 < x")]
    eps: f64,
}

impl Layer for BatchNorm {
    fn weights(&self, inputs: &Shapes) -> Result<Vec<WeightSpec>> {
        let x = port(inputs, "x")?;
        let channels = x.get(1).filter(|axis| axis.size.is_some());
        let channels = channels.ok_or_else(|| {
            Error::new("normalisation needs a known number of channels")
                .found(show(x))
                .expected("[batch, channels, ..]")
        })?;
        let ones = || Recipe::new("baselines/constant").with("value", 1.0);
        let each = |name: &str, init: Recipe| WeightSpec::new(name, [channels.clone()], init);
        Ok(vec![
            each("weight", ones()).tag("norm"),
            each("bias", "baselines/zeros".into()).tag("norm"),
            each("mean", "baselines/zeros".into()).group(Group::Buffer),
            each("var", ones()).group(Group::Buffer),
        ])
    }

    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        Ok(Shapes::new().with("x", port(inputs, "x")?.clone()))
    }

    fn forward(&self, w: &Tensors, x: &Batch, pass: &dyn Pass) -> Result<Batch> {
        let x = x.tensor("x")?;
        if !pass.train() {
            let scale = w["var"]
                .f_add_scalar(self.eps)?
                .f_rsqrt()?
                .f_mul(&w["weight"])?;
            let shift = w["bias"].f_sub(&w["mean"].f_mul(&scale)?)?;
            let mut channels = vec![1; x.dim()];
            channels[1] = -1;
            let (scale, shift) = (scale.f_view(&*channels)?, shift.f_view(&*channels)?);
            return Ok(Batch::new().with("x", shift.f_addcmul(x, &scale)?));
        }
        // libtorch moves the running statistics in place; whether these count is the pass's to say.
        let (mean, var) = (w["mean"].f_detach()?.copy(), w["var"].f_detach()?.copy());
        let y = x.f_batch_norm(
            Some(&w["weight"]),
            Some(&w["bias"]),
            Some(&mean),
            Some(&var),
            true,
            self.momentum,
            self.eps,
            false,
        )?;
        pass.keep("mean", mean.into());
        pass.keep("var", var.into());
        Ok(Batch::new().with("x", pass.tap("normalised", y.into())))
    }

    fn export(&self, to: &str, inputs: &Shapes) -> Result<Option<Source>> {
        let (momentum, eps) = (self.momentum, self.eps);
        let y = match to {
            Source::PYTORCH => format!(
                "return torch.batch_norm(x, self.weight, self.bias, self.mean, self.var, self.training, {momentum:?}, {eps:?}, False)"
            ),
            Source::ONNX => format!(
                "return BatchNormalization(x, self.weight, self.bias, self.mean, self.var, epsilon={eps:?})"
            ),
            _ => return Ok(None),
        };
        Ok(Some(Source::new(inputs, y)))
    }
}
