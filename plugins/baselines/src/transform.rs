//! From gradients to updates.

mod adam;
mod sgd;
