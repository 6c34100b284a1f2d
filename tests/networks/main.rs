//! What `Arch` and `Session` promise, on random networks and through plugin files.

mod architectures;
mod cutting;
mod support;
