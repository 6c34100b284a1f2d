//! Data, and what is wanted of it.

mod arrays;
mod digits;
mod digits_graph;
mod graph_links;
mod graph_nodes;
mod graphs;
mod multi_task;
mod planetoid;
mod table;
