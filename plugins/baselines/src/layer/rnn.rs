//! A simple recurrent layer: `h_t = tanh(U x_t + c + V h_{t-1} + d)`, from `h_0 = 0`.
//!
//! `x`: `[batch, steps, in]` to `[batch, steps, out]`, every `h_t`, and `state`, the last, `[batch, out]`. Where padded
//! sequences come with `lengths`, `[batch]`, int64, the state is that at the end of each, and zeros stand behind it.
//! `U` is `input` and `V` `recurrent`. Source: Elman 1990.

use plugin_api::prelude::*;

use super::recurrent::{Recurrent, given, onnx, start, written};

const GATES: i64 = 1;

/// A state that each step of a sequence turns into the next, by one map and the hyperbolic tangent (Elman 1990).
#[component(layer = "rnn")]
struct Rnn {
    /// Numbers in the state; as many as come in where it is left out.
    #[param(range = "1 <= x")]
    out: Option<i64>,
}

impl Rnn {
    fn on<'a>(&self, inputs: &'a Shapes) -> Recurrent<'a> {
        Recurrent {
            inputs,
            out: self.out,
            gates: GATES,
        }
    }
}

impl Layer for Rnn {
    fn weights(&self, inputs: &Shapes) -> Result<Vec<WeightSpec>> {
        self.on(inputs).weights()
    }

    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        self.on(inputs).shapes()
    }

    fn forward(&self, w: &Tensors, inputs: &Batch, pass: &dyn Pass) -> Result<Batch> {
        let x = inputs.tensor("x")?;
        let (state, weights) = start(w, x, GATES)?;
        let (y, last) = x.f_rnn_tanh(&state, &weights, true, 1, 0.0, pass.train(), false, true)?;
        given(y, &last, inputs)
    }

    fn cost(&self, inputs: &Shapes) -> Result<Vec<Cost>> {
        self.on(inputs).cost()
    }

    fn export(&self, to: &str, inputs: &Shapes) -> Result<Option<Source>> {
        let run =
            "y, last = torch.rnn_tanh(x, begin, weights, True, 1, 0.0, self.training, False, True)";
        Ok(match to {
            Source::PYTORCH => Some(written(run, inputs)),
            Source::ONNX => Some(onnx("RNN", &[0], "", inputs)),
            _ => None,
        })
    }
}
