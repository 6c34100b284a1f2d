//! Layers.

mod activation;
mod dropout;
mod gat;
mod gcn;
mod linear;
