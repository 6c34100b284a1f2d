//! Data, and what is wanted of it.

mod cifar10;
mod digits;
mod digits_graph;
mod idx_images;
mod images;
mod multi_task;
mod planetoid;
