//! A function of each number by itself.
//!
//! `x`: any shape, which stays; the tap `units` shows what comes out.

use plugin_api::prelude::*;
use plugin_api::{schemars, serde};

/// A function of each number by itself.
#[component(layer = "activation")]
struct Activation {
    /// Which function.
    #[param(default = "relu")]
    kind: Function,
}

/// Which function.
#[derive(Clone, Copy, serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "plugin_api::serde", rename_all = "kebab-case")]
#[schemars(crate = "plugin_api::schemars", inline)]
enum Function {
    /// `max(x, 0)`.
    Relu,
    /// `max(x, 0.01 x)`.
    LeakyRelu,
    /// `x` where positive, else `e^x - 1` (Clevert et al. 2016).
    Elu,
    /// `x` times the probability that a standard normal number is below it (Hendrycks & Gimpel 2016).
    Gelu,
    /// `x` times its sigmoid.
    Silu,
    /// The hyperbolic tangent.
    Tanh,
    /// `1 / (1 + e^-x)`.
    Sigmoid,
}

impl Layer for Activation {
    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        Ok(Shapes::new().with("x", port(inputs, "x")?.clone()))
    }

    fn forward(&self, _: &Tensors, x: &Batch, pass: &dyn Pass) -> Result<Batch> {
        let x = x.tensor("x")?;
        let y = match self.kind {
            Function::Relu => x.f_relu()?,
            Function::LeakyRelu => x.f_leaky_relu()?,
            Function::Elu => x.f_elu()?,
            Function::Gelu => x.f_gelu("none")?,
            Function::Silu => x.f_silu()?,
            Function::Tanh => x.f_tanh()?,
            Function::Sigmoid => x.f_sigmoid()?,
        };
        Ok(Batch::new().with("x", pass.tap("units", y.into())))
    }

    fn export(&self, to: &str, inputs: &Shapes) -> Result<Option<Source>> {
        let y = match to {
            Source::PYTORCH => self.kind.pytorch(),
            Source::ONNX => self.kind.onnx(),
            _ => return Ok(None),
        };
        Ok(Some(Source::new(inputs, format!("return {y}"))))
    }
}

impl Function {
    fn pytorch(self) -> String {
        match self {
            Function::Relu => "torch.relu(x)".into(),
            Function::LeakyRelu => "torch.where(x > 0, x, 0.01 * x)".into(),
            // The same at its default `alpha` of 1.
            Function::Elu => "torch.celu(x)".into(),
            Function::Gelu => gelu("x"),
            Function::Silu => "x * torch.sigmoid(x)".into(),
            Function::Tanh => "torch.tanh(x)".into(),
            Function::Sigmoid => "torch.sigmoid(x)".into(),
        }
    }

    fn onnx(self) -> String {
        match self {
            Function::Relu => "Relu(x)".into(),
            Function::LeakyRelu => "LeakyRelu(x, alpha=0.01)".into(),
            Function::Elu => "Elu(x, alpha=1.0)".into(),
            Function::Gelu => onnx_gelu("x"),
            Function::Silu => "x * Sigmoid(x)".into(),
            Function::Tanh => "Tanh(x)".into(),
            Function::Sigmoid => "Sigmoid(x)".into(),
        }
    }
}

/// How PyTorch writes `gelu` of a name, without `nn`.
pub(super) fn gelu(x: &str) -> String {
    format!("0.5 * {x} * (1 + torch.erf({x} / 2 ** 0.5))")
}

/// How ONNX writes it; an operator of its own came later than opset 18.
pub(super) fn onnx_gelu(x: &str) -> String {
    format!("0.5 * {x} * (1.0 + Erf({x} / {:?}))", 2_f64.sqrt())
}
