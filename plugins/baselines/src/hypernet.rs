//! Networks that make weights.

mod mlp;
