//! How far single samples agree on which way each weight of an untrained network should go:
//!
//! ```text
//! score = sum over weights w of |sum over samples i of sign(dL_i / dw)|        sign(0) = 0
//! ```
//!
//! `L_i` is the loss of sample `i` in a batch of its own, at the weights as they begin. The higher the score, the closer
//! together lie the optima of single samples, and the lower are the paper's bounds of training and generalisation error.
//! Source: Zhang and Jia 2022, equation 6 and algorithm 1.

use plugin_api::prelude::*;

use crate::look::Look;

/// How far single samples agree on the signs of the gradients of an untrained network (Zhang and Jia 2022).
#[component(scorer = "gradsign")]
struct GradSign {
    /// Samples that are looked at, each by itself; 0 for the whole split.
    #[param(default = 128, range = "0 <= x <= 10000000")]
    samples: i64,
    /// The split that they come from.
    #[param(default = "train")]
    split: String,
    /// The weights that count: `#prunable` are the matrices and kernels of layers, without biases, norms and embeddings.
    #[param(default = "#prunable")]
    select: String,
    /// Whether passes run as in training, where norms over the batch see one sample alone; else as in evaluation.
    #[param(default = true)]
    training: bool,
}

impl Scorer for GradSign {
    fn score(&self, session: &mut dyn Session) -> Result<f64> {
        let look = Look {
            samples: self.samples,
            split: &self.split,
            select: &self.select,
            training: self.training,
        };
        look.at(session)?.score()
    }
}
