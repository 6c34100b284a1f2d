//! Terms of a loss beside the task's own.

mod label_smoothing;
