//! The ordinary parts of the field, which papers build on and compare with. One file a component, by role.

mod analysis;
mod array_task;
mod classes;
mod csv_file;
pub mod digits;
mod graph_file;
mod hypernet;
mod idx;
mod images;
mod initializer;
mod kernel;
mod layer;
mod nodes;
mod npz;
mod objective;
mod own_path;
mod pruner;
mod public_graphs;
mod relaxation;
mod schedule;
mod scorer;
mod space;
pub mod splits;
mod strategy;
mod tabular;
mod targets;
mod task;
mod trainer;
mod transform;

plugin_api::plugin!();
