//! Better weights.

mod backprop;
