//! The ordinary parts of the field, which papers build on and compare with. One file a component, by role.

pub mod digits;
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

plugin_api::plugin!();
