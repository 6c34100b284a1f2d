//! The ordinary parts of the field, which papers build on and compare with. One file a component, by role.

mod analysis;
pub mod data;
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

plugin_api::plugin!();
