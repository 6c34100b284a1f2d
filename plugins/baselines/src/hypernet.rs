//! Networks that make weights.

mod chunked;
mod mlp;
