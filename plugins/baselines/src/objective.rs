//! Terms of a loss beside the task's own.

mod distillation;
mod label_smoothing;
mod penalty;
