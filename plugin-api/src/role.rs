//! The roles: what a component can be. One trait, one file.

mod hypernet;
mod initializer;
mod layer;
mod pruner;
mod scorer;
mod space;
mod strategy;
mod task;
mod trainer;
mod transform;

pub use hypernet::{Hypernet, HypernetObj};
pub use initializer::{Initializer, InitializerObj};
pub use layer::{Layer, LayerObj};
pub use pruner::{Pruner, PrunerObj};
pub use scorer::{Scorer, ScorerObj};
pub use space::{Space, SpaceObj};
pub use strategy::{Strategy, StrategyObj};
pub use task::{Task, TaskObj};
pub use trainer::{Trainer, TrainerObj};
pub use transform::{Tick, Transform, TransformObj};
