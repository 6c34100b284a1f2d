//! Data, and what is wanted of it.

mod digits;
mod digits_graph;
mod planetoid;
mod multi_task;
