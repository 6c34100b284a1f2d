//! Networks that make weights.

mod chunked;
mod mlp;

/// The mean of `tanh(g)^2` for a standard normal `g`: what the hidden units have as their mean square at first.
const TANH_POWER: f64 = 0.394_294;
