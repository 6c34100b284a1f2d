//! Tasks that answer actions: one episode, from its first observation to its end.

use abi_stable::StableAbi;
use plugin_api_data::Named;
use plugin_api_macros::boundary;

use crate::{Batch, Result};

/// What came of an action.
#[repr(C)]
#[derive(StableAbi, Clone, Default)]
pub struct Acted {
    /// What it was worth.
    pub reward: f64,
    /// What a pool of experience keeps of it.
    pub record: Batch,
}

/// One episode of a task; the session plays it.
#[boundary(owned)]
pub trait Episode: Send {
    /// What a network sees now, its history included; `None` once the episode is over.
    fn observe(&self) -> Result<Option<Batch>>;
    /// Makes an action of a network's outputs, and carries it out; `draw` decides what is drawn at random.
    fn act(&mut self, outputs: &Batch, draw: u64) -> Result<Acted>;
    /// Numbers that people read, the task's main metric among them.
    fn metrics(&self) -> Result<Named<f64>>;
}
