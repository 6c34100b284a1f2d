//! Convolution over one to three axes: each output channel is a sum over a window of all input channels.
//!
//! ```text
//! y_o(p) = b_o + sum_i sum_d W_oi(d) x_i(stride p + d - padding)
//! ```
//!
//! `x`: `[batch, in, ..]` to `[batch, out, ..]`. Source: LeCun et al. 1998; the sign of `d` is that of PyTorch.

use plugin_api::prelude::*;

use super::windows;

/// Convolution over as many axes as follow the channels, one to three (LeCun et al. 1998).
#[component(layer = "conv")]
struct Conv {
    /// Channels that come out; as many as come in where it is left out.
    #[param(range = "1 <= x")]
    out: Option<i64>,
    /// Length of the window along each axis.
    #[param(default = 3, range = "1 <= x")]
    kernel: i64,
    /// Steps between windows.
    #[param(default = 1, range = "1 <= x")]
    stride: i64,
    /// Zeros on each side; half the window where it is left out, which keeps lengths at stride 1 and odd windows.
    #[param(range = "0 <= x")]
    padding: Option<i64>,
    /// Whether to add a learned `b`.
    #[param(default = true)]
    bias: bool,
}

impl Conv {
    fn padding(&self) -> i64 {
        self.padding.unwrap_or(self.kernel / 2)
    }

    fn channels(&self, inputs: &Shapes) -> Result<(Axis, Axis)> {
        let x = port(inputs, "x")?;
        if !(3..=5).contains(&x.len()) {
            return Err(
                Error::new("a convolution needs one to three axes after the channels")
                    .found(show(x))
                    .expected("[batch, in, ..]")
                    .into(),
            );
        }
        let channels = x[1].clone().named("in");
        let width = channels
            .size
            .context("the number of channels is not known")?;
        Ok((channels, axis("out", self.out.unwrap_or(width))))
    }
}

impl Layer for Conv {
    fn weights(&self, inputs: &Shapes) -> Result<Vec<WeightSpec>> {
        let (channels, out) = self.channels(inputs)?;
        let window = port(inputs, "x")?[2..].iter();
        let window = window.map(|along| axis(&along.name, self.kernel).fixed());
        let axes = [out.clone(), channels].into_iter().chain(window);
        let weight = WeightSpec::new("weight", axes, "baselines/kaiming").tag("prunable");
        let bias = self
            .bias
            .then(|| WeightSpec::new("bias", [out], "baselines/zeros"));
        Ok([weight].into_iter().chain(bias).collect())
    }

    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        let x = port(inputs, "x")?;
        let (_, out) = self.channels(inputs)?;
        let slide = |along| windows(along, self.kernel, self.stride, self.padding());
        let along = x[2..].iter().map(slide).collect::<Result<Vec<_>>>()?;
        let shape = [x[0].clone(), out].into_iter().chain(along).collect();
        Ok(Shapes::new().with("x", shape))
    }

    fn forward(&self, w: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        let x = x.tensor("x")?;
        let each = |n: i64| vec![n; x.dim() - 2];
        let y = x.f_convolution(
            &w["weight"],
            w.get("bias").map(|b| &**b),
            each(self.stride),
            each(self.padding()),
            each(1),
            false,
            each(0),
            1,
        )?;
        Ok(Batch::new().with("x", y))
    }

    fn cost(&self, inputs: &Shapes) -> Result<Vec<Cost>> {
        let windows = self.shapes(inputs)?["x"][1..].to_vec();
        let of_window = self.weights(inputs)?[0].axes[1..].to_vec();
        let axes = windows.into_iter().chain(of_window);
        Ok(vec![Cost::new("macs", 1.0, axes)])
    }

    fn export(&self, to: &str, inputs: &Shapes) -> Result<Option<Source>> {
        let axes = port(inputs, "x")?.len() - 2;
        let bias = if self.bias { "self.bias" } else { "None" };
        let (stride, padding) = (self.stride, self.padding());
        let y = match to {
            Source::PYTORCH => format!(
                "return torch.conv{axes}d(x, self.weight, {bias}, stride={stride}, padding={padding})"
            ),
            Source::ONNX => format!(
                "return Conv(x, self.weight, {bias}, strides={:?}, pads={:?})",
                vec![stride; axes],
                vec![padding; 2 * axes]
            ),
            _ => return Ok(None),
        };
        Ok(Some(Source::new(inputs, y)))
    }
}
