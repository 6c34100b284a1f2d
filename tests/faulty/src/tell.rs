//! Tells in an error what a process is like where a layer runs.

use std::backtrace::Backtrace;

use plugin_api::prelude::*;
use plugin_api::{schemars, serde};

/// What to tell.
#[derive(Clone, Copy, serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "plugin_api::serde", rename_all = "kebab-case")]
#[schemars(crate = "plugin_api::schemars", inline)]
enum What {
    /// How many threads libtorch has.
    Threads,
    /// What libtorch's generator draws.
    Draw,
    /// Whether an error would get a backtrace.
    Backtrace,
}

/// Tells in an error what a process is like where a layer runs.
#[component(layer = "tell")]
struct Tell {
    /// What it tells.
    what: What,
}

impl Layer for Tell {
    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        Ok(Shapes::new().with("x", port(inputs, "x")?.clone()))
    }

    fn forward(&self, _: &Tensors, _: &Batch, _: &dyn Pass) -> Result<Batch> {
        match self.what {
            What::Threads => bail!("threads: {}", tch::get_num_threads()),
            What::Draw => {
                let draw = Tensor::f_rand([1], (Kind::Double, Device::Cpu))?;
                bail!("draw: {}", draw.f_double_value(&[0])?)
            }
            What::Backtrace => bail!("backtrace: {:?}", Backtrace::capture().status()),
        }
    }
}
