//! Which weights matter.

mod magnitude;
mod random_pruning;
mod snip;
mod synflow;
mod units;
