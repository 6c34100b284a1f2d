//! Layers.

mod activation;
mod begun;
mod dropout;
mod gat;
mod gcn;
mod kernel_machine;
mod linear;
