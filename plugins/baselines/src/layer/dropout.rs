//! Dropout: in training each number is zeroed with probability `rate`, and the others grow by `1 / (1 - rate)`, so that
//! means stay; in evaluation nothing changes.
//!
//! `x`: any shape, which stays; of sparse features the numbers that are there are zeroed. Source: Srivastava et al. 2014, JMLR 15.

use plugin_api::prelude::*;

/// Zeroes numbers at random in training (Srivastava et al. 2014).
#[component(layer = "dropout")]
struct Dropout {
    /// Probability that a number is zeroed.
    #[param(default = 0.5, range = "0 <= x < 1")]
    rate: f64,
}

impl Layer for Dropout {
    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        Ok(Shapes::new().with("x", port(inputs, "x")?.clone()))
    }

    fn forward(&self, _: &Tensors, x: &Batch, pass: &dyn Pass) -> Result<Batch> {
        let dropped: Value = match x.get("x") {
            Some(x) if !pass.train() || self.rate == 0.0 => x.clone(),
            Some(Value::Graph(sparse)) => sparse
                .weighted(&pass.dropout(&sparse.weight(), self.rate)?)?
                .into(),
            _ => pass.dropout(&x.tensor("x")?.into(), self.rate)?.into(),
        };
        Ok(Batch::new().with("x", dropped))
    }

    fn export(&self, to: &str, inputs: &Shapes) -> Result<Option<Source>> {
        let y = match to {
            Source::PYTORCH => format!("return torch.dropout(x, {:?}, self.training)", self.rate),
            Source::ONNX => "return x".into(),
            _ => return Ok(None),
        };
        Ok(Some(Source::new(inputs, y)))
    }
}
