//! A gated recurrent layer, from `h_0 = 0`:
//!
//! ```text
//! r, z = sigmoid(U x_t + c + V h_{t-1} + d)              (one block of rows each)
//! n = tanh(U x_t + c + r * (V h_{t-1} + d))              (a third block)
//! h_t = (1 - z) * n + z * h_{t-1}
//! ```
//!
//! `x`: `[batch, steps, in]` to `[batch, steps, out]`, every `h_t`, and `state`, the last, `[batch, out]`. Where padded
//! sequences come with `lengths`, `[batch]`, int64, the state is that at the end of each, and zeros stand behind it.
//! `U` is `input` and `V` `recurrent`, blocks in the order r, z, n.
//! Source: Cho et al. 2014, in the form that PyTorch has.

use plugin_api::prelude::*;

use super::recurrent::{Recurrent, given, onnx, start, written};

const GATES: i64 = 3;

/// A state with gates for what is renewed and what is forgotten (Cho et al. 2014).
#[component(layer = "gru")]
struct Gru {
    /// Numbers in the state; as many as come in where it is left out.
    #[param(range = "1 <= x")]
    out: Option<i64>,
}

impl Gru {
    fn on<'a>(&self, inputs: &'a Shapes) -> Recurrent<'a> {
        Recurrent {
            inputs,
            out: self.out,
            gates: GATES,
        }
    }
}

impl Layer for Gru {
    fn weights(&self, inputs: &Shapes) -> Result<Vec<WeightSpec>> {
        self.on(inputs).weights()
    }

    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        self.on(inputs).shapes()
    }

    fn forward(&self, w: &Tensors, inputs: &Batch, pass: &dyn Pass) -> Result<Batch> {
        let x = inputs.tensor("x")?;
        let (state, weights) = start(w, x, GATES)?;
        let (y, last) = x.f_gru(&state, &weights, true, 1, 0.0, pass.train(), false, true)?;
        given(y, &last, inputs)
    }

    fn cost(&self, inputs: &Shapes) -> Result<Vec<Cost>> {
        self.on(inputs).cost()
    }

    fn export(&self, to: &str, inputs: &Shapes) -> Result<Option<Source>> {
        let run =
            "y, last = torch.gru(x, begin, weights, True, 1, 0.0, self.training, False, True)";
        Ok(match to {
            Source::PYTORCH => Some(written(run, inputs)),
            Source::ONNX => Some(onnx("GRU", &[1, 0, 2], ", linear_before_reset=1", inputs)),
            _ => None,
        })
    }
}
