//! Better weights.

mod backprop;
mod kernel_ridge;
mod tabular;
