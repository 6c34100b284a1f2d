//! The one loop: what trainers, pruners and scorers work on.

use abi_stable::StableAbi;
use abi_stable::std_types::{ROption, RString, RVec};
use plugin_api_data::{Arch, Named, Recipe, Shapes, WeightSpec};
use plugin_api_macros::boundary;
use serde::{Deserialize, Serialize};

use crate::pass::HookRef;
use crate::{Batch, Hook, Result, Tensor, Tensors};

/// What a task feeds a network with, and wants of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ports {
    /// What comes in.
    pub inputs: Shapes,
    /// What must come out.
    pub outputs: Shapes,
    /// The main metric.
    pub metric: String,
    /// Whether more of it is better.
    pub higher_is_better: bool,
}

/// Which batch: it depends on these four alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct At {
    /// The epoch, counted from 0.
    pub epoch: i64,
    /// The batch within the epoch, counted from 0.
    pub index: i64,
    /// Samples in a batch; 0 for all of the split.
    pub size: i64,
    /// Decides the order of an epoch.
    pub seed: u64,
}

impl At {
    /// The whole split in one batch.
    pub const ALL: At = At {
        epoch: 0,
        index: 0,
        size: 0,
        seed: 0,
    };
}

/// One forward pass: how to run, what to show, what to replace.
#[repr(C)]
#[derive(StableAbi, Default)]
pub struct Ask<'a> {
    train: bool,
    taps: RVec<RString>,
    hook: ROption<HookRef<'a>>,
    weights: ROption<Tensors>,
}

impl<'a> Ask<'a> {
    /// As in training: dropout is on.
    pub fn train() -> Self {
        Ask {
            train: true,
            ..Ask::default()
        }
    }

    /// As in evaluation.
    pub fn eval() -> Self {
        Ask::default()
    }

    /// Also hand back these taps: `node.port` between nodes, `node/name` inside a layer, `*` for all.
    pub fn tapped<N: AsRef<str>>(mut self, taps: impl IntoIterator<Item = N>) -> Self {
        self.taps
            .extend(taps.into_iter().map(|t| RString::from(t.as_ref())));
        self
    }

    /// Let a hook look at every tap.
    pub fn hooked(mut self, hook: &'a dyn Hook) -> Self {
        self.hook = ROption::RSome(HookRef::new(hook));
        self
    }

    /// Use these weights in place of the session's, by path.
    pub fn weights(mut self, weights: Tensors) -> Self {
        self.weights = ROption::RSome(weights);
        self
    }

    /// Whether this is a training pass.
    pub fn is_train(&self) -> bool {
        self.train
    }

    /// Whether anybody looks at taps.
    pub fn is_watched(&self) -> bool {
        !self.taps.is_empty() || self.hook.is_some()
    }

    /// Whether this tap is wanted.
    pub fn wants(&self, tap: &str) -> bool {
        self.taps.iter().any(|t| t == tap || t == "*")
    }

    /// The hook, if there is one.
    pub fn hook(&self) -> Option<&(dyn Hook + 'a)> {
        self.hook.as_ref().map(|h| h as &dyn Hook).into()
    }

    /// The weights that replace the session's, if there are any.
    pub fn replaced(&self) -> Option<&Tensors> {
        self.weights.as_ref().into()
    }
}

/// What a forward pass gave.
#[repr(C)]
#[derive(StableAbi, Clone, Default)]
pub struct Seen {
    /// By output port.
    pub outputs: Batch,
    /// The taps that were asked for.
    pub taps: Tensors,
}

/// A network with its weights, masks and task: the one place where weights live.
///
/// Selectors name weights: `model`, `choice`, `buffer`, `all`, `#tag`, a path, `prefix*`, or several joined by commas.
#[boundary(lent)]
pub trait Session {
    /// The architecture.
    fn arch(&self) -> Result<Arch>;
    /// What the task feeds and wants.
    fn ports(&self) -> Result<Ports>;
    /// What is known of the weights: names are paths.
    fn specs(&self, select: &str) -> Result<Vec<WeightSpec>>;
    /// Training steps done: updates, by whichever chain.
    fn steps(&self) -> i64;
    /// The seed of a stream of the caller's own.
    fn seed(&self, stream: &str) -> u64;

    /// The live weights, by path; an update happens in place, so they stay good.
    fn weights(&self, select: &str) -> Result<Tensors>;
    /// The weights as a pass uses them, generated ones too, after masks; differentiable.
    fn effective(&self, select: &str) -> Result<Tensors>;
    /// Overwrites weights by path; masks are applied.
    fn set(&mut self, weights: &Tensors) -> Result<()>;
    /// The masks, by the path of their weight: 1 keeps, 0 prunes.
    fn masks(&self) -> Result<Tensors>;
    /// Sets masks, and applies them.
    fn mask(&mut self, masks: &Tensors) -> Result<()>;
    /// Keeps `round(keep * n)` of the `n` scored weights, those with the highest scores, and masks the others. `global`
    /// ranks all of them together, else each tensor by itself. Of equal scores the earlier weight is kept; what is
    /// masked already stays masked.
    fn prune(&mut self, scores: &Tensors, keep: f64, global: bool) -> Result<()>;
    /// Copies of the weights, and of `masks`, `chains` and `clock` where the selector names them; `everything` is all.
    fn snapshot(&self, select: &str) -> Result<Tensors>;
    /// Puts a snapshot back.
    fn restore(&mut self, snapshot: &Tensors) -> Result<()>;

    /// A batch of a split, on the session's device.
    fn batch(&self, split: &str, at: &At) -> Result<Option<Batch>>;
    /// The next batch of a split, of this many samples (0: the whole split); epochs follow each other.
    fn next(&mut self, split: &str, size: i64) -> Result<Batch>;
    /// Runs the network.
    fn forward(&self, x: &Batch, ask: &Ask<'_>) -> Result<Seen>;
    /// The terms of the task's loss.
    fn terms(&self, seen: &Seen, batch: &Batch) -> Result<Tensors>;
    /// Their sum.
    fn loss(&self, seen: &Seen, batch: &Batch) -> Result<Tensor>;
    /// The task's metrics on a whole split.
    fn evaluate(&self, split: &str) -> Result<Named<f64>>;

    /// Makes a chain of transforms for the selected weights; the last one's updates are added to them.
    fn chain(&mut self, name: &str, transforms: &[Recipe], select: &str) -> Result<()>;
    /// Sends gradients through a chain and adds what comes out; masks are applied. That is a training step.
    fn apply(&mut self, chain: &str, gradients: &Tensors) -> Result<()>;
    /// One training step: forward, loss, gradients of the chain's weights, update. Returns the loss.
    fn step(&mut self, chain: &str, batch: &Batch, ask: &Ask<'_>) -> Result<f64>;
}
