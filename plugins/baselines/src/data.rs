//! What tasks and tables of results are read from and made of: files of one's own, their formats, splits, targets.

pub(crate) mod array_task;
pub(crate) mod classes;
pub(crate) mod columns;
pub(crate) mod csv_file;
pub mod digits;
pub(crate) mod graph_file;
pub(crate) mod idx;
pub(crate) mod images;
pub(crate) mod nodes;
pub(crate) mod npz;
pub(crate) mod own_path;
pub(crate) mod public_graphs;
pub mod splits;
pub(crate) mod tabular;
pub(crate) mod targets;
