//! Data, and what is wanted of it.

mod arrays;
mod augmented;
mod cifar10;
mod crop;
mod cutout;
mod digits;
mod digits_graph;
mod flip;
mod graph_links;
mod graph_nodes;
mod graphs;
mod idx_images;
mod images;
mod multi_task;
mod planetoid;
mod table;
mod tabular_task;
