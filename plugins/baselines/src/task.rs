//! Data, and what is wanted of it.

mod augmented;
mod cifar10;
mod crop;
mod cutout;
mod digits;
mod digits_graph;
mod flip;
mod idx_images;
mod images;
mod multi_task;
mod planetoid;
