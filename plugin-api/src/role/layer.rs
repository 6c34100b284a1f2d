//! Pure functions of weights and inputs.

use plugin_api_data::{Cost, Shapes, Source, WeightSpec};
use plugin_api_macros::boundary;

use crate::{Batch, Pass, Result, Tensors};

/// `(weights, inputs) -> outputs`. The session owns the weights; a layer keeps no tensor of its own.
#[boundary(owned)]
pub trait Layer: Send + Sync {
    /// The weights that it needs for inputs of these shapes.
    fn weights(&self, inputs: &Shapes) -> Result<Vec<WeightSpec>> {
        let _ = inputs;
        Ok(vec![])
    }

    /// The shapes of its outputs.
    ///
    /// # Errors
    /// Where it cannot take these inputs.
    fn shapes(&self, inputs: &Shapes) -> Result<Shapes>;

    /// Runs it. Sizes are read from `w` and `x`, never from `self`, so that cut weights just work.
    fn forward(&self, w: &Tensors, x: &Batch, pass: &dyn Pass) -> Result<Batch>;

    /// What running it takes. From the weights the session counts `parameters`, without buffers, and `bits`, with them,
    /// where no layer speaks of these.
    #[since(1.1)]
    fn cost(&self, inputs: &Shapes) -> Result<Vec<Cost>> {
        let _ = inputs;
        Ok(vec![])
    }

    /// Whether what comes out depends on what comes in alone: on no weight, no draw and no choice, and not on whether this
    /// is training. The session then keeps it for as long as the same tensors and graphs come in.
    #[since(1.1)]
    fn fixed(&self) -> bool {
        false
    }

    /// Whether nothing of what comes in reaches what comes out, as with zeros. A candidate of a search whose inputs reach
    /// its outputs through no other layers gets no score.
    #[since(1.1)]
    fn ignores_inputs(&self) -> bool {
        false
    }

    /// How it is written in another language for inputs of these shapes; `None` where that cannot be, or nobody has done
    /// it. `to` is [`Source::PYTORCH`] or [`Source::ONNX`], and may be another one day. What is not there is not written: a layer without a bias has none.
    #[since(1.1)]
    fn export(&self, to: &str, inputs: &Shapes) -> Result<Option<Source>> {
        let _ = (to, inputs);
        Ok(None)
    }
}
