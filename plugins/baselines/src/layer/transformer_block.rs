//! A block of a transformer: attention of the steps to each other, then a network on each step, each added to what it has
//! seen and normalised.
//!
//! ```text
//! y = norm1(x + attention(x)),   z = norm2(y + f(y))                 (norm-first = false)
//! y = x + attention(norm1(x)),   z = y + f(norm2(y))                 (norm-first = true)
//! f(y) = linear2(activation(linear1(y)))
//! ```
//!
//! `x`: `[batch, steps, features]`, which stays; of padded sequences `lengths`, `[batch]`, int64, says how many steps are
//! theirs, and what comes out behind them means nothing. In training, attention, what `activation` gives, and what is
//! added are dropped out. The weights are called and lie as in PyTorch's files, those of `multi-head-attention` under
//! `attention.`. Source: Vaswani et al. 2017, section 3; Xiong et al. 2020 for `norm-first`.

use plugin_api::prelude::*;
use plugin_api::{schemars, serde};

use super::activation::{gelu, onnx_gelu};
use super::attention::{Attention, lengths, steps};

/// Attention and a network on each step, with sums and normalisation (Vaswani et al. 2017).
#[component(layer = "transformer-block")]
struct TransformerBlock {
    /// Number of heads.
    #[param(default = 4, range = "1 <= x")]
    heads: i64,
    /// Units in the network's middle; four times as many as features where it is left out.
    #[param(range = "1 <= x")]
    hidden: Option<i64>,
    /// The function in the network's middle.
    #[param(default = "relu")]
    activation: Function,
    /// Probability that a number is zeroed in training.
    #[param(default = 0.1, range = "0 <= x < 1")]
    dropout: f64,
    /// Whether to normalise what goes into attention and network rather than the sums.
    #[param(default = false)]
    #[serde(rename = "norm-first")]
    norm_first: bool,
    /// Whether each step sees itself and those before it alone.
    #[param(default = false)]
    causal: bool,
    /// What normalisation adds to the variance.
    #[param(default = 1e-5, range = "0 < x")]
    eps: f64,
}

/// The function in the network's middle.
#[derive(Clone, Copy, serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "plugin_api::serde", rename_all = "kebab-case")]
#[schemars(crate = "plugin_api::schemars", inline)]
enum Function {
    /// `max(x, 0)`.
    Relu,
    /// `x` times the probability that a standard normal number is below it (Hendrycks & Gimpel 2016).
    Gelu,
}

impl TransformerBlock {
    fn attention(&self) -> Attention {
        Attention {
            heads: self.heads,
            bias: true,
            causal: self.causal,
            dropout: self.dropout,
        }
    }

    fn hidden(&self, features: &Axis) -> Axis {
        let width = features.size.unwrap_or_default();
        axis("hidden", self.hidden.unwrap_or(4 * width))
    }

    fn dropped(&self, x: Tensor, pass: &dyn Pass) -> Result<Tensor> {
        if !pass.train() || self.dropout == 0.0 {
            return Ok(x);
        }
        Ok(pass.dropout(&x.into(), self.dropout)?.into())
    }

    /// The network on each step.
    fn network(&self, w: &Tensors, x: &Tensor, pass: &dyn Pass) -> Result<Tensor> {
        let h = x.f_linear(&w["linear1.weight"], Some(&w["linear1.bias"]))?; // [batch, steps, hidden]
        let h = match self.activation {
            Function::Relu => h.f_relu()?,
            Function::Gelu => h.f_gelu("none")?,
        };
        let h = self.dropped(h, pass)?;
        let y = h.f_linear(&w["linear2.weight"], Some(&w["linear2.bias"]))?;
        self.dropped(y, pass)
    }
}

