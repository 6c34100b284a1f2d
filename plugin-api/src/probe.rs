//! What scorers and pruners measure alike, and therefore measure once.

use abi_stable::StableAbi;
use serde::{Deserialize, Serialize};

use crate::{Batch, Seen, Tensors};

/// A look at a network as it is: one batch of `train` and a pass over it as in training, which leaves no trace.
///
/// The batch is the first that training would meet, so that all who ask for the same size see the same samples.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// Samples in the batch; 0 for the whole split.
    pub size: i64,
    /// Taps of the pass, as [`Ask::tapped`](crate::Ask::tapped) names them.
    pub taps: Vec<String>,
    /// Whether the gradients of the loss are wanted.
    pub gradients: bool,
}

impl Probe {
    /// A pass over this many samples, for its outputs.
    pub fn of(size: i64) -> Self {
        Probe {
            size,
            ..Probe::default()
        }
    }

    /// The same with these taps.
    pub fn tapped<N: Into<String>>(mut self, taps: impl IntoIterator<Item = N>) -> Self {
        self.taps.extend(taps.into_iter().map(Into::into));
        self
    }

    /// The same with the gradients of the loss.
    pub fn with_gradients(mut self) -> Self {
        self.gradients = true;
        self
    }

    /// Whether what it gives holds all that the other asks for.
    pub fn covers(&self, other: &Probe) -> bool {
        let has = |tap: &String| self.taps.iter().any(|own| own == tap || own == "*");
        self.size == other.size
            && (self.gradients || !other.gradients)
            && other.taps.iter().all(has)
    }

    /// One pass of this size for both.
    pub fn with(mut self, other: &Probe) -> Self {
        let fresh = other.taps.iter().filter(|tap| !self.taps.contains(tap));
        let fresh: Vec<String> = fresh.cloned().collect();
        self.taps.extend(fresh);
        self.gradients |= other.gradients;
        self
    }
}

/// What a probe has seen: at least what it asked for.
#[repr(C)]
#[derive(StableAbi, Clone)]
pub struct Probed {
    /// The batch.
    pub batch: Batch,
    /// Outputs and taps, without their history.
    pub seen: Seen,
    /// The weights of `model` as the pass used them, generated ones too, by path; without their history.
    pub weights: Tensors,
    /// The gradients of the loss with respect to them, where they were asked for; zeros where the loss does not depend
    /// on a weight.
    pub gradients: Tensors,
}
