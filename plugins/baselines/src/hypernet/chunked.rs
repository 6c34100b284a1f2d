//! One small network that makes weights of any number, chunk by chunk, each from an embedding of its own that is learned.
//!
//! ```text
//! chunk i = head tanh(hidden z_i + hidden.bias) + head.bias,   weight PATH = its part of all chunks / sqrt(in)
//! ```
//!
//! The targets' numbers follow each other in the order of the targets; what is left of the last chunk is nobody's. Own
//! weights: `z` `[chunks, embedding]`, `hidden.weight` `[hidden, embedding]`, `hidden.bias` `[hidden]`, `head.weight`
//! `[chunk, hidden]`, `head.bias` `[chunk]`. The condition is not looked at.
//!
//! Source: von Oswald et al. 2020, "Continual learning with hypernetworks", "Model compression". A chunk may belong to
//! weights of several layers, so their scale cannot lie in the head: chunks begin with variance 1, and `in`, which counts
//! what goes into a unit of the target (see [`fans`]), makes the variance `1 / in` of them that its layer wants.

use plugin_api::prelude::*;

use super::TANH_POWER;
use crate::initializer::fans;

/// Makes weights chunk by chunk, each from a learned embedding, by one small network (von Oswald et al. 2020).
#[component(hypernet = "chunked")]
struct Chunked {
    /// Numbers in a chunk.
    #[param(default = 64, range = "1 <= x")]
    chunk: i64,
    /// Length of a chunk's embedding.
    #[param(default = 8, range = "1 <= x")]
    embedding: i64,
    /// Width of the hidden layer.
    #[param(default = 32, range = "1 <= x")]
    hidden: i64,
}

impl Hypernet for Chunked {
    fn weights(&self, target: &[WeightSpec]) -> Result<Vec<WeightSpec>> {
        let numbers: i64 = target.iter().map(WeightSpec::numel).sum();
        let chunks = ("chunks", (numbers + self.chunk - 1) / self.chunk);
        let (embedding, hidden) = (("embedding", self.embedding), ("hidden", self.hidden));
        let chunk = ("chunk", self.chunk);
        let normal = |variance: f64| {
            let normal = Recipe::new("baselines/normal");
            normal.with("std", variance.sqrt())
        };
        let of_hidden = normal(1.0 / self.embedding as f64);
        let of_head = normal(1.0 / (self.hidden as f64 * TANH_POWER));
        Ok(vec![
            WeightSpec::new("z", &[chunks, embedding], normal(1.0)),
            WeightSpec::new("hidden.weight", &[hidden, embedding], of_hidden),
            WeightSpec::new("hidden.bias", &[hidden], "baselines/zeros"),
            WeightSpec::new("head.weight", &[chunk, hidden], of_head),
            WeightSpec::new("head.bias", &[chunk], "baselines/zeros"),
        ])
    }

    fn generate(&self, w: &Tensors, _: &Batch, target: &[WeightSpec]) -> Result<Tensors> {
        let linear = |x: &Tensor, name: &str| {
            let bias = &w[&format!("{name}.bias")];
            x.f_linear(&w[&format!("{name}.weight")], Some(bias))
        };
        let hidden = linear(&w["z"], "hidden")?.f_tanh()?; // [chunks, hidden]
        let numbers = linear(&hidden, "head")?.f_flatten(0, -1)?; // [chunks x chunk]
        let mut begin = 0;
        let parts = target.iter().map(|spec| {
            let part = numbers.f_narrow(0, begin, spec.numel())?;
            begin += spec.numel();
            // A number that nothing goes into is as large as it likes.
            let into = fans(spec).map_or(1.0, |(into, _)| into);
            let scaled = part.f_div_scalar(into.sqrt())?;
            Ok((&spec.name, scaled.f_view(&spec.size()[..])?))
        });
        parts.collect()
    }
}
