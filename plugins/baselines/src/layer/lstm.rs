//! Long short-term memory, from `h_0 = c_0 = 0`:
//!
//! ```text
//! i, f, g, o = U x_t + c + V h_{t-1} + d                 (one block of rows each)
//! c_t = sigmoid(f) * c_{t-1} + sigmoid(i) * tanh(g)
//! h_t = sigmoid(o) * tanh(c_t)
//! ```
//!
//! `x`: `[batch, steps, in]` to `[batch, steps, out]`, every `h_t`, and `state`, the last, `[batch, out]`. Where padded
//! sequences come with `lengths`, `[batch]`, int64, the state is that at the end of each, and zeros stand behind it.
//! `U` is `input` and `V` `recurrent`, blocks in the order i, f, g, o.
//! Source: Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000.

use plugin_api::prelude::*;

use super::recurrent::{Recurrent, given, onnx, start, written};

const GATES: i64 = 4;

/// A state beside a memory with gates for what comes in, stays and goes out (Hochreiter & Schmidhuber 1997).
#[component(layer = "lstm")]
struct Lstm {
    /// Numbers in the state; as many as come in where it is left out.
    #[param(range = "1 <= x")]
    out: Option<i64>,
}

impl Lstm {
    fn on<'a>(&self, inputs: &'a Shapes) -> Recurrent<'a> {
        Recurrent {
            inputs,
            out: self.out,
            gates: GATES,
        }
    }
}

impl Layer for Lstm {
    fn weights(&self, inputs: &Shapes) -> Result<Vec<WeightSpec>> {
        self.on(inputs).weights()
    }

    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        self.on(inputs).shapes()
    }

    fn forward(&self, w: &Tensors, inputs: &Batch, pass: &dyn Pass) -> Result<Batch> {
        let x = inputs.tensor("x")?;
        let (state, weights) = start(w, x, GATES)?;
        let start = [&state, &state];
        let (y, last, _) = x.f_lstm(&start, &weights, true, 1, 0.0, pass.train(), false, true)?;
        given(y, &last, inputs)
    }

    fn cost(&self, inputs: &Shapes) -> Result<Vec<Cost>> {
        self.on(inputs).cost()
    }

    fn export(&self, to: &str, inputs: &Shapes) -> Result<Option<Source>> {
        let run = "y, last, _ = torch.lstm(x, [begin, begin], weights, True, 1, 0.0, self.training, False, True)";
        Ok(match to {
            Source::PYTORCH => Some(written(run, inputs)),
            Source::ONNX => Some(onnx("LSTM", &[0, 3, 1, 2], "", inputs)),
            _ => None,
        })
    }
}