impl Layer for TransformerBlock {
    fn weights(&self, inputs: &Shapes) -> Result<Vec<WeightSpec>> {
        let features = &steps(inputs, "x")?[2];
        let hidden = self.hidden(features);
        let from = [features, features, features].map(Axis::clone);
        let attention = self.attention().weights(from, features)?.into_iter();
        let attention = attention.map(|spec| spec.under("attention."));

        let linear = |name: &str, to: Axis, from: Axis| {
            let axes = [to.clone(), from];
            let weight = WeightSpec::new(&format!("{name}.weight"), axes, "baselines/glorot");
            let bias = WeightSpec::new(&format!("{name}.bias"), [to], "baselines/zeros");
            [weight.tag("prunable"), bias]
        };
        let norm = |name: &str| {
            let ones = Recipe::new("baselines/constant").with("value", 1.0);
            let each = |part: &str, init: Recipe| {
                let name = format!("{name}.{part}");
                WeightSpec::new(&name, [features.clone()], init).tag("norm")
            };
            [each("weight", ones), each("bias", "baselines/zeros".into())]
        };
        let others = [
            linear("linear1", hidden.clone(), features.clone().named("in")),
            linear("linear2", features.clone().named("out"), hidden),
            norm("norm1"),
            norm("norm2"),
        ];
        Ok(attention.chain(others.into_iter().flatten()).collect())
    }

    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        self.weights(inputs)?;
        Ok(Shapes::new().with("x", port(inputs, "x")?.clone()))
    }

    fn forward(&self, w: &Tensors, inputs: &Batch, pass: &dyn Pass) -> Result<Batch> {
        let (x, lengths) = (inputs.tensor("x")?, lengths(inputs)?);
        let attention = |x: &Tensor| {
            let w = w.under("attention.");
            let y = self.attention().forward(&w, [x, x, x], lengths, pass)?;
            self.dropped(y, pass)
        };
        let norm = |name: &str, x: &Tensor| -> Result<Tensor> {
            let [weight, bias] = ["weight", "bias"].map(|part| &w[&*format!("{name}.{part}")]);
            Ok(x.f_layer_norm(weight.size(), Some(weight), Some(bias), self.eps, true)?)
        };
        let z = match self.norm_first {
            true => {
                let y = x.f_add(&attention(&norm("norm1", x)?)?)?;
                y.f_add(&self.network(w, &norm("norm2", &y)?, pass)?)?
            }
            false => {
                let y = norm("norm1", &x.f_add(&attention(x)?)?)?;
                norm("norm2", &y.f_add(&self.network(w, &y, pass)?)?)?
            }
        };
        Ok(Batch::new().with("x", z))
    }

    fn cost(&self, inputs: &Shapes) -> Result<Vec<Cost>> {
        let x = steps(inputs, "x")?;
        let features = &x[2];
        let network = [&x[1], features, &self.hidden(features)].map(Axis::clone);
        let attention = self.attention().cost([x, x, x], features)?.into_iter();
        Ok(attention.chain([Cost::new("macs", 2.0, network)]).collect())
    }

    fn export(&self, to: &str, inputs: &Shapes) -> Result<Option<Source>> {
        let ports = ["x", "lengths"].into_iter();
        let ports = ports.filter_map(|port| Some((port, inputs.get(port)?.clone())));
        let ports: Shapes = ports.collect();
        let sides = ["x", "x", "x"];
        let (forward, attention) = match to {
            Source::PYTORCH => (
                self.pytorch(inputs),
                self.attention().written(sides, &ports),
            ),
            Source::ONNX => (self.onnx(inputs), self.attention().onnx(sides, &ports)),
            _ => return Ok(None),
        };
        let source = Source::new(inputs, forward).part("attention", attention);
        Ok(Some(source))
    }
}

impl TransformerBlock {
    fn pytorch(&self, inputs: &Shapes) -> String {
        let norm = |name: &str, x: &str| {
            let (weight, bias) = (format!("self.{name}.weight"), format!("self.{name}.bias"));
            let eps = self.eps;
            format!("torch.layer_norm({x}, [x.size(2)], {weight}, {bias}, {eps:?})")
        };
        let dropped = |x: &str| match self.dropout > 0.0 {
            true => format!("torch.dropout({x}, {:?}, self.training)", self.dropout),
            false => x.into(),
        };
        let others = if inputs.contains("lengths") {
            ", lengths"
        } else {
            ""
        };
        let attention = |x: &str| dropped(&format!("self.attention({x}{others})"));
        let network = dropped("h @ self.linear2.weight.t() + self.linear2.bias");
        let (y, h, z) = match self.norm_first {
            true => (
                format!("x + {}", attention(&norm("norm1", "x"))),
                norm("norm2", "y"),
                format!("y + {network}"),
            ),
            false => (
                norm("norm1", &format!("x + {}", attention("x"))),
                "y".into(),
                norm("norm2", &format!("y + {network}")),
            ),
        };
        let activated = dropped(&match self.activation {
            Function::Relu => "torch.relu(h)".into(),
            Function::Gelu => gelu("h"),
        });
        format!(
            "\
y = {y}
h = {h} @ self.linear1.weight.t() + self.linear1.bias
h = {activated}
return {z}"
        )
    }

    fn onnx(&self, inputs: &Shapes) -> String {
        let eps = self.eps;
        let norm = |name: &str, x: &str| {
            format!(
                "LayerNormalization({x}, self.{name}.weight, self.{name}.bias, epsilon={eps:?})"
            )
        };
        let others = if inputs.contains("lengths") {
            ", lengths"
        } else {
            ""
        };
        let attention = |x: &str| format!("x + self.attention({x}{others})");
        let linear = |name: &str, x: &str| {
            format!("{x} @ Transpose(self.{name}.weight, perm=[1, 0]) + self.{name}.bias")
        };
        let network = format!("y + {}", linear("linear2", "h"));
        let (y, h, z) = match self.norm_first {
            true => (attention(&norm("norm1", "x")), norm("norm2", "y"), network),
            false => (
                norm("norm1", &attention("x")),
                "y".into(),
                norm("norm2", &network),
            ),
        };
        let activated = match self.activation {
            Function::Relu => "Relu(h)".into(),
            Function::Gelu => onnx_gelu("h"),
        };
        let hidden = linear("linear1", &h);
        format!("y = {y}\nh = {hidden}\nh = {activated}\nreturn {z}")
    }
}
