//! Data, and what is wanted of it.

mod digits;
mod digits_graph;
mod multi_task;
mod planetoid;
mod tabular_task;
