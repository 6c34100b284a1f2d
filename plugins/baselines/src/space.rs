//! Families of architectures.

mod gnn;
