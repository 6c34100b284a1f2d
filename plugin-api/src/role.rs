//! The roles: what a component can be. One trait, one file.

mod analysis;
mod hypernet;
mod initializer;
mod kernel;
mod layer;
mod objective;
mod pruner;
mod relaxation;
mod schedule;
mod scorer;
mod space;
mod strategy;
mod task;
mod trainer;
mod transform;

pub use analysis::{Analysis, AnalysisObj};
pub use hypernet::{Hypernet, HypernetObj};
pub use initializer::{Initializer, InitializerObj};
pub use kernel::{Kernel, KernelObj};
pub use layer::{Layer, LayerObj};
pub use objective::{Needs, Objective, ObjectiveObj};
pub use pruner::{Pruner, PrunerObj};
pub use relaxation::{Draw, Relaxation, RelaxationObj};
pub use schedule::{Schedule, ScheduleObj};
pub use scorer::{Scorer, ScorerObj};
pub use space::{Space, SpaceObj};
pub use strategy::{Strategy, StrategyObj};
pub use task::{Task, TaskObj};
pub use trainer::{Trainer, TrainerObj};
pub use transform::{Tick, Transform, TransformObj};

/// Hands the list of roles to a macro: trait, object, name. Whoever does something for each role uses it.
#[macro_export]
macro_rules! each_role {
    ($then:ident) => {
        $then! {
            Task TaskObj task,
            Layer LayerObj layer,
            Initializer InitializerObj initializer,
            Space SpaceObj space,
            Strategy StrategyObj strategy,
            Scorer ScorerObj scorer,
            Trainer TrainerObj trainer,
            Transform TransformObj transform,
            Pruner PrunerObj pruner,
            Hypernet HypernetObj hypernet,
            Relaxation RelaxationObj relaxation,
            Objective ObjectiveObj objective,
            Schedule ScheduleObj schedule,
            Kernel KernelObj kernel,
            Analysis AnalysisObj analysis,
        }
    };
}
