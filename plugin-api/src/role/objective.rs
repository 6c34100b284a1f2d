//! Terms of a loss beside the task's own.

use plugin_api_data::Named;
use plugin_api_macros::boundary;
use serde::{Deserialize, Serialize};

use crate::{Batch, Result, Seen, Tensor};

/// What an objective wants to see of a pass.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Needs {
    /// Taps of the network, as [`Ask::tapped`](crate::Ask::tapped) names them.
    pub taps: Vec<String>,
    /// Other networks that run on the same batch, without gradients: teachers and guides. By name, with their taps.
    pub companions: Vec<(String, Vec<String>)>,
    /// A selector of weights, as the pass uses them: they stand among the taps, as `weight:PATH`.
    #[serde(default)]
    pub weights: Option<String>,
}

/// `(outputs, taps, batch) -> a term of the loss`.
#[boundary(owned)]
pub trait Objective: Send + Sync {
    /// What it wants to see; outputs it sees always.
    fn needs(&self) -> Result<Needs> {
        Ok(Needs::default())
    }

    /// The term, a scalar that is added to the loss; `None` where it has nothing to say of this batch.
    fn value(&self, seen: &Seen, batch: &Batch, companions: &Named<Seen>)
    -> Result<Option<Tensor>>;
}
