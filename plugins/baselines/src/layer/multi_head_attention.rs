//! Multi-head attention: of each step, a learned average over the steps of a sequence.
//!
//! ```text
//! q, k, v = W_query x + b, W_key key + b, W_value value + b          (split among the heads)
//! y = W_output (softmax over keys of q . k / sqrt(numbers in q) times v, the heads side by side) + b
//! ```
//!
//! `x`: `[batch, steps, in]` to `[batch, steps, out]`. Keys and values may come in at ports of their own, `key` and
//! `value`, `[batch, keys, ..]`, each of its own width; they are `x` otherwise. Of padded keys `lengths`, `[batch]`, int64,
//! says how many are theirs. The weights are `query`, `key`, `value` and `output`, each `[out, in]` as in PyTorch's files, where
//! the first three stand in one. Source: Vaswani et al. 2017, section 3.2.

use plugin_api::prelude::*;

use super::attention::{Attention, lengths, steps};

/// Attention of the steps of sequences to each other or to those of others, by several heads (Vaswani et al. 2017).
#[component(layer = "multi-head-attention")]
struct MultiHeadAttention {
    /// Features that come out, of all heads together; as many as come in at `x` where it is left out.
    #[param(range = "1 <= x")]
    out: Option<i64>,
    /// Number of heads.
    #[param(default = 4, range = "1 <= x")]
    heads: i64,
    /// Whether each step sees itself and those before it alone.
    #[param(default = false)]
    causal: bool,
    /// Probability that, in training, a head does not see what it would see.
    #[param(default = 0.0, range = "0 <= x < 1")]
    dropout: f64,
    /// Whether the maps add a learned `b`.
    #[param(default = true)]
    bias: bool,
}

impl MultiHeadAttention {
    fn attention(&self) -> Attention {
        Attention {
            heads: self.heads,
            bias: self.bias,
            causal: self.causal,
            dropout: self.dropout,
        }
    }

    fn out(&self, inputs: &Shapes) -> Result<Axis> {
        Ok(axis("out", self.out.unwrap_or(width(inputs, "x")?)))
    }
}

/// Queries, keys and values.
fn sides(there: impl Fn(&str) -> bool) -> [&'static str; 3] {
    let or_x = |port| if there(port) { port } else { "x" };
    ["x", or_x("key"), or_x("value")]
}

/// Their shapes.
fn shapes(inputs: &Shapes) -> Result<[&[Axis]; 3]> {
    let [x, key, value] = sides(|port| inputs.contains(port));
    Ok([
        steps(inputs, x)?,
        steps(inputs, key)?,
        steps(inputs, value)?,
    ])
}

impl Layer for MultiHeadAttention {
    fn weights(&self, inputs: &Shapes) -> Result<Vec<WeightSpec>> {
        let from = shapes(inputs)?.map(|shape| shape[2].clone());
        self.attention().weights(from, &self.out(inputs)?)
    }

    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        self.weights(inputs)?;
        let x = port(inputs, "x")?;
        Ok(Shapes::new().with("x", with_last_axis(x, self.out(inputs)?)))
    }

    fn forward(&self, w: &Tensors, x: &Batch, pass: &dyn Pass) -> Result<Batch> {
        let [query, key, value] = sides(|port| x.contains(port));
        let from = [x.tensor(query)?, x.tensor(key)?, x.tensor(value)?];
        let y = self.attention().forward(w, from, lengths(x)?, pass)?;
        Ok(Batch::new().with("x", y))
    }

    fn cost(&self, inputs: &Shapes) -> Result<Vec<Cost>> {
        self.attention().cost(shapes(inputs)?, &self.out(inputs)?)
    }

    fn export(&self, to: &str, inputs: &Shapes) -> Result<Option<Source>> {
        let sides = sides(|port| inputs.contains(port));
        Ok(match to {
            Source::PYTORCH => Some(self.attention().written(sides, inputs)),
            Source::ONNX => Some(self.attention().onnx(sides, inputs)),
            _ => None,
        })
    }
}
