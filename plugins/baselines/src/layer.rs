//! Layers.

mod activation;
mod add;
mod batch_norm;
mod begun;
mod concat;
mod conv;
mod dropout;
mod flatten;
mod gat;
mod gcn;
mod kernel_machine;
mod linear;
