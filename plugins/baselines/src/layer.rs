//! Layers.

mod activation;
mod dropout;
mod gat;
mod gcn;
mod kernel_machine;
mod linear;
