//! Numbers that change with the step.

mod cosine;
mod one_cycle;
mod piecewise;
mod step;
mod warm_up;
